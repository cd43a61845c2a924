package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// changeInterval is the interval in which an open page looks for changes of what it shows.
const changeInterval = time.Second

// pageKey identifies what a page shows.
type pageKey struct {
	page string
	ReportPath
}

// pageState reads an id of the state of what a page shows.
type pageState struct {
	key  pageKey
	read func(context.Context) (string, error)
}

// changeReader reads the states of open pages: once in an interval for any number of those that show the same.
type changeReader struct {
	mu   sync.Mutex
	last map[pageKey]*changeReading
}

// changeReading is the result of the last read of a state.
type changeReading struct {
	// mu is held during a read, so that one read is for all pages that show the same.
	mu sync.Mutex
	at time.Time
	id string
}

// current returns an id of the state, which is at most an interval old.
func (c *changeReader) current(ctx context.Context, of pageState) (string, error) {
	reading := c.reading(of.key)
	reading.mu.Lock()
	defer reading.mu.Unlock()
	if time.Since(reading.at) < changeInterval {
		return reading.id, nil
	}
	id, err := of.read(ctx)
	if err != nil {
		return "", err
	}
	reading.at, reading.id = time.Now(), id
	return id, nil
}

// reading returns the last reading of the key, or a new one. It drops those of other keys that are too old.
func (c *changeReader) reading(of pageKey) *changeReading {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, reading := range c.last {
		if key == of || !reading.mu.TryLock() {
			continue // it is used
		}
		if time.Since(reading.at) > changeInterval {
			delete(c.last, key)
		}
		reading.mu.Unlock()
	}
	if c.last[of] == nil {
		c.last[of] = &changeReading{}
	}
	return c.last[of]
}

// pageEvents registers the stream of a page for viewers. It sends an event after each change of the state of the page,
// and one at once, so that the page can compare it with what it shows. The id of an event is that of the state.
func (s *Server) pageEvents(pattern string, state func(*http.Request) pageState) {
	s.router.Get(pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		caller, problem := s.identify(ctx, credentials(r))
		if problem == nil && !caller.Role.Includes(Viewer) {
			problem = newProblem(roleTooLow, "This needs the role viewer.")
		}
		if problem != nil {
			s.write(w, r, problem)
			return
		}
		exchangeFrom(ctx).caller = caller
		of := state(r)
		if of.key.ReportPath != (ReportPath{}) {
			if err := s.requireReport(ctx, of.key.ReportPath); err != nil {
				s.write(w, r, problemOf(ctx, err))
				return
			}
		}
		stream, err := newEventStream(w)
		if err == nil {
			err = s.sendChanges(ctx, stream, of, r.Header.Get("Last-Event-ID"))
		}
		if err != nil && ctx.Err() == nil {
			exchangeFrom(ctx).log.DebugContext(ctx, "stream of changes ended", "error", err)
		}
	})
}

func (s *Server) sendChanges(ctx context.Context, stream *eventStream, of pageState, known string) error {
	tick := time.NewTicker(changeInterval)
	defer tick.Stop()
	sent := time.Now()
	for {
		id, err := s.changes.current(ctx, of)
		switch {
		case err != nil:
			return err
		case id != known:
			err = stream.send(id, "changed")
			known, sent = id, time.Now()
		case time.Since(sent) > heartbeat:
			err = stream.beat()
			sent = time.Now()
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.stopping:
			return nil
		case <-tick.C:
		}
	}
}

// reportState is the time of the last change of a mapping of the report.
func (s *Server) reportState(in ReportPath) pageState {
	return pageState{key: pageKey{page: "report", ReportPath: in}, read: func(ctx context.Context) (string, error) {
		changed, err := schema.GetLastChange(ctx, s.db, in.CycleID, in.ReportID)
		return strconv.FormatInt(changed.UnixMicro(), 10), err
	}}
}

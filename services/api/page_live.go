package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// changeInterval is the interval in which the page of a report looks for changes of its mappings.
const changeInterval = time.Second

// changeReader reads when the mappings of reports were last changed: once in an interval for any number of pages.
type changeReader struct {
	read func(ctx context.Context, in ReportPath) (time.Time, error)

	mu   sync.Mutex
	last map[ReportPath]*changeReading
}

// changeReading is the result of the last read of a report.
type changeReading struct {
	// mu is held during a read, so that one read is for all pages of the report.
	mu      sync.Mutex
	at      time.Time
	changed string
}

// lastChange returns an id of the newest state of the mappings of the report, which is at most an interval old.
func (c *changeReader) lastChange(ctx context.Context, in ReportPath) (string, error) {
	reading := c.reading(in)
	reading.mu.Lock()
	defer reading.mu.Unlock()
	if time.Since(reading.at) < changeInterval {
		return reading.changed, nil
	}
	changed, err := c.read(ctx, in)
	if err != nil {
		return "", err
	}
	reading.at, reading.changed = time.Now(), strconv.FormatInt(changed.UnixMicro(), 10)
	return reading.changed, nil
}

// reading returns the last reading of the report, or a new one. It drops those of other reports that are too old.
func (c *changeReader) reading(in ReportPath) *changeReading {
	c.mu.Lock()
	defer c.mu.Unlock()
	for report, reading := range c.last {
		if report == in || !reading.mu.TryLock() {
			continue // it is used
		}
		if time.Since(reading.at) > changeInterval {
			delete(c.last, report)
		}
		reading.mu.Unlock()
	}
	if c.last[in] == nil {
		c.last[in] = &changeReading{}
	}
	return c.last[in]
}

// reportEvents streams an event after each change of a mapping of the report, and one at once, so that the page can
// compare it with what it shows. The id of an event is that of the state.
func (s *Server) reportEvents(w http.ResponseWriter, r *http.Request) {
	ctx, in := r.Context(), reportOf(r)
	caller, problem := s.identify(ctx, credentials(r))
	if problem == nil && !caller.Role.Includes(Viewer) {
		problem = newProblem(roleTooLow, "This needs the role viewer.")
	}
	if problem != nil {
		s.write(w, r, problem)
		return
	}
	exchangeFrom(ctx).caller = caller
	if err := s.requireReport(ctx, in); err != nil {
		s.write(w, r, problemOf(ctx, err))
		return
	}
	stream, err := newEventStream(w)
	if err == nil {
		err = s.sendChanges(ctx, stream, in, r.Header.Get("Last-Event-ID"))
	}
	if err != nil && ctx.Err() == nil {
		exchangeFrom(ctx).log.DebugContext(ctx, "stream of changes ended", "error", err)
	}
}

func (s *Server) sendChanges(ctx context.Context, stream *eventStream, in ReportPath, known string) error {
	tick := time.NewTicker(changeInterval)
	defer tick.Stop()
	sent := time.Now()
	for {
		changed, err := s.changes.lastChange(ctx, in)
		switch {
		case err != nil:
			return err
		case changed != known:
			err = stream.send(changed, "changed")
			known, sent = changed, time.Now()
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

// lastChange reads when a mapping of the report was last changed.
func (s *Server) lastChange(ctx context.Context, in ReportPath) (time.Time, error) {
	return schema.GetLastChange(ctx, s.db, in.CycleID, in.ReportID)
}

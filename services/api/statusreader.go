package api

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
)

const (
	// pollEvery is the interval between two reads if requests wait and no event arrives.
	pollEvery = 500 * time.Millisecond
	// readGap is the minimum interval between two reads.
	readGap = 100 * time.Millisecond
	// readLimit is the timeout of a read. After it, the waiting requests fail.
	readLimit = 5 * time.Second
	// progressRate is the number of waiting requests a second that are answered because of progress. A response costs
	// about as much as a mapping, so with many clients each sees progress less often, and the jobs keep their speed. A
	// change of state is not delayed.
	progressRate = 250
)

// statusReader reads the statuses of the jobs for which requests wait. It reads all of them with the same statements,
// at most once in [readGap], for any number of requests.
type statusReader struct {
	// read returns the statuses of the jobs with these ids. It leaves out the jobs that do not exist.
	read func(ctx context.Context, jobIDs []string) (map[string]jobReading, error)
	// conn delivers the events of jobs; if it is nil, the reader only polls.
	conn *nats.Conn
	log  *slog.Logger
	// start runs a function in a goroutine of the server.
	start    func(func())
	stopping <-chan struct{}
	// pollEvery is the constant with the same name, except in tests.
	pollEvery time.Duration
	// wake triggers the next read.
	wake chan struct{}

	mu      sync.Mutex
	running bool
	// round counts the reads.
	round   int
	waiters map[string]map[*waiter]bool // by job
	waiting int
}

// waiter is a request that waits for a status that its client does not know.
type waiter struct {
	jobID string
	// known is the If-None-Match of the client, or else the ETag of the first status that is read.
	known string
	since time.Time
	// round is the last read that began before the request. Its result may be older than the status that the client
	// knows.
	round  int
	newest *jobReading
	answer chan waited
}

// waited is the result for a waiting request.
type waited struct {
	reading jobReading
	err     error
}

// await returns the status of the job as soon as it is final or its ETag is not in known. If the wait ends or the
// server stops before that, it returns the latest status.
func (r *statusReader) await(ctx context.Context, jobID, known string, wait time.Duration) (jobReading, error) {
	w := &waiter{jobID: jobID, known: known, since: time.Now(), answer: make(chan waited, 1)}
	r.add(w)
	defer r.remove(w)
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return jobReading{}, ctx.Err()
	case got := <-w.answer:
		return got.reading, got.err
	case <-r.stopping:
	case <-over.C:
	}
	r.mu.Lock()
	newest := w.newest
	r.mu.Unlock()
	if newest != nil {
		return *newest, nil
	}
	readings, err := r.read(ctx, []string{jobID})
	if err != nil {
		return jobReading{}, err
	}
	return found(readings, jobID)
}

func found(readings map[string]jobReading, jobID string) (jobReading, error) {
	reading, ok := readings[jobID]
	if !ok {
		return reading, newJobNotFound()
	}
	return reading, nil
}

// add registers the request and starts the loop if it does not run.
func (r *statusReader) add(w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.round = r.round
	if r.waiters[w.jobID] == nil {
		r.waiters[w.jobID] = map[*waiter]bool{}
	}
	r.waiters[w.jobID][w] = true
	r.waiting++
	if !r.running {
		r.running = true
		r.start(r.loop)
	}
	r.wakeUp()
}

func (r *statusReader) remove(w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	delete(r.waiters[w.jobID], w)
	if len(r.waiters[w.jobID]) == 0 {
		delete(r.waiters, w.jobID)
	}
}

func (r *statusReader) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// loop reads until no request waits.
func (r *statusReader) loop() {
	unsubscribe := r.subscribe()
	defer unsubscribe()
	for {
		jobIDs, round, more := r.next()
		if !more {
			return
		}
		if len(jobIDs) > 0 {
			ctx, cancel := context.WithTimeout(context.Background(), readLimit)
			readings, err := r.read(ctx, jobIDs)
			cancel()
			r.deliver(readings, round, err)
		}
		select {
		case <-r.stopping:
		case <-time.After(readGap):
		}
		select {
		case <-r.stopping:
		case <-time.After(r.pollEvery - readGap):
		case <-r.wake:
		}
	}
}

// next begins a read. More is false if no request waits, or the server stops.
func (r *statusReader) next() (jobIDs []string, round int, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.stopping:
		r.running = false
		return nil, 0, false
	default:
	}
	if r.waiting == 0 {
		r.running = false
		return nil, 0, false
	}
	for id := range r.waiters {
		jobIDs = append(jobIDs, id)
	}
	r.round++
	return jobIDs, r.round, true
}

// deliver passes the readings to the requests that are due.
func (r *statusReader) deliver(readings map[string]jobReading, round int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pace := time.Duration(r.waiting) * time.Second / progressRate
	for id, waiters := range r.waiters {
		reading, missing := found(readings, id)
		for w := range waiters {
			switch {
			case w.round >= round: // the request arrived during the read
			case err != nil:
				w.get(waited{err: err})
			case missing != nil:
				w.get(waited{err: missing})
			case w.due(reading, pace):
				w.get(waited{reading: reading})
			}
		}
	}
}

func (w *waiter) get(answer waited) {
	select {
	case w.answer <- answer:
	default: // it already has a result
	}
}

// due reports whether to answer the request with the status. Progress without a change of state is due if the request
// has waited at least for the pace.
func (w *waiter) due(reading jobReading, pace time.Duration) bool {
	w.newest = &reading
	if w.known == "" {
		w.known = reading.etag
	}
	switch {
	case reading.status.Status.IsFinal():
		return true
	case matches(w.known, reading.etag):
		return false
	default:
		return !knowsState(w.known, reading.etag) || time.Since(w.since) >= pace
	}
}

// subscribe triggers a read for each event of a job for which a request waits. An event only reduces the delay: it
// arrives before the projector has written the status, and can be missed.
func (r *statusReader) subscribe() (unsubscribe func()) {
	var all []*nats.Subscription
	for _, topic := range []events.Topic{events.TopicJobProgress, events.TopicJobFinished} {
		if r.conn == nil {
			break
		}
		subscription, err := r.conn.Subscribe(topic.Filter(), func(m *nats.Msg) {
			jobID := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.waiters[jobID] != nil {
				r.wakeUp()
			}
		})
		if err != nil {
			r.log.Warn("subscribe to job events failed, polling instead", "error", err)
			continue
		}
		all = append(all, subscription)
	}
	return func() {
		for _, subscription := range all {
			if err := subscription.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				r.log.Warn("unsubscribe from job events failed", "error", err)
			}
		}
	}
}

package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// session is the time for which a runner has one incarnation of its consumer. An acknowledgement only names a
// stream position: sent to a stream that was created again, it would remove another message. So a message is
// settled in the session that received it or not at all, and after a reconnect or a missing answer the session
// first verifies that the consumer is still the same.
type session struct {
	consumer jetstream.Consumer
	nc       *nats.Conn
	created  time.Time
	ackWait  time.Duration
	ended    atomic.Bool

	mu sync.Mutex
	// verified is the reconnect count of the connection at the last verification.
	verified   uint64
	unverified bool
	// err is the reason why the session ended.
	err error
}

func newSession(nc *nats.Conn, consumer jetstream.Consumer, ackWait time.Duration, reconnects uint64) *session {
	return &session{
		consumer: consumer,
		nc:       nc,
		created:  consumer.CachedInfo().Created,
		ackWait:  ackWait,
		verified: reconnects,
	}
}

// invalidate requires a verification before the next acknowledgement.
func (s *session) invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unverified = true
}

// valid reports whether deliveries of the session may be settled now. It waits for the connection until ctx
// ends.
func (s *session) valid(ctx context.Context) bool {
	if s.ended.Load() || awaitConnection(ctx, s.nc) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unverified || s.nc.Stats().Reconnects != s.verified {
		if s.err = s.verify(ctx); s.err != nil {
			s.ended.Store(true)
		}
		s.unverified = false
	}
	return !s.ended.Load()
}

// verify returns nil if the consumer is the one that the session opened. If the server does not answer, as
// during the election of a leader, it retries until AckWait has passed, when other processes may have the
// messages, or ctx ends.
func (s *session) verify(ctx context.Context) error {
	for late := time.Now().Add(s.ackWait); ; pause(ctx, reopenMin) {
		if err := awaitConnection(ctx, s.nc); err != nil {
			return err
		}
		// Read before the request: a reconnect in between then only costs another verification.
		s.verified = s.nc.Stats().Reconnects
		info, err := s.consumer.Info(context.WithoutCancel(ctx))
		switch {
		case err == nil && info.Created.Equal(s.created):
			return nil
		case err == nil:
			return errReplaced
		case errors.Is(err, jetstream.ErrConsumerNotFound),
			errors.Is(err, jetstream.ErrStreamNotFound),
			ctx.Err() != nil,
			time.Now().After(late):
			return err
		}
	}
}

// awaitConnection waits for the connection until ctx ends.
func awaitConnection(ctx context.Context, nc *nats.Conn) error {
	if nc.IsConnected() {
		return nil
	}
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

const (
	reopenMin = 100 * time.Millisecond
	reopenMax = 5 * time.Second
)

// fetch keeps the queue filled until ctx ends, over any number of sessions.
func (r *Runner) fetch(ctx context.Context) error {
	var (
		failures int
		logged   string
	)
	for {
		err := awaitConnection(ctx, r.nc)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("consumer %s: %w", r.consumer.Name, err)
		}
		opened, err := r.open(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.setClosed(err)
		if opened {
			failures, logged = 0, ""
		}
		failures++
		// Log a reason once, not at every attempt.
		if text := err.Error(); text != logged {
			r.log.Warn("consumer lost, opening it again", "error", err)
			logged = text
		}
		pause(ctx, backoff(failures, reopenMin, reopenMax))
	}
}

// open declares the streams and the consumer and runs one session until the consumer is lost, which is the
// error, or ctx ends. It reports whether a session was opened.
func (r *Runner) open(ctx context.Context) (opened bool, err error) {
	// Read before the declaration: a reconnect in between then only costs another verification.
	reconnects := r.nc.Stats().Reconnects
	if err := r.topology.Declare(ctx, r.js); err != nil {
		return false, err
	}
	consumer, err := r.topology.DeclareConsumer(ctx, r.js, r.consumer)
	if err != nil {
		return false, err
	}
	s := newSession(r.nc, consumer, r.tracker.ackWait, reconnects)
	r.setClosed(nil)
	r.log.Info("consumer open")
	logged := ""
	inspected := time.Now()
	for free := r.waitForCapacity(ctx); s.valid(ctx); free = r.waitForCapacity(ctx) {
		if ctx.Err() != nil {
			return true, nil
		}
		if now := time.Now(); now.Sub(inspected) >= r.tracker.ackWait/3 {
			inspected = now
			r.restoreConsumer(ctx, s)
		}
		if free == 0 {
			s.invalidate()
			continue
		}
		err = r.request(s, free)
		r.setClosed(err)
		if err == nil {
			logged = ""
			continue
		}
		if text := err.Error(); text != logged {
			r.log.Warn("pull request failed", "error", err)
			logged = text
		}
		s.invalidate()
		pause(ctx, reopenMin)
	}
	if ctx.Err() == nil {
		r.tracker.abandon(s)
	}
	if s.ended.Load() { // s.err is final
		err = s.err
	}
	return true, cmp.Or(err, nats.ErrConnectionClosed)
}

var errReplaced = errors.New("consumer was deleted and created again")

// waitForCapacity waits until at least refill more messages fit, or ctx ends, and returns how many fit. It
// returns 0 after a third of AckWait, so that the caller checks the consumer.
func (r *Runner) waitForCapacity(ctx context.Context) int {
	check := time.NewTimer(r.tracker.ackWait / 3)
	defer check.Stop()
	free := r.window - r.tracker.count()
	for free < r.refill && ctx.Err() == nil {
		select {
		case <-r.tracker.freed:
			free = r.window - r.tracker.count()
		case <-check.C:
			return 0
		case <-ctx.Done():
		}
	}
	return free
}

// request pulls up to this many messages and queues them until the request ends.
func (r *Runner) request(s *session, limit int) error {
	// The server refuses a whole request above an operator's MaxRequestBatch. The limit may be lifted, so it is
	// read again each time.
	if most := s.consumer.CachedInfo().Config.MaxRequestBatch; most > 0 && most < limit {
		limit = most
		s.invalidate()
	}
	messages, err := s.consumer.Fetch(limit, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return err
	}
	for msg := range messages.Messages() {
		r.receive(s, msg)
	}
	return messages.Error()
}

func (r *Runner) receive(s *session, msg jetstream.Msg) {
	d := &delivery{msg: msg, session: s}
	if meta, err := msg.Metadata(); err == nil {
		d.deliveries = meta.NumDelivered
	}
	r.tracker.add(d)
	r.queue <- d
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// backoff returns the wait after so many failures: least, doubled by each further failure up to most, with a
// jitter of half so that processes do not retry at the same time.
func backoff(failures int, least, most time.Duration) time.Duration {
	wait := most
	if shift := max(failures-1, 0); shift < 20 {
		wait = min(least<<shift, most)
	}
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // no secret
}

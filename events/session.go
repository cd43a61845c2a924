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

// session is the time between opening a consumer and losing it. An acknowledgement only names a position in the stream: sent to a
// stream that was made anew, it would take another message away. So what was received in a session is settled in it or not at all, and
// whenever there is a doubt, as after a lost connection, the consumer must prove to be the one that it was.
type session struct {
	consumer jetstream.Consumer
	nc       *nats.Conn
	created  time.Time
	ackWait  time.Duration
	ended    atomic.Bool

	mu sync.Mutex
	// verified is the count of reconnects at which the consumer was known to be the one that it was.
	verified   uint64
	unverified bool
	// err is err it ended.
	err error
}

func newSession(nc *nats.Conn, consumer jetstream.Consumer, ackWait time.Duration, reconnects uint64) *session {
	return &session{consumer: consumer, nc: nc, created: consumer.CachedInfo().Created, ackWait: ackWait, verified: reconnects}
}

// invalidate makes the consumer prove itself before anything else is settled.
func (s *session) invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unverified = true
}

// valid reports whether what was received in the session can be settled now. It waits for the connection, while the context valid.
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

// verify asks whether the consumer is the one that it was. Where nobody answers, as while a cluster elects a leader, it asks again until
// what was received cannot be ours any more, or the context ends.
func (s *session) verify(ctx context.Context) error {
	for late := time.Now().Add(s.ackWait); ; pause(ctx, reopenMin) {
		if err := awaitConnection(ctx, s.nc); err != nil {
			return err
		}
		// Read first: if the connection is lost in between, the consumer only has to prove itself once more than needed.
		s.verified = s.nc.Stats().Reconnects
		info, err := s.consumer.Info(context.WithoutCancel(ctx))
		switch {
		case err == nil && info.Created.Equal(s.created):
			return nil
		case err == nil:
			return errReplaced
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound), ctx.Err() != nil, time.Now().After(late):
			return err
		}
	}
}

// awaitConnection waits until there is a connection, or the context ends.
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

// fetch keeps the queue filled until the context ends, through as many sessions as that takes.
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
		// Once for each reason, not at every attempt.
		if text := err.Error(); text != logged {
			r.log.Warn("the consumer is lost and will be opened again", "error", err)
			logged = text
		}
		pause(ctx, backoff(failures, reopenMin, reopenMax))
	}
}

// open declares everything and holds one session, until the consumer is lost, which is the error, or the context ends. It reports
// whether there was a session at all.
func (r *Runner) open(ctx context.Context) (opened bool, err error) {
	// Read first: if the connection is lost in between, the consumer only has to prove itself once more than needed.
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
	r.log.Info("the consumer is open")
	logged := ""
	inspected := time.Now()
	for missing := r.waitForCapacity(ctx); s.valid(ctx); missing = r.waitForCapacity(ctx) {
		if ctx.Err() != nil {
			return true, nil
		}
		if now := time.Now(); now.Sub(inspected) >= r.tracker.ackWait/3 {
			inspected = now
			r.restoreConsumer(ctx, s)
		}
		if missing == 0 {
			s.invalidate()
			continue
		}
		err = r.request(s, missing)
		r.setClosed(err)
		if err == nil {
			logged = ""
			continue
		}
		if text := err.Error(); text != logged {
			r.log.Warn("no messages can be asked for at the moment", "error", err)
			logged = text
		}
		s.invalidate()
		pause(ctx, reopenMin)
	}
	if ctx.Err() == nil {
		r.tracker.abandon(s)
	}
	if s.ended.Load() { // and why is not written any more
		err = s.err
	}
	return true, cmp.Or(err, nats.ErrConnectionClosed)
}

var errReplaced = errors.New("it is another one than before")

// waitForCapacity waits until enough is missing to ask for more, or the context ends, and says how much. While nothing is let go it returns now and
// then with nothing, so that somebody looks whether the consumer is still there.
func (r *Runner) waitForCapacity(ctx context.Context) int {
	look := time.NewTimer(r.tracker.ackWait / 3)
	defer look.Stop()
	missing := r.window - r.tracker.count()
	for missing < r.refill && ctx.Err() == nil {
		select {
		case <-r.tracker.freed:
			missing = r.window - r.tracker.count()
		case <-look.C:
			return 0
		case <-ctx.Done():
		}
	}
	return missing
}

// request asks for so many messages, or as many as may be asked for at once, and takes what comes until the request ends.
func (r *Runner) request(s *session, missing int) error {
	// The server refuses a request above a limit that somebody has set, whole. It may be lifted again, so it is asked for each time.
	if most := s.consumer.CachedInfo().Config.MaxRequestBatch; most > 0 && most < missing {
		missing = most
		s.invalidate()
	}
	messages, err := s.consumer.Fetch(missing, jetstream.FetchMaxWait(fetchWait))
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
		d.deliveries, d.stored = meta.NumDelivered, meta.Timestamp
	}
	r.tracker.add(d)
	r.queue <- d
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// backoff is how long to wait after so many failures: twice as long each time, up to the most, with jitter so that not all come back at
// once.
func backoff(failures int, least, most time.Duration) time.Duration {
	wait := most
	if shift := max(failures-1, 0); shift < 20 {
		wait = min(least<<shift, most)
	}
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // no secret
}

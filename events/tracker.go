package events

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// delivery is a message that the runner has received and not settled.
type delivery struct {
	msg        jetstream.Msg
	session    *session
	deliveries uint64
	// verdict is the result of the handler.
	verdict error

	// The fields below are protected by tracker.mu.
	lastBeat time.Time
	lost     bool
	cancel   context.CancelCauseFunc
}

func (d *delivery) message() Message {
	return Message{Subject: d.msg.Subject(), Header: d.msg.Headers(), Data: d.msg.Data()}
}

// ErrLost is the cause of a handler context that ended because another process may have the message.
var ErrLost = errors.New(
	"another process may have the message: no in-progress acknowledgement reached the server in time, or the " +
		"consumer is gone",
)

// tracker keeps the unsettled deliveries and sends in-progress acknowledgements for them.
type tracker struct {
	ackWait   time.Duration
	recurring *Recurring

	mu         sync.Mutex
	deliveries map[*delivery]struct{}
	// freed has an element if a delivery was removed since the last receive from it.
	freed chan struct{}
}

func newTracker(ackWait time.Duration, recurring *Recurring) *tracker {
	return &tracker{
		ackWait:    ackWait,
		recurring:  recurring,
		deliveries: map[*delivery]struct{}{},
		freed:      make(chan struct{}, 1),
	}
}

func (t *tracker) add(d *delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d.lastBeat = time.Now()
	t.deliveries[d] = struct{}{}
}

func (t *tracker) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.deliveries)
}

// start registers the function that cancels the handler of the delivery if the delivery is lost. It returns
// false, and removes the delivery, if it is lost already.
func (t *tracker) start(d *delivery, cancel context.CancelCauseFunc) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.lost || d.session.ended.Load() {
		t.remove(d)
		return false
	}
	d.cancel = cancel
	return true
}

// release removes the delivery. It returns false if the delivery was lost and must not be settled.
func (t *tracker) release(d *delivery) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(d)
	return !d.lost
}

func (t *tracker) remove(d *delivery) {
	delete(t.deliveries, d)
	select {
	case t.freed <- struct{}{}:
	default:
	}
}

// beat sends three in-progress acknowledgements per AckWait, so that one or two may get lost.
func (t *tracker) beat(ctx context.Context) {
	tick := time.NewTicker(t.ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.signal(ctx, now)
		case <-ctx.Done():
			return
		}
	}
}

func (t *tracker) signal(ctx context.Context, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := range t.deliveries {
		if d.session.ended.Load() {
			continue // its handler is cancelled, or about to be
		}
		err := d.msg.InProgress()
		switch {
		case err == nil:
			d.lastBeat = now
		case !d.lost && now.Sub(d.lastBeat) >= t.ackWait:
			d.abandon()
			t.recurring.Note(
				ctx,
				slog.LevelWarn,
				"message lost, no in-progress acknowledgement reached the server",
				err,
				"subject",
				d.msg.Subject(),
			)
		}
	}
}

// abandon cancels the handlers of the deliveries of a session that has ended.
func (t *tracker) abandon(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := range t.deliveries {
		if d.session == s {
			d.abandon()
		}
	}
}

// abandon requires tracker.mu.
func (d *delivery) abandon() {
	d.lost = true
	if d.cancel != nil {
		d.cancel(ErrLost)
	}
}

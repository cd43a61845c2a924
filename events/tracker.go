package events

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// delivery is a message that the runner holds, from its receipt until it is settled.
type delivery struct {
	msg        jetstream.Msg
	session    *session
	deliveries uint64
	stored     time.Time
	// verdict is what the handler returned.
	verdict error

	// The rest belongs to held, under its lock.
	lastBeat time.Time
	lost     bool
	cancel   context.CancelCauseFunc
}

func (d *delivery) message() Message {
	return Message{Subject: d.msg.Subject(), Header: d.msg.Headers(), Data: d.msg.Data()}
}

// ErrLost is why the context of a handler ends whose message may be somebody else's by now.
var ErrLost = errors.New("the message is no longer ours: no sign of life has reached the server in time, or its consumer is gone")

// tracker is what a runner holds. It tells the server of each message, from its receipt on, that it is alive.
type tracker struct {
	ackWait   time.Duration
	recurring *Recurring

	mu         sync.Mutex
	deliveries map[*delivery]struct{}
	// freed has an element when something was let go since it was last looked at.
	freed chan struct{}
}

func newTracker(ackWait time.Duration, recurring *Recurring) *tracker {
	return &tracker{ackWait: ackWait, recurring: recurring, deliveries: map[*delivery]struct{}{}, freed: make(chan struct{}, 1)}
}

func (h *tracker) add(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.lastBeat = time.Now()
	h.deliveries[d] = struct{}{}
}

func (h *tracker) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.deliveries)
}

// start says that a handler begins with the delivery, and what to call when it is lost. It reports whether the delivery is still ours;
// if not, it is let go.
func (h *tracker) start(d *delivery, cancel context.CancelCauseFunc) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.lost || d.session.ended.Load() {
		h.remove(d)
		return false
	}
	d.cancel = cancel
	return true
}

// release ends our part in the delivery. It reports whether it was ours until now.
func (h *tracker) release(d *delivery) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(d)
	return !d.lost
}

func (h *tracker) remove(d *delivery) {
	delete(h.deliveries, d)
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

// beat sends signs of life, three within AckWait, so that one of them may be lost.
func (h *tracker) beat(ctx context.Context) {
	tick := time.NewTicker(h.ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h.signal(ctx, now)
		case <-ctx.Done():
			return
		}
	}
}

func (h *tracker) signal(ctx context.Context, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for d := range h.deliveries {
		if d.session.ended.Load() {
			continue // told already, or about to be
		}
		err := d.msg.InProgress()
		switch {
		case err == nil:
			d.lastBeat = now
		case !d.lost && now.Sub(d.lastBeat) >= h.ackWait:
			d.abandon()
			h.recurring.Note(ctx, slog.LevelWarn, "a message is no longer ours", err, "subject", d.msg.Subject())
		}
	}
}

// abandon ends the handlers whose messages were received in the session, which is over.
func (h *tracker) abandon(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for d := range h.deliveries {
		if d.session == s {
			d.abandon()
		}
	}
}

// abandon is called under the lock of held.
func (d *delivery) abandon() {
	d.lost = true
	if d.cancel != nil {
		d.cancel(ErrLost)
	}
}

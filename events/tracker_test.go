package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// unreachable is a message whose in-progress acknowledgements fail.
type unreachable struct{ jetstream.Msg }

func (unreachable) InProgress() error { return errors.New("not connected") }

func (unreachable) Subject() string { return "mapping.requested.rules.j.m" }

func TestTracker_AbandonsAMessageAfterAckWait(t *testing.T) {
	t.Parallel()
	h := newTracker(30*time.Second, NewRecurring(slog.New(slog.DiscardHandler)))
	ctx, cancel := context.WithCancelCause(t.Context())
	d := &delivery{msg: unreachable{}, session: &session{}}
	h.add(d)
	received := d.lastBeat
	if !h.start(d, cancel) {
		t.Fatal("lost from the start")
	}
	for _, silence := range []time.Duration{10 * time.Second, 20 * time.Second, 29 * time.Second} {
		if h.signal(t.Context(), received.Add(silence)); d.lost || ctx.Err() != nil {
			t.Errorf("after %v: got a lost delivery, want a kept one", silence)
		}
	}
	if h.signal(t.Context(), received.Add(30*time.Second)); !d.lost || !errors.Is(context.Cause(ctx), ErrLost) {
		t.Errorf("after 30s: got the cause %v, want %v", context.Cause(ctx), ErrLost)
	}
	if h.release(d) {
		t.Error("a message that was given up is settled")
	}
	if h.count() != 0 {
		t.Error("a message that was given up is held")
	}
}

func TestBackoff_GrowsToALimit(t *testing.T) {
	t.Parallel()
	for failures, most := range map[int]time.Duration{
		0: 250 * time.Millisecond, 1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 3: time.Second,
		7:  15 * time.Second,
		60: 15 * time.Second, 1 << 40: 15 * time.Second,
	} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			t.Parallel()
			for range 100 {
				if d := backoff(failures, 250*time.Millisecond, 15*time.Second); d < most/2 || d > most {
					t.Errorf("backoff after %d failures: got %v, want %v to %v", failures, d, most/2, most)
				}
			}
		})
	}
}

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	noClassifier = "no classifier takes work from the %s lane: start one, or see why it does not run"
	undelivered  = "messages in " + events.StreamWork + " are not delivered to any classifier; they will be replaced"
)

// laneState is the observed state of the consumer of a lane.
type laneState struct {
	// checked is the time of the last check, and began that of the first one without a gap.
	checked, began time.Time
	info           *jetstream.ConsumerInfo
	// alive is the time at which a classifier was last active, and acked that of the last acknowledgement.
	alive, acked time.Time
	// empty is the time since which the consumer has had neither pending nor unacknowledged messages; zero if it has
	// some.
	empty time.Time
	// undeclared is the reason why the consumer could not be created at the last check; empty if it exists.
	undeclared string
}

// update records the state of the consumer. A gap between two checks resets it.
func (w *laneState) update(info *jetstream.ConsumerInfo, now time.Time, gap time.Duration) {
	if now.Sub(w.checked) > gap {
		*w = laneState{began: now, acked: now}
	}
	before := w.info
	w.checked, w.info = now, info
	moved := func(last, before *time.Time) bool { return last != nil && (before == nil || !last.Equal(*before)) }
	if info.NumWaiting > 0 || before != nil &&
		(moved(info.Delivered.Last, before.Delivered.Last) || moved(info.AckFloor.Last, before.AckFloor.Last)) {
		w.alive = now
	}
	if before != nil && (info.AckFloor.Consumer != before.AckFloor.Consumer || info.NumAckPending == 0) {
		w.acked = now
	}
	switch {
	case info.NumPending > 0 || info.NumAckPending > 0:
		w.empty = time.Time{}
	case w.empty.IsZero():
		w.empty = now
	}
}

// problem returns the reason why a lane that has due items makes no progress. known is false until the lane has been
// checked for long enough.
func (d *Dispatcher) problem(lane schema.Lane, now time.Time) (reason string, known bool) {
	w := d.lanes[lane]
	if w != nil && w.undeclared != "" {
		return w.undeclared, true
	}
	if w == nil || w.info == nil || now.Sub(w.checked) > d.gap() {
		return "", false
	}
	if reason := events.Paused(w.info); reason != "" {
		return reason, true
	}
	if !w.empty.IsZero() {
		if now.Sub(w.empty) >= d.options.Silence && len(d.hints.refusedBefore(now.Add(-d.options.Silence))) > 0 {
			return undelivered, true
		}
		return "", true
	}
	switch {
	case now.Sub(later(w.alive, w.began)) >= d.options.Silence:
		return fmt.Sprintf(noClassifier, lane), true
	case w.alive.IsZero():
		return "", false
	default:
		return "", true
	}
}

func (d *Dispatcher) gap() time.Duration { return d.options.LaneCheck + d.options.Silence/2 }

// checkLanes checks the consumers of the lanes that have due items, and replaces messages that are not delivered.
func (d *Dispatcher) checkLanes(ctx context.Context, lanes map[schema.Lane]bool, now time.Time) error {
	if !d.js.Conn().IsConnected() {
		return nil
	}
	for _, consumer := range events.Classifiers() {
		if !lanes[consumer.Lane] {
			continue
		}
		w := d.lanes[consumer.Lane]
		if w == nil {
			w = &laneState{}
			d.lanes[consumer.Lane] = w
		}
		if now.Sub(w.checked) < d.options.LaneCheck {
			continue
		}
		info, err := d.consumerInfo(ctx, consumer)
		if refused, ok := errors.AsType[*events.NotDeclaredError](err); ok {
			w.undeclared = refused.Error()
		}
		if err != nil {
			return err
		}
		w.undeclared = ""
		w.update(info, now, d.gap())
		if reason, _ := d.problem(consumer.Lane, now); reason == undelivered {
			if err := d.replace(ctx, consumer, info, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// consumerInfo returns the state of the consumer, and declares it if it is missing.
func (d *Dispatcher) consumerInfo(ctx context.Context, c events.Consumer) (*jetstream.ConsumerInfo, error) {
	consumer, err := d.js.Consumer(ctx, c.Stream, c.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = d.topology.DeclareConsumer(ctx, d.js, c)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("consumer %s: %w", c.Name, events.ErrNoStream)
	}
	if _, ok := errors.AsType[*events.NotDeclaredError](err); ok {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", c.Name, err)
	}
	return consumer.CachedInfo(), nil
}

// replace repairs messages that the stream holds and the consumer does not deliver. It recreates a consumer that is
// ahead of its stream, which happens after a reset or after the stream lost its end. Otherwise it deletes the messages
// that have blocked an item for several AckWaits, so that the next turn publishes them again. Both are safe: the item's
// row decides whether it is done.
func (d *Dispatcher) replace(
	ctx context.Context, c events.Consumer, info *jetstream.ConsumerInfo, now time.Time,
) error {
	stream, err := d.js.Stream(ctx, c.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", c.Stream, err)
	}
	if last := stream.CachedInfo().State.LastSeq; info.Delivered.Stream > last {
		d.log.WarnContext(ctx, "consumer is ahead of its stream, recreating it", "consumer", c.Name,
			"delivered", info.Delivered.Stream, "last", last)
		if err := d.js.DeleteConsumer(ctx, c.Stream, c.Name); err != nil {
			return fmt.Errorf("consumer %s: %w", c.Name, err)
		}
		_, err := d.topology.DeclareConsumer(ctx, d.js, c)
		return err
	}
	keys := d.hints.refusedBefore(now.Add(-d.options.Undelivered))
	for _, key := range keys {
		subject := events.MappingRequestedSubject(c.Lane, key.jobID, key.mappingID).String()
		message, err := stream.GetLastMsgForSubject(ctx, subject)
		if err == nil {
			err = stream.DeleteMsg(ctx, message.Sequence)
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("replace %s: %w", subject, err)
		}
		delete(d.hints, key)
	}
	if len(keys) > 0 {
		d.log.WarnContext(ctx, "deleted undelivered messages to publish them again", "consumer", c.Name,
			"messages", len(keys))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

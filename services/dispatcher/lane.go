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

// watch is what the dispatcher has seen of the consumer of a lane.
type watch struct {
	// looked is when it looked last, and began when it began to look without a break.
	looked, began time.Time
	info          *jetstream.ConsumerInfo
	// alive is when a classifier last showed a sign of life, and acked when a message was last acknowledged.
	alive, acked time.Time
	// empty is since when the consumer has nothing to deliver and nothing delivered; zero if it has.
	empty time.Time
	// undeclared is why the consumer cannot be created; empty if it was at the last look.
	undeclared string
}

// observe takes in the state of the consumer.
func (w *watch) observe(info *jetstream.ConsumerInfo, now time.Time, gap time.Duration) {
	if now.Sub(w.looked) > gap {
		*w = watch{began: now, acked: now}
	}
	before := w.info
	w.looked, w.info = now, info
	moved := func(last, before *time.Time) bool { return last != nil && (before == nil || !last.Equal(*before)) }
	if info.NumWaiting > 0 || before != nil && (moved(info.Delivered.Last, before.Delivered.Last) || moved(info.AckFloor.Last, before.AckFloor.Last)) {
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

// problem returns why a lane that has due items does not move; known is false while it has not been looked at for long enough to tell.
func (d *Dispatcher) problem(lane schema.Lane, now time.Time) (reason string, known bool) {
	w := d.lanes[lane]
	if w != nil && w.undeclared != "" {
		return w.undeclared, true
	}
	if w == nil || w.info == nil || now.Sub(w.looked) > d.gap() {
		return "", false
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

func (d *Dispatcher) gap() time.Duration { return d.options.LaneLook + d.options.Silence/2 }

// watchLanes looks at the consumers of the lanes that have due items, and replaces messages that none of them delivers.
func (d *Dispatcher) watchLanes(ctx context.Context, lanes map[schema.Lane]bool, now time.Time) error {
	if !d.js.Conn().IsConnected() {
		return nil
	}
	for _, consumer := range events.Classifiers() {
		if !lanes[consumer.Lane] {
			continue
		}
		w := d.lanes[consumer.Lane]
		if w == nil {
			w = &watch{}
			d.lanes[consumer.Lane] = w
		}
		if now.Sub(w.looked) < d.options.LaneLook {
			continue
		}
		info, err := d.lookAt(ctx, consumer)
		if refused, ok := errors.AsType[*events.NotDeclared](err); ok {
			w.undeclared = refused.Error()
		}
		if err != nil {
			return err
		}
		w.undeclared = ""
		w.observe(info, now, d.gap())
		if reason, _ := d.problem(consumer.Lane, now); reason == undelivered {
			if err := d.replace(ctx, consumer, info, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAt reads the state of the consumer, which is declared if it is missing.
func (d *Dispatcher) lookAt(ctx context.Context, c events.Consumer) (*jetstream.ConsumerInfo, error) {
	consumer, err := d.js.Consumer(ctx, c.Stream, c.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = d.topology.DeclareConsumer(ctx, d.js, c)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("consumer %s: %w", c.Name, events.ErrNoStream)
	}
	if _, ok := errors.AsType[*events.NotDeclared](err); ok {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", c.Name, err)
	}
	return consumer.CachedInfo(), nil
}

// replace handles messages that the stream holds and the consumer does not deliver. A consumer that is ahead of its stream, after a reset
// or after the stream lost its end, is made anew. Any other such message is deleted once it has been refused for several AckWaits, and so
// published again at the next turn. Both are safe: the row of an item decides whether it is done.
func (d *Dispatcher) replace(ctx context.Context, c events.Consumer, info *jetstream.ConsumerInfo, now time.Time) error {
	stream, err := d.js.Stream(ctx, c.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", c.Stream, err)
	}
	if last := stream.CachedInfo().State.LastSeq; info.Delivered.Stream > last {
		d.log.WarnContext(ctx, "consumer is ahead of its stream and is made anew", "consumer", c.Name, "delivered", info.Delivered.Stream, "last", last)
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
		d.log.WarnContext(ctx, "deleted messages that were not delivered, to publish them again", "consumer", c.Name, "messages", len(keys))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package dispatcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
)

// advisoryBuffer is how many advisories may wait for the end of a turn. More are dropped: the checks of the lanes find
// those messages too, once the lane is idle.
const advisoryBuffer = 256

// handleAdvisory handles an advisory about PDE_WORK, and logs an error. A terminated message is gone already, and is
// published again if its item is still due.
func (d *Dispatcher) handleAdvisory(ctx context.Context, a events.Advisory) {
	if a.Kind == events.AdvisoryTerminated {
		d.log.InfoContext(ctx, "message was terminated", "consumer", a.Consumer, "sequence", a.Sequence,
			"reason", a.Reason)
		return
	}
	if err := d.deleteUndeliverable(ctx, a); err != nil && ctx.Err() == nil {
		d.log.WarnContext(ctx, "advisory not handled", "consumer", a.Consumer, "error", err)
	}
}

// deleteUndeliverable deletes a message over the delivery limit of its consumer, so that the next turn publishes it
// again: no consumer would ever receive it, and the stream refuses another one for the mapping. pdeflow sets no such
// limit, but an operator's edit may. The checks of a lane cannot find the message while the lane is busy. A forged
// advisory does no harm: the item's row decides whether the new message is needed.
func (d *Dispatcher) deleteUndeliverable(ctx context.Context, a events.Advisory) error {
	stream, err := d.js.Stream(ctx, a.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", a.Stream, err)
	}
	message, err := stream.GetMsg(ctx, a.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err == nil {
		err = stream.DeleteMsg(ctx, a.Sequence)
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("message %d of %s: %w", a.Sequence, a.Stream, err)
	}
	d.log.WarnContext(ctx, "message exceeded the delivery limit of its consumer, deleted to publish it again",
		"consumer", a.Consumer, "subject", message.Subject, "deliveries", a.Deliveries)
	if subject, err := events.ParseSubject(message.Subject); err == nil {
		d.hints.drop(subject.JobID, subject.MappingID)
	}
	return nil
}

package dispatcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// ringBells tells the projector to look at the rows of jobs whose status has lagged for two looks.
func (d *Dispatcher) ringBells(ctx context.Context) error {
	lagging, err := schema.LaggingJobs(ctx, d.db)
	if err != nil {
		return err
	}
	before := d.lagged
	d.lagged = make(map[string]bool, len(lagging))
	var due []string
	for _, jobID := range lagging {
		d.lagged[jobID] = true
		if before[jobID] {
			due = append(due, jobID)
		}
	}
	if len(due) == 0 {
		return nil
	}
	idle, err := d.projectorIdle(ctx)
	if err != nil || !idle {
		return err
	}
	for _, jobID := range due {
		if err := d.publish.Publish(ctx, events.JobBell(jobID)); err != nil {
			return err
		}
		d.log.DebugContext(ctx, "bell rung", "job_id", jobID)
	}
	return nil
}

// projectorIdle reports whether the projector's consumer has nothing waiting and nothing in hand. One that is not there has neither:
// the projector declares it again and hears the next bell.
func (d *Dispatcher) projectorIdle(ctx context.Context) (bool, error) {
	consumer, err := d.js.Consumer(ctx, events.StreamEvents, events.Projector().Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("projector's consumer: %w", err)
	}
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0, nil
}

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

// bells remembers what the loop saw of jobs whose status lags.
type bells struct {
	scan schema.LagScan
	// looked is when it looked last, lagging are the jobs that lagged then.
	looked  time.Time
	lagging map[string]bool
	// rung is when the bell of a job that still lags was rung last.
	rung map[string]time.Time
}

// due are the jobs among the lagging ones whose bells are to be rung: those that lagged at the look before as well, and whose bell has not
// been rung within the pause. A status that can not be written would have it rung at every look otherwise.
func (b *bells) due(lagging []string, now time.Time, pause time.Duration) []string {
	before := b.lagging
	b.looked, b.lagging = now, make(map[string]bool, len(lagging))
	var due []string
	for _, jobID := range lagging {
		b.lagging[jobID] = true
		if before[jobID] && now.Sub(b.rung[jobID]) >= pause {
			due = append(due, jobID)
		}
	}
	for jobID := range b.rung {
		if !b.lagging[jobID] {
			delete(b.rung, jobID)
		}
	}
	return due
}

// ringBells tells the projector to look at the rows of jobs whose status has lagged for two looks. Turns may follow each other at once,
// looks may not: what was saved this moment lags until its event has gone its way.
func (d *Dispatcher) ringBells(ctx context.Context) error {
	now := time.Now()
	if now.Sub(d.bells.looked) < d.options.Look {
		return nil
	}
	lagging, err := d.bells.scan.Jobs(ctx, d.db)
	if err != nil {
		return err
	}
	due := d.bells.due(lagging, now, d.options.BellPause)
	if len(due) == 0 {
		return nil
	}
	behind, err := d.projectorBehind(ctx)
	if err != nil || behind {
		return err
	}
	for _, jobID := range due {
		if err := d.stream.event(ctx, events.JobBell(jobID)); err != nil {
			return err
		}
		d.bells.rung[jobID] = now
		d.log.DebugContext(ctx, "bell rung", "job_id", jobID)
	}
	return nil
}

// projectorBehind reports whether events wait for the projector, which a bell would only add to. What it has in hand does not count:
// while any job is busy it always has something, and a bell for another one would never ring. A consumer that is not there has nothing
// waiting; it is declared before the bell is rung, because it hears only what is said after that.
func (d *Dispatcher) projectorBehind(ctx context.Context) (bool, error) {
	consumer, err := d.js.Consumer(ctx, events.StreamEvents, events.Projector().Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = d.topology.DeclareConsumer(ctx, d.js, events.Projector())
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, fmt.Errorf("projector's consumer: %w", events.ErrNoStream)
	}
	if err != nil {
		return false, fmt.Errorf("projector's consumer: %w", err)
	}
	return consumer.CachedInfo().NumPending > 0, nil
}

package dispatcher

import (
	"context"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// bells is the state of the search for jobs whose status lags.
type bells struct {
	scan schema.LagScan
	// checked is the time of the last check, and lagging are the jobs that lagged then.
	checked time.Time
	lagging map[string]bool
	// published is the time of the last bell of each job that still lags.
	published map[string]time.Time
}

// due records a check and returns the jobs that need a bell: those that lagged at the previous check as well, and have
// had no bell within the pause. Without the pause, a status that cannot be written would get a bell at every check.
func (b *bells) due(lagging []string, now time.Time, pause time.Duration) []string {
	before := b.lagging
	b.checked, b.lagging = now, make(map[string]bool, len(lagging))
	var due []string
	for _, jobID := range lagging {
		b.lagging[jobID] = true
		if before[jobID] && now.Sub(b.published[jobID]) >= pause {
			due = append(due, jobID)
		}
	}
	for jobID := range b.published {
		if !b.lagging[jobID] {
			delete(b.published, jobID)
		}
	}
	return due
}

// publishBells publishes bells for jobs whose status has lagged for two checks. The checks are an interval apart,
// because every outcome lags until its event has been folded.
func (d *Dispatcher) publishBells(ctx context.Context) error {
	now := time.Now()
	if now.Sub(d.bells.checked) < d.options.BellCheck {
		return nil
	}
	lagging, err := d.bells.scan.ListJobs(ctx, d.db)
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
		d.bells.published[jobID] = now
		d.log.DebugContext(ctx, "bell published", "job_id", jobID)
	}
	return nil
}

// waitsEvery is the interval at which the loop searches for waits for a provider that are over.
const waitsEvery = 10 * time.Second

// expireWaits removes waits that are over and that no classifier removes. A bell follows, because the status lags.
func (d *Dispatcher) expireWaits(ctx context.Context, now time.Time) error {
	if now.Sub(d.waitsChecked) < waitsEvery {
		return nil
	}
	if err := schema.ExpireProviderWaits(ctx, d.db, schema.ServiceDispatcher); err != nil {
		return err
	}
	d.waitsChecked = now
	return nil
}

// projectorBehind reports whether events wait for the projector. Unacknowledged events do not count: while any job is
// busy there always are some, and no other job would get a bell. A missing consumer is declared, because it receives
// only the events published after that.
func (d *Dispatcher) projectorBehind(ctx context.Context) (bool, error) {
	info, err := d.consumerInfo(ctx, events.Projector())
	if err != nil {
		return false, err
	}
	return info.NumPending > 0, nil
}

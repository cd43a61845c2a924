package projector

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

const (
	// lagEvery is the interval at which the projector looks for jobs whose status lags.
	lagEvery = 2 * time.Second
	// statusPage is the number of missing rows of job_status that it writes each time.
	statusPage = 5000
)

// lagWatch is the state of the search for jobs whose status lags their rows. It belongs to one goroutine.
type lagWatch struct {
	every time.Duration
	// lagged are the jobs that lagged last time.
	lagged map[string]bool
}

// watchLag folds the jobs whose status lags, periodically until ctx ends. Events are faster; this works while NATS is
// down or rejects them.
func (p *Projector) watchLag(ctx context.Context) {
	tick := time.NewTicker(p.lag.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			err := errors.Join(p.foldLagging(ctx, now), schema.SumMappingCounts(ctx, p.db))
			if err != nil && ctx.Err() == nil {
				p.recurring.Note(ctx, slog.LevelWarn, "cannot update lagging job statuses, retrying", err)
			}
		}
	}
}

// foldLagging folds the jobs that lag, and then publishes the events that follow from that. It stops publishing at the
// first error that does not belong to one job: a stream that rejects one event would reject the next one too, after a
// timeout each.
func (p *Projector) foldLagging(ctx context.Context, now time.Time) error {
	due, err := p.lagging(ctx, now)
	var results []foldResult
	for _, jobID := range due {
		result, foldErr := p.sweepAll(schema.WithSubject(ctx, jobID, ""), jobID)
		if foldErr == nil {
			results = append(results, result)
		}
		err = errors.Join(err, p.absorb(ctx, jobID, foldErr))
	}
	for _, result := range results {
		publishErr := p.publishWaiting(ctx, result)
		if publishErr == nil {
			publishErr = p.publishFinished(ctx, result, jobEvents{})
		}
		if publishErr = p.absorb(ctx, result.job.ID, publishErr); publishErr != nil {
			return errors.Join(err, publishErr)
		}
	}
	return err
}

// sweepAll sweeps all pages of the job.
func (p *Projector) sweepAll(ctx context.Context, jobID string) (foldResult, error) {
	for {
		result, err := p.foldRows(ctx, jobEvents{jobID: jobID, sweep: true})
		if err != nil || !result.more {
			return result, err
		}
	}
}

// lagging returns the jobs to fold: those without a row in job_status, and those that lag. While events arrive, a job
// must have lagged last time as well, because the status of every busy job lags briefly.
func (p *Projector) lagging(ctx context.Context, now time.Time) ([]string, error) {
	missing, err := schema.ListJobsWithoutStatus(ctx, p.db, statusPage)
	if err != nil {
		return nil, err
	}
	jobs, err := p.scan.ListJobs(ctx, p.db)
	if err != nil {
		return missing, err
	}
	due := missing
	busy, idle := p.recentlyFolded(now)
	before := p.lag.lagged
	p.lag.lagged = make(map[string]bool, len(jobs))
	for _, jobID := range jobs {
		p.lag.lagged[jobID] = true
		if !busy[jobID] && (idle || before[jobID]) && !slices.Contains(missing, jobID) {
			due = append(due, jobID)
		}
	}
	return due, nil
}

// recentlyFolded returns the jobs that events have updated within the last interval, and whether there were none.
func (p *Projector) recentlyFolded(now time.Time) (busy map[string]bool, idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	busy = map[string]bool{}
	for jobID, at := range p.folded {
		if now.Sub(at) < p.lag.every {
			busy[jobID] = true
		} else {
			delete(p.folded, jobID)
		}
	}
	return busy, len(busy) == 0
}

package projector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

const (
	// lagEvery is how often the projector itself looks for jobs whose status lags.
	lagEvery = 2 * time.Second
	// statusPage is how many jobs it checks for a missing row in job_status at each look.
	statusPage = 5000
)

// lag is the state of the search for jobs whose status lags their rows, which needs no events. It belongs to one goroutine.
type lag struct {
	every time.Duration
	rows  int
	// before are the jobs that lagged at the look before.
	before map[string]bool
	// after is the job behind which the search for missing rows continues.
	after string
	// trouble is the error that was logged last.
	trouble string
}

// followRows looks for jobs whose status lags their rows, and folds them, until ctx ends. Events are faster; this works while NATS is
// away or refuses them.
func (p *Projector) followRows(ctx context.Context) {
	tick := time.NewTicker(p.lag.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			err := errors.Join(p.followOnce(ctx, now), schema.SumMappingCounts(ctx, p.db))
			if ctx.Err() == nil {
				p.lag.report(ctx, p, err)
			}
		}
	}
}

// report logs an error once for each reason, and once that it is over.
func (l *lag) report(ctx context.Context, p *Projector, err error) {
	switch {
	case err != nil && err.Error() != l.trouble:
		l.trouble = err.Error()
		p.log.WarnContext(ctx, "cannot bring every job status up to its rows, trying again", "error", err)
	case err == nil && l.trouble != "":
		l.trouble = ""
		p.log.InfoContext(ctx, "every job status follows its rows again")
	}
}

// followOnce folds the jobs that lag, and then publishes what follows from that. Publishing ends with the first error that does not
// belong to one job, because the stream that refuses one event would refuse the next one too, after a timeout each.
func (p *Projector) followOnce(ctx context.Context, now time.Time) error {
	due, err := p.lagging(ctx, now)
	var announce []standing
	for _, jobID := range due {
		stands, foldErr := p.foldAll(schema.WithSubject(ctx, jobID, ""), jobID)
		if p.own(ctx, jobID, foldErr) {
			if foldErr == nil {
				announce = append(announce, stands)
			}
			continue
		}
		err = errors.Join(err, foldErr)
	}
	for _, stands := range announce {
		tellErr := p.tellWaiting(ctx, stands.job, stands.status)
		if tellErr == nil {
			tellErr = p.finish(ctx, stands, look{})
		}
		if !p.own(ctx, stands.job.ID, tellErr) {
			return errors.Join(err, tellErr)
		}
	}
	return err
}

// foldAll sweeps all pages of the job.
func (p *Projector) foldAll(ctx context.Context, jobID string) (standing, error) {
	for {
		stands, err := p.foldRows(ctx, look{jobID: jobID, sweep: true})
		if err != nil || !stands.more {
			return stands, err
		}
	}
}

// lagging returns the jobs to fold: those without a row in job_status, and those that lag. While events come, a job must have lagged at
// the look before as well, because the status of every busy job lags for a moment.
func (p *Projector) lagging(ctx context.Context, now time.Time) ([]string, error) {
	missing, after, err := schema.JobsWithoutStatus(ctx, p.db, p.lag.after, p.lag.rows)
	if err != nil {
		return nil, err
	}
	p.lag.after = after
	jobs, err := p.scan.Jobs(ctx, p.db)
	if err != nil {
		return missing, err
	}
	due := missing
	busy, idle := p.recent(now)
	before := p.lag.before
	p.lag.before = make(map[string]bool, len(jobs))
	for _, jobID := range jobs {
		p.lag.before[jobID] = true
		if !busy[jobID] && (idle || before[jobID]) && !slices.Contains(missing, jobID) {
			due = append(due, jobID)
		}
	}
	return due, nil
}

// recent returns the jobs that events have folded since the last look, and whether there were none.
func (p *Projector) recent(now time.Time) (busy map[string]bool, idle bool) {
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

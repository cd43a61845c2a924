package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"
)

// LagScan finds the jobs whose status lags their rows. It remembers the time up to which all outcomes of a job
// are folded, and does not look for older ones for a minute, because their dead index entries remain while an
// older transaction is open. The zero value is ready to use, by several goroutines.
type LagScan struct {
	mu     sync.Mutex
	folded map[string]foldedUntil
}

// foldedUntil is the time before which all outcomes of a job are folded. It expires, because a long
// transaction may commit an outcome with an earlier time, and because the clock may step back.
type foldedUntil struct{ at, expires time.Time }

const (
	// lateCommit is how long after its time an outcome may become visible without waiting for the expiry.
	lateCommit = 10 * time.Second
	// believeFolded is how long older outcomes are not looked for.
	believeFolded = time.Minute
)

// FoldedUntil returns the time before which all outcomes of the job are folded, or the zero time if it is not
// known.
func (s *LagScan) FoldedUntil(jobID string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folded[jobID].at
}

// Swept records that all outcomes of the job that were visible at the given time are folded. For a busy job
// there is no other way to know it, because [LagScan.ListJobs] nearly always finds an outcome that is not
// folded yet.
func (s *LagScan) Swept(jobID string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.folded[jobID]
	if !ok || time.Now().After(known.expires) {
		known.expires = time.Now().Add(believeFolded)
	}
	if s.folded == nil {
		s.folded = map[string]foldedUntil{}
	}
	s.folded[jobID] = foldedUntil{at.Add(-lateCommit), known.expires}
}

// ListJobs returns the ids of the jobs whose status lags their rows, in order. The status lags if it is
// missing, if it was computed from an older version of the job, if an outcome is not folded, or if an event
// that follows from the status is not published.
func (s *LagScan) ListJobs(ctx context.Context, db bun.IDB) ([]string, error) {
	since, err := json.Marshal(s.times())
	if err != nil {
		return nil, fmt.Errorf("folded jobs: %w", err)
	}
	var jobs []struct {
		ID       string    `bun:"id"`
		Lags     bool      `bun:"lags"`
		Unfolded bool      `bun:"unfolded"`
		Now      time.Time `bun:"now"`
	}
	// Read the newest outcome first: while a job is busy, that is the one that is not folded yet. Not an exists,
	// which would ignore the order.
	err = db.NewRaw(`with jobs as materialized (
			select j.id, s.job_id is null or s.job_version < j.version or j.ended_at is not null
				or s.waiting_for is distinct from j.published_waiting as lags, clock_timestamp() as now,
				coalesce((?::jsonb->>j.id)::timestamptz, '-infinity') as since
			from jobs j left join job_status s on s.job_id = j.id where not j.published_finished
		)
		select j.id, j.lags, j.now, not j.lags and (
			select true from job_items i where i.job_id = j.id and i.outcome is not null
			and i.folded_at is null and i.ended_at >= j.since
			order by i.ended_at desc, i.mapping_id desc limit 1) is not null as unfolded
		from jobs j order by j.id`, string(since)).Scan(ctx, &jobs)
	if err != nil {
		return nil, fmt.Errorf("lagging jobs: %w", err)
	}
	var lagging []string
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.folded
	s.folded = make(map[string]foldedUntil, len(jobs))
	for _, job := range jobs {
		known, ok := before[job.ID]
		switch {
		case job.Lags || job.Unfolded:
			lagging = append(lagging, job.ID)
			if ok {
				s.folded[job.ID] = known
			}
		case ok && time.Now().Before(known.expires):
			s.folded[job.ID] = foldedUntil{job.Now.Add(-lateCommit), known.expires}
		default:
			s.folded[job.ID] = foldedUntil{job.Now.Add(-lateCommit), time.Now().Add(believeFolded)}
		}
	}
	return lagging, nil
}

// times returns the times that have not expired, by job. The query reads them as one JSON object, because it
// would search a list once for each job.
func (s *LagScan) times() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := make(map[string]time.Time, len(s.folded))
	for id, folded := range s.folded {
		if time.Now().After(folded.expires) {
			delete(s.folded, id)
			continue
		}
		times[id] = folded.at.UTC()
	}
	return times
}

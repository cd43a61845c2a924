package classifier

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

const (
	// cacheBytes bounds the memory of the candidates of all jobs together, by estimate.
	cacheBytes = 128 << 20
	// dropInterval is the time between two searches for jobs that have ended.
	dropInterval = 10 * time.Second
)

// candidateCache holds the candidates of running jobs. They are read once per job: neither a report nor its columns can
// change while a job is active, and decisions on other reports that are made meanwhile count for the next job.
type candidateCache struct {
	db         *schema.DB
	vocabulary *words.Vocabulary
	// limit is the number of bytes above which the least recently used candidates are dropped.
	limit int

	mu sync.Mutex
	// byJob is ordered by last use, the most recent one last.
	byJob []*jobCandidates
}

// jobCandidates is the cache entry of a job.
type jobCandidates struct {
	jobID string
	// bytes is the size of the candidates, zero until they are read. It is guarded by the mutex of the cache.
	bytes int

	mu         sync.Mutex
	candidates *candidates
}

func newCandidateCache(db *schema.DB, vocabulary *words.Vocabulary) *candidateCache {
	return &candidateCache{db: db, vocabulary: vocabulary, limit: cacheBytes}
}

// get returns the candidates of the work's job. The first call for a job reads them from the database; concurrent
// calls wait for it.
func (x *candidateCache) get(ctx context.Context, work schema.Work) (*candidates, error) {
	entry := x.entry(work.Item.JobID)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if entry.candidates == nil {
		from, err := readCandidates(ctx, x.db, x.vocabulary, work.CycleID, work.ReportID)
		if err != nil {
			return nil, err
		}
		entry.candidates = from
		x.evict(entry, entry.candidates.bytes())
	}
	return entry.candidates, nil
}

// entry returns the job's entry, creating it if necessary, and marks it as the most recently used.
func (x *candidateCache) entry(jobID string) *jobCandidates {
	x.mu.Lock()
	defer x.mu.Unlock()
	entry := &jobCandidates{jobID: jobID}
	if i := slices.IndexFunc(x.byJob, func(e *jobCandidates) bool { return e.jobID == jobID }); i >= 0 {
		entry = x.byJob[i]
		x.byJob = slices.Delete(x.byJob, i, i+1)
	}
	x.byJob = append(x.byJob, entry)
	return entry
}

// evict records the size of a new entry and drops the least recently used ones until the rest fits into the limit.
// The new entry stays, however large it is; without it every mapping of its job would read the columns again.
func (x *candidateCache) evict(entry *jobCandidates, bytes int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	entry.bytes = bytes
	total := 0
	for _, e := range x.byJob {
		total += e.bytes
	}
	x.byJob = slices.DeleteFunc(x.byJob, func(e *jobCandidates) bool {
		drop := total > x.limit && e != entry
		if drop {
			total -= e.bytes
		}
		return drop
	})
}

// dropEndedPeriodically drops the candidates of jobs that have ended, until ctx ends.
func (x *candidateCache) dropEndedPeriodically(ctx context.Context) {
	tick := time.NewTicker(dropInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = x.dropEnded(ctx) // if the database is unreachable, the next tick tries again
		case <-ctx.Done():
			return
		}
	}
}

func (x *candidateCache) dropEnded(ctx context.Context) error {
	x.mu.Lock()
	ids := make([]string, len(x.byJob))
	for i, entry := range x.byJob {
		ids[i] = entry.jobID
	}
	x.mu.Unlock()
	jobs, err := schema.ListJobsByID(ctx, x.db, ids)
	if err != nil {
		return err
	}
	active := make(map[string]bool, len(jobs))
	for _, job := range jobs {
		active[job.ID] = job.EndedAt.IsZero()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.byJob = slices.DeleteFunc(x.byJob, func(e *jobCandidates) bool {
		return slices.Contains(ids, e.jobID) && !active[e.jobID]
	})
	return nil
}

package classifier

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

const (
	// cacheBytes bounds the memory of the candidates of all jobs together, by estimate.
	cacheBytes = 128 << 20
	// dropInterval is the time between two searches for jobs that have ended.
	dropInterval = 10 * time.Second
	// readWait is the time since the start of reading for which other mappings of the job occupy a worker. A report
	// of the usual size is read in less.
	readWait = 250 * time.Millisecond
	// maxReadRetry is the longest wait before such a mapping asks again.
	maxReadRetry = 5 * time.Second
)

// errReading means that another worker reads the candidates of the job.
var errReading = errors.New("the columns of the job are being read")

// candidateCache holds the candidates of running jobs. They are read once per job: neither a report nor its columns can
// change while a job is active, and decisions on other reports that are made meanwhile count for the next job.
type candidateCache struct {
	// read reads the candidates of the work's report; tests replace it.
	read func(context.Context, schema.Work) (*candidates, error)
	db   *schema.DB
	// limit is the number of bytes above which the least recently used candidates are dropped.
	limit int

	mu sync.Mutex
	// byJob is ordered by last use, the most recent one last.
	byJob []*jobCandidates
}

// jobCandidates is the cache entry of a job. Its fields other than jobID are guarded by the mutex of the cache.
type jobCandidates struct {
	jobID string
	// candidates are nil until they are read, and bytes is their size.
	candidates *candidates
	bytes      int
	// reading is closed when the present read ends; it is nil if none is running. The read began at the time began.
	reading chan struct{}
	began   time.Time
}

func newCandidateCache(db *schema.DB, vocabulary *words.Vocabulary) *candidateCache {
	read := func(ctx context.Context, work schema.Work) (*candidates, error) {
		return readCandidates(ctx, db, vocabulary, work.CycleID, work.ReportID)
	}
	return &candidateCache{read: read, db: db, limit: cacheBytes}
}

// get returns the candidates of the work's job. The first call for a job reads them from the database, which takes many
// seconds for a report of thousands of attributes and a schema of 100,000 columns. Other calls wait; see await.
func (x *candidateCache) get(ctx context.Context, work schema.Work) (*candidates, error) {
	for {
		entry, from, first := x.claim(work.Item.JobID)
		switch {
		case from != nil:
			return from, nil
		case first:
			return x.fill(ctx, entry, work)
		}
		if err := x.await(ctx, work.Item.JobID); err != nil {
			return nil, err
		}
	}
}

// await waits while another call reads the candidates of the job, at most until readWait after its start. Then it
// returns an error of [events.RetryAfter], so that the message waits in the stream and the worker is free for other
// jobs. The wait is as long as the read has taken so far, so that few retries meet a long read.
func (x *candidateCache) await(ctx context.Context, jobID string) error {
	reading, began := x.current(jobID)
	if reading == nil {
		return nil
	}
	patience := time.NewTimer(time.Until(began.Add(readWait)))
	defer patience.Stop()
	select {
	case <-reading:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return events.RetryAfter(jitter(min(time.Since(began), maxReadRetry)), errReading)
	}
}

// current returns the channel and the start of the read of a job's candidates that is running, or nil if none is.
func (x *candidateCache) current(jobID string) (reading <-chan struct{}, began time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, entry := range x.byJob {
		if entry.jobID == jobID && entry.reading != nil {
			return entry.reading, entry.began
		}
	}
	return nil, time.Time{}
}

// claim returns the job's entry, creating it if necessary, marks it as the most recently used, and returns its
// candidates. If they are neither read nor being read, first is true, and the caller must read them.
func (x *candidateCache) claim(jobID string) (entry *jobCandidates, from *candidates, first bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	entry = &jobCandidates{jobID: jobID}
	if i := slices.IndexFunc(x.byJob, func(e *jobCandidates) bool { return e.jobID == jobID }); i >= 0 {
		entry = x.byJob[i]
		x.byJob = slices.Delete(x.byJob, i, i+1)
	}
	x.byJob = append(x.byJob, entry)
	if first = entry.candidates == nil && entry.reading == nil; first {
		entry.reading, entry.began = make(chan struct{}), time.Now()
	}
	return entry, entry.candidates, first
}

// fill reads the candidates of an entry. If that fails or panics, a later call tries again.
func (x *candidateCache) fill(
	ctx context.Context, entry *jobCandidates, work schema.Work,
) (from *candidates, err error) {
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		close(entry.reading)
		entry.reading = nil
		if from != nil {
			entry.candidates, entry.bytes = from, from.bytes()
			x.evict(entry)
		}
	}()
	return x.read(ctx, work)
}

// evict drops the least recently used entries until the rest fits into the limit. The new entry stays, however large it
// is; without it every mapping of its job would read the columns again. The caller holds the mutex.
func (x *candidateCache) evict(entry *jobCandidates) {
	total := 0
	for _, e := range x.byJob {
		total += e.bytes
	}
	x.byJob = slices.DeleteFunc(x.byJob, func(e *jobCandidates) bool {
		drop := total > x.limit && e != entry && e.reading == nil
		if drop {
			total -= e.bytes
		}
		return drop
	})
}

// dropEnded drops the candidates of jobs that have ended.
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

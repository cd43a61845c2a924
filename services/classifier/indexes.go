package classifier

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

const (
	// keptBytes is how much memory the indexes of all jobs may take, as far as that is known.
	keptBytes = 128 << 20
	// columnBytes is what a column takes in an index beside its description: 550 bytes were measured.
	columnBytes = 600
	// forgetEvery is how often the indexes of jobs that have ended are dropped.
	forgetEvery = 10 * time.Second
)

// indexes holds the columns of the reports of running jobs, ready for ranking. Neither report nor columns can change while a job is active,
// so each job's are read once.
type indexes struct {
	db *schema.DB
	// limit is the number of bytes above which the indexes that were used longest ago are dropped.
	limit int

	mu sync.Mutex
	// byJob holds the one that was used last at the end.
	byJob []*jobIndex
}

type jobIndex struct {
	jobID string
	// bytes is about what the candidates take; zero until they are read. It belongs to indexes, under its lock.
	bytes int

	mu         sync.Mutex
	candidates *candidates
}

// candidates are the columns that may feed a report, ready for ranking. They never change.
type candidates struct {
	// report is the name of the filing.
	report  string
	columns []schema.SourceColumn
	index   *columns.Index
	byField map[string][]int
}

func newCandidates(report string, all []schema.SourceColumn) *candidates {
	c := &candidates{report: report, columns: all, index: columns.NewIndex(all), byField: make(map[string][]int, len(all))}
	for i, column := range all {
		c.byField[column.SourceField()] = append(c.byField[column.SourceField()], i)
	}
	return c
}

// of returns the column of the mapping, nil where the report has no column of that name. Two data sources may have one of the same name.
func (c *candidates) of(m schema.Mapping) *schema.SourceColumn {
	named := c.byField[m.SourceField]
	if len(named) == 0 {
		return nil
	}
	for _, i := range named {
		if c.columns[i].DataSourceID == m.DataSourceID {
			return &c.columns[i]
		}
	}
	return &c.columns[named[0]]
}

// bytes is about what the candidates take in memory.
func (c *candidates) bytes() int {
	n := len(c.columns) * columnBytes
	for i := range c.columns {
		n += len(c.columns[i].Description)
	}
	return n
}

func newIndexes(db *schema.DB) *indexes { return &indexes{db: db, limit: keptBytes} }

// of returns the candidates of the work's job, and reads them where it is the job's first.
func (x *indexes) of(ctx context.Context, work schema.Work) (*candidates, error) {
	entry := x.entry(work.Item.JobID)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if entry.candidates == nil {
		report, err := schema.FindReport(ctx, x.db, work.CycleID, work.ReportID)
		if err != nil {
			return nil, err
		}
		all, err := schema.SourceColumns(ctx, x.db, work.CycleID, work.ReportID)
		if err != nil {
			return nil, err
		}
		entry.candidates = newCandidates(cmp.Or(report.Name, report.ReportID), all)
		x.keep(entry, entry.candidates.bytes())
	}
	return entry.candidates, nil
}

// entry returns the job's entry, and makes one if there is none.
func (x *indexes) entry(jobID string) *jobIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	entry := &jobIndex{jobID: jobID}
	if i := slices.IndexFunc(x.byJob, func(e *jobIndex) bool { return e.jobID == jobID }); i >= 0 {
		entry = x.byJob[i]
		x.byJob = slices.Delete(x.byJob, i, i+1)
	}
	x.byJob = append(x.byJob, entry)
	return entry
}

// keep records what the entry takes, and drops those that were used longest ago while all together take too much. The entry itself stays,
// however large it is: without it each mapping of its job would read the columns again.
func (x *indexes) keep(entry *jobIndex, bytes int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	entry.bytes = bytes
	total := 0
	for _, e := range x.byJob {
		total += e.bytes
	}
	x.byJob = slices.DeleteFunc(x.byJob, func(e *jobIndex) bool {
		drop := total > x.limit && e != entry
		if drop {
			total -= e.bytes
		}
		return drop
	})
}

// forgetEnded drops the indexes of jobs that have ended, now and then until ctx ends.
func (x *indexes) forgetEnded(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = x.dropEnded(ctx) // the database may be away, and the next tick tries again
		case <-ctx.Done():
			return
		}
	}
}

func (x *indexes) dropEnded(ctx context.Context) error {
	x.mu.Lock()
	ids := make([]string, len(x.byJob))
	for i, entry := range x.byJob {
		ids[i] = entry.jobID
	}
	x.mu.Unlock()
	jobs, err := schema.ReadJobs(ctx, x.db, ids)
	if err != nil {
		return err
	}
	active := make(map[string]bool, len(jobs))
	for _, job := range jobs {
		active[job.ID] = job.EndedAt.IsZero()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.byJob = slices.DeleteFunc(x.byJob, func(e *jobIndex) bool { return slices.Contains(ids, e.jobID) && !active[e.jobID] })
	return nil
}

package classifier

import (
	"context"
	"slices"
	"sync"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

// keptIndexes is how many jobs' columns are kept ready. There are rarely more jobs at once, and each index is a few megabytes.
const keptIndexes = 16

// indexes holds the columns of the reports of running jobs, ready for ranking. Columns cannot change while a job is active, so each
// job's are read once.
type indexes struct {
	db *schema.DB

	mu sync.Mutex
	// byJob holds the newest last.
	byJob []*jobIndex
}

type jobIndex struct {
	jobID string

	mu         sync.Mutex
	candidates *candidates
}

// candidates are the columns that may feed a report, ready for ranking. They never change.
type candidates struct {
	columns []schema.SourceColumn
	index   *columns.Index
	byField map[string]int
}

func newCandidates(all []schema.SourceColumn) *candidates {
	c := &candidates{columns: all, index: columns.NewIndex(all), byField: make(map[string]int, len(all))}
	for i, column := range all {
		c.byField[column.SourceField()] = i
	}
	return c
}

// named returns the column of this name, nil where the report has none.
func (c *candidates) named(sourceField string) *schema.SourceColumn {
	if i, ok := c.byField[sourceField]; ok {
		return &c.columns[i]
	}
	return nil
}

func newIndexes(db *schema.DB) *indexes { return &indexes{db: db} }

// of returns the candidates of the work's job, and reads the columns where it is the job's first.
func (x *indexes) of(ctx context.Context, work schema.Work) (*candidates, error) {
	entry := x.entry(work.Item.JobID)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if entry.candidates == nil {
		all, err := schema.SourceColumns(ctx, x.db, work.CycleID, work.ReportID)
		if err != nil {
			return nil, err
		}
		entry.candidates = newCandidates(all)
	}
	return entry.candidates, nil
}

func (x *indexes) entry(jobID string) *jobIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := slices.IndexFunc(x.byJob, func(e *jobIndex) bool { return e.jobID == jobID }); i >= 0 {
		return x.byJob[i]
	}
	if len(x.byJob) == keptIndexes {
		x.byJob = slices.Delete(x.byJob, 0, 1)
	}
	entry := &jobIndex{jobID: jobID}
	x.byJob = append(x.byJob, entry)
	return entry
}

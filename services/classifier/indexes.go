package classifier

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

// keptIndexes is how many jobs' columns are kept ready. There are rarely more jobs at once, and each index is a few megabytes.
const keptIndexes = 16

// indexes holds the columns of the reports of running jobs, ready for ranking. Neither report nor columns can change while a job is active,
// so each job's are read once.
type indexes struct {
	db *schema.DB

	mu sync.Mutex
	// byJob holds the one that was asked for last at the end.
	byJob []*jobIndex
}

type jobIndex struct {
	jobID string

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

func newIndexes(db *schema.DB) *indexes { return &indexes{db: db} }

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
	}
	return entry.candidates, nil
}

// entry returns the job's entry, and makes one where there is none. Then the job that was not asked for for the longest time is forgotten.
func (x *indexes) entry(jobID string) *jobIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	entry := &jobIndex{jobID: jobID}
	if i := slices.IndexFunc(x.byJob, func(e *jobIndex) bool { return e.jobID == jobID }); i >= 0 {
		entry = x.byJob[i]
		x.byJob = slices.Delete(x.byJob, i, i+1)
	} else if len(x.byJob) == keptIndexes {
		x.byJob = slices.Delete(x.byJob, 0, 1)
	}
	x.byJob = append(x.byJob, entry)
	return entry
}

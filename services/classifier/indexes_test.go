package classifier

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// seed is a work of the job with this id over the small report.
func seed(jobID string) schema.Work {
	return schema.Work{Item: schema.Item{JobID: jobID}, CycleID: schematest.CycleID, ReportID: schematest.ReportID}
}

func (x *indexes) must(t *testing.T, jobID string) *candidates {
	t.Helper()
	c, err := x.of(t.Context(), seed(jobID))
	if err != nil {
		t.Error(err)
	}
	return c
}

func TestTheColumnsOfAJobAreReadOnceHoweverManyAsk(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	x := newIndexes(db)
	got := make([]*candidates, 16)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = x.must(t, fmt.Sprint("job", i%2)) })
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[i%2] {
			t.Errorf("reading %d is another than that of its job", i)
		}
	}
	if got[0] == got[1] || len(got[0].columns) != 5 || got[0].report != "Auto loans" {
		t.Errorf("two jobs share %p, of %d columns of %q", got[0], len(got[0].columns), got[0].report)
	}
}

func TestTheIndexesOfAllJobsTakeNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	x := newIndexes(db)
	busy, idle := x.must(t, "busy"), x.must(t, "idle")
	const kept = 4
	x.limit = kept * busy.bytes()
	for i := range kept {
		x.must(t, fmt.Sprint("job", i))
		if x.must(t, "busy") != busy {
			t.Fatalf("the index of the busy job is dropped after %d others", i+1)
		}
	}
	if len(x.byJob) != kept {
		t.Errorf("%d are kept, not %d", len(x.byJob), kept)
	}
	if x.must(t, "idle") == idle {
		t.Error("the index that was used longest ago is kept beyond the limit")
	}
	x.limit = 1
	if large := x.must(t, "large"); x.must(t, "large") != large || len(x.byJob) != 1 {
		t.Errorf("an index above the limit is kept while it is in use: %d are kept", len(x.byJob))
	}
}

func TestTheIndexOfAJobThatHasEndedIsDropped(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	x := newIndexes(db)
	first := x.must(t, job.ID)
	if err := x.dropEnded(t.Context()); err != nil || x.must(t, job.ID) != first {
		t.Errorf("the index of an active job is dropped, %v", err)
	}
	if _, err := db.NewRaw("update jobs set ended_at = now() where id = ?", job.ID).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.dropEnded(t.Context()); err != nil || len(x.byJob) != 0 {
		t.Errorf("%d indexes are kept, %v", len(x.byJob), err)
	}
}

func TestAReadingThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	x := newIndexes(db)
	if _, err := x.of(t.Context(), seed("job")); err == nil {
		t.Fatal("a report that is not there has columns")
	}
	schematest.Report(t, db, 1)
	if c := x.must(t, "job"); len(c.columns) != 5 {
		t.Errorf("%d columns", len(c.columns))
	}
}

package classifier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

// workOf returns work of the job with this id on the report of schematest.
func workOf(jobID string) schema.Work {
	return schema.Work{Item: schema.Item{JobID: jobID}, CycleID: schematest.CycleID, ReportID: schematest.ReportID}
}

// mustGet is get for a job that has candidates. If they are being read, it asks again, as a redelivered message does.
func (x *candidateCache) mustGet(t *testing.T, jobID string) *candidates {
	t.Helper()
	c, err := x.get(t.Context(), workOf(jobID))
	for errors.Is(err, errReading) {
		c, err = x.get(t.Context(), workOf(jobID))
	}
	if err != nil {
		t.Error(err)
	}
	return c
}

func TestCandidateCache_ReadsTheColumnsOfAJobOnce(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	x := newCandidateCache(db, nil)
	got := make([]*candidates, 16)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = x.mustGet(t, fmt.Sprint("job", i%2)) })
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[i%2] {
			t.Errorf("call %d: got other candidates than the first call of the job, want the same", i)
		}
	}
	if got[0] == got[1] {
		t.Error("two jobs share their candidates")
	}
	if len(got[0].columns) != 5 || got[0].report != "Auto loans" {
		t.Errorf("candidates: got %d columns of %q, want 5 of \"Auto loans\"", len(got[0].columns), got[0].report)
	}
}

// The ranking knows the other attributes of the report: a column that suits one of them is worth less to another.
func TestCandidateCache_RanksForTheWholeReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 5)
	c := newCandidateCache(db, nil).mustGet(t, "job")
	// The report has the current loan balance.
	asked := schema.Attribute{AttributeName: "Loan Amount", DataType: "N14.2"}
	got, alone := c.ranking.Rank(asked), columns.NewIndex(c.columns).Rank(asked)
	if got.Score >= alone.Score || alone.SourceField != "svc.LN_MSTR.LN_CURR_BAL_AMT" {
		t.Errorf("got %s with %.2f in the report and %s with %.2f alone, want less in the report", got.SourceField,
			got.Score, alone.SourceField, alone.Score)
	}
}

func TestCandidateCache_EvictsTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	x := newCandidateCache(db, nil)
	busy, idle := x.mustGet(t, "busy"), x.mustGet(t, "idle")
	const kept = 4
	x.limit = kept * busy.bytes()
	for i := range kept {
		x.mustGet(t, fmt.Sprint("job", i))
		if x.mustGet(t, "busy") != busy {
			t.Fatalf("after %d other jobs: got the busy job's candidates evicted, want them kept", i+1)
		}
	}
	if len(x.byJob) != kept {
		t.Errorf("entries: got %d, want %d", len(x.byJob), kept)
	}
	if x.mustGet(t, "idle") == idle {
		t.Error("the least recently used candidates are kept beyond the limit")
	}
}

func TestCandidateCache_KeepsTheEntryInUseBeyondTheLimit(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	x := newCandidateCache(db, nil)
	x.limit = 1
	x.mustGet(t, "other")
	if large := x.mustGet(t, "large"); x.mustGet(t, "large") != large {
		t.Error("the candidates in use are evicted")
	}
	if len(x.byJob) != 1 {
		t.Errorf("entries: got %d, want 1", len(x.byJob))
	}
}

func TestCandidateCache_DropsEndedJobs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	job := schematest.ListedJob(t, db, 1)
	x := newCandidateCache(db, nil)
	first := x.mustGet(t, job.ID)
	if err := x.dropEnded(t.Context()); err != nil || x.mustGet(t, job.ID) != first {
		t.Errorf("dropEnded: got %v, want the candidates of an active job kept", err)
	}
	if _, err := db.NewRaw("update jobs set ended_at = now() where id = ?", job.ID).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.dropEnded(t.Context()); err != nil || len(x.byJob) != 0 {
		t.Errorf("dropEnded: got %v and %d entries, want none", err, len(x.byJob))
	}
}

func TestCandidateCache_ReadsAgainAfterAnError(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	x := newCandidateCache(db, nil)
	if _, err := x.get(t.Context(), workOf("job")); err == nil {
		t.Fatal("get: got nil for a report that does not exist")
	}
	schematest.Report(t, db, 1)
	if got := len(x.mustGet(t, "job").columns); got != 5 {
		t.Errorf("columns: got %d, want 5", got)
	}
}

// slowly makes the cache's reads wait until end is called. The channel started has an element for each read.
func (x *candidateCache) slowly() (started <-chan struct{}, end func()) {
	read, begin, done := x.read, make(chan struct{}, 10), make(chan struct{})
	x.read = func(ctx context.Context, work schema.Work) (*candidates, error) {
		begin <- struct{}{}
		select {
		case <-done:
			return read(ctx, work)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return begin, func() { close(done) }
}

// While one worker reads the columns of a large job, the other mappings of the job occupy no worker.
func TestCandidateCache_AwaitsALongReadInTheStream(t *testing.T) {
	t.Parallel()
	x := newCandidateCache(nil, nil)
	x.read = func(context.Context, schema.Work) (*candidates, error) { return &candidates{}, nil }
	started, end := x.slowly()
	var reader sync.WaitGroup
	reader.Go(func() { x.mustGet(t, "large") })
	<-started
	if err := x.await(t.Context(), "large"); !errors.Is(err, errReading) {
		t.Errorf("await: got %v, want %v", err, errReading)
	}
	if _, err := x.get(t.Context(), workOf("large")); !errors.Is(err, errReading) {
		t.Errorf("get: got %v, want %v", err, errReading)
	}
	if err := x.await(t.Context(), "other"); err != nil {
		t.Errorf("await of another job: got %v, want nil", err)
	}
	end()
	reader.Wait()
	if err := x.await(t.Context(), "large"); err != nil {
		t.Errorf("await after the read: got %v, want nil", err)
	}
	if len(started) != 0 {
		t.Error("the columns were read twice")
	}
}

func TestCandidateCache_ReadsAgainAfterAReadThatWasStopped(t *testing.T) {
	t.Parallel()
	x := newCandidateCache(nil, nil)
	x.read = func(context.Context, schema.Work) (*candidates, error) { return &candidates{}, nil }
	started, end := x.slowly()
	ctx, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		if _, err := x.get(ctx, workOf("job")); !errors.Is(err, context.Canceled) {
			t.Errorf("get: got %v, want %v", err, context.Canceled)
		}
	})
	<-started
	stop()
	reader.Wait()
	end()
	x.mustGet(t, "job")
}

func TestCandidates_CountTheBytesOfPrecedents(t *testing.T) {
	t.Parallel()
	c := loans()
	before := c.bytes()
	c.precedents = newPrecedents([]schema.Precedent{decidedElsewhere("Balance", "svc.LN_MSTR.LN_CURR_BAL_AMT", "")})
	if got := c.bytes() - before; got < precedentBytes {
		t.Errorf("bytes of a precedent: got %d, want at least %d", got, precedentBytes)
	}
}

func TestListAttributes_ReadsTheFirstOnes(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 5)
	all, err := listAttributes(t.Context(), db, schematest.CycleID, schematest.ReportID, mostAttributes)
	if err != nil || len(all) != 5 {
		t.Fatalf("got %d attributes, %v, want 5", len(all), err)
	}
	first, err := listAttributes(t.Context(), db, schematest.CycleID, schematest.ReportID, 3)
	if err != nil || len(first) != 3 || first[2].ID != all[2].ID {
		t.Errorf("got %d attributes, %v, want the first 3", len(first), err)
	}
}

package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestAThirdConcurrentImportIsRefusedBeforeItsBodyIsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hold, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Rollback() }() // if the test fails before the rollback
	if _, err := hold.ExecContext(t.Context(), "lock table attributes in share mode"); err != nil {
		t.Fatal(err)
	}
	contentType, body := form(t, piece{"attributes", "a.csv", someAttributes})
	path := func(i int) string { return fmt.Sprint("/api/v1/planning/cycles/", cycle, "/reports/r", i, "/import") }
	answers := begin(t, 2, func(i int) (answer, error) {
		return f.try(
			call{
				method: http.MethodPost,
				path:   path(i),
				body:   body,
				role:   api.Tester,
				header: map[string]string{"Content-Type": contentType},
			},
		)
	})
	f.WaitForLocks(2)

	// A server that wants the body says 100 first.
	a := exchange(t, f.line(),
		"POST "+path(3)+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.token("tina", api.Tester)+
			"\r\nContent-Type: "+contentType+"\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n")
	if refused(t, a, http.StatusServiceUnavailable, "busy"); a.header.Get("Retry-After") == "" {
		t.Error("the response has no Retry-After")
	}

	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, a := range answers() {
		must[api.Imported](t, a, http.StatusOK)
	}
	must[api.Imported](t, f.uploadTo(path(3), piece{"attributes", "a.csv", someAttributes}), http.StatusOK)
}

func TestAnImportDuringAJobIsRefusedWithTheJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	must[api.Imported](
		t,
		f.upload(piece{"attributes", "a.csv", someAttributes}, piece{"columns", "c.csv", someColumns}),
		http.StatusOK,
	)
	jobID := f.started()
	before := f.planned()

	a := f.upload(piece{"attributes", "a.csv", "attribute_name\nNew\n"})
	if p := refused(t, a, http.StatusConflict, "job-active"); p.JobID != jobID {
		t.Errorf("import: the job: got %q, want %q", p.JobID, jobID)
	}
	if p := refused(t, f.post(reportURL("/attributes"), `{"attribute_name": `+
		`"New"}`), http.StatusConflict, "job-active"); p.JobID != jobID {
		t.Errorf("attribute: the job: got %q, want %q", p.JobID, jobID)
	}
	if p := refused(t, f.post(reportURL("/data-sources"), `{"name": `+
		`"New"}`), http.StatusConflict, "job-active"); p.JobID != jobID {
		t.Errorf("data source: the job: got %q, want %q", p.JobID, jobID)
	}
	if diff := cmp.Diff(before, f.planned()); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}

	f.succeed(jobID)
	f.project(jobID)
	must[api.Imported](t, f.upload(piece{"attributes", "a.csv", "attribute_name\nNew\n"}), http.StatusOK)
}

// Imports and requests for a job come at once, again and again: whatever wins, no job has mappings that its count does
// not know.
func TestConcurrentImportsAndJobsExcludeEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	must[api.Imported](
		t,
		f.upload(piece{"attributes", "a.csv", someAttributes}, piece{"columns", "c.csv", someColumns}),
		http.StatusOK,
	)
	for round := range 10 {
		contentType, body := form(t, piece{"attributes", "a.csv", fmt.Sprintf("attribute_name\nNew in round "+
			"%d\n", round)})
		statuses := make(chan int, 2)
		for _, c := range []call{
			{
				method: http.MethodPost, path: reportURL("/import"), body: body, role: api.Tester,
				header: map[string]string{"Content-Type": contentType},
			},
			{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester},
		} {
			go func() {
				a, err := f.try(c)
				if err != nil {
					t.Error(err)
				}
				statuses <- a.status
			}()
		}
		got := []int{<-statuses, <-statuses}
		slices.Sort(got)
		if !slices.Equal(got, []int{200, 202}) && !slices.Equal(got, []int{202, 409}) {
			t.Fatalf("round %d: answers: got %v, want [200 202] or [202 409]", round, got)
		}
		jobs, err := schema.ListJobs(t.Context(), f.DB, schema.JobFilter{Active: true}, "", 2)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("active jobs: got %d (%v), want 1", len(jobs), err)
		}
		if n := f.Count("select count(*) from pde_mappings"); int64(n) != jobs[0].MappingCount {
			t.Errorf("round %d: mappings of the job: got %d, want %d", round, jobs[0].MappingCount, n)
		}
		f.list(jobs[0].ID)
		f.succeed(jobs[0].ID)
		f.project(jobs[0].ID)
	}
}

package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (f *fixture) control(id, action string) answer { return f.post(jobURL(id, "/"+action), "") }

func TestIntentsDependOnTheRowAndNotOnTheStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	id := f.started()

	// The projector does not run: the status stays running all the time.
	paused := must[api.IntentAccepted](t, f.control(id, "pause"), http.StatusAccepted)
	if paused.Status != schema.StatusPaused || paused.JobID != id || paused.Message == "" {
		t.Errorf("pause: got %+v, want paused, with a message", paused)
	}
	p := refused(t, f.control(id, "pause"), http.StatusConflict, "state-conflict")
	if !strings.Contains(p.Detail, "is paused") || !strings.Contains(p.Detail, "pending or running") {
		t.Errorf("conflict: got %s, want the status and the allowed ones", p.Detail)
	}
	resumed := must[api.IntentAccepted](t, f.control(id, "resume"), http.StatusAccepted).Status
	if resumed != schema.StatusRunning {
		t.Errorf("status of a started job after resume: got %s, want running", resumed)
	}
	refused(t, f.control(id, "resume"), http.StatusConflict, "state-conflict")
	must[api.IntentAccepted](t, f.control(id, "pause"), http.StatusAccepted)
	must[api.IntentAccepted](t, f.control(id, "cancel"), http.StatusAccepted)
	for action, allowed := range map[string]string{"pause": "pending or running", "resume": "paused"} {
		t.Run(action, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.control(id, action), http.StatusConflict, "state-conflict")
			if !strings.Contains(p.Detail, "is running and is being "+
				"cancelled") || !strings.HasSuffix(p.Detail, action+" is for jobs that are "+allowed+".") {
				t.Errorf("%s of a job that is being cancelled: got %s, want the status and the jobs it is for",
					action, p.Detail)
			}
		})
	}
	again := must[api.IntentAccepted](t, f.control(id, "cancel"), http.StatusAccepted)
	if again.Status != schema.StatusRunning ||
		again.JobID != id {
		t.Errorf("cancelled once more the job: got %+v, want the same running job", again)
	}

	var intents []schema.Intent
	if err := f.DB.NewRaw("select intent from job_intents where job_id = ? order by "+
		"version", id).Scan(t.Context(), &intents); err != nil {
		t.Fatal(err)
	}
	want := []schema.Intent{
		schema.IntentRun,
		schema.IntentPause,
		schema.IntentRun,
		schema.IntentPause,
		schema.IntentCancel,
	}
	if !slices.Equal(intents, want) {
		t.Errorf("intents: got %v, want %v", intents, want)
	}
	if job := f.ReadJob(id); job.Intent != schema.IntentCancel || job.IntentVersion != 5 || job.UpdatedBy != "tina" {
		t.Errorf("the job's row: got %+v, want the fifth intent, cancel, by tina", job)
	}
}

func TestAPendingJobIsPausedResumedAndCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	id := must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	paused := must[api.IntentAccepted](t, f.control(id, "pause"), http.StatusAccepted).Status
	if paused != schema.StatusPaused {
		t.Errorf("status after pause: got %s, want paused", paused)
	}
	resumed := must[api.IntentAccepted](t, f.control(id, "resume"), http.StatusAccepted).Status
	if resumed != schema.StatusPending {
		t.Errorf("status after resume: got %s, want pending", resumed)
	}
	must[api.IntentAccepted](t, f.control(id, "cancel"), http.StatusAccepted)
	f.list(id)
	status := must[events.JobStatus](t, f.get(jobURL(id, "/status")), http.StatusOK)
	if status.Status != schema.StatusCancelled ||
		status.Cancelled != 2 {
		t.Errorf("cancelled: got %+v, want two cancelled items", status)
	}
}

func TestAnEndedJobRefusesIntents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.finished()
	for _, action := range []string{"cancel", "pause", "resume", "retry"} {
		t.Run(action, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.control(id, action), http.StatusConflict, "state-conflict")
			if !strings.Contains(p.Detail, "is completed") || !strings.Contains(p.Detail, action) {
				t.Errorf("%s of a completed job: got %s, want the status and the action", action, p.Detail)
			}
		})
	}
	if n := f.Count("select count(*) from job_intents where job_id = ?", id); n != 1 {
		t.Errorf("intents of the job: got %d, want 1", n)
	}
}

func TestAJobWithoutQueuedItemsHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	f.succeed(id)
	// The counts are folded, but the status is not written yet.
	f.Exec("update job_status set succeeded = 1, completed_steps = 1 where job_id = ?", id)
	refused(t, f.control(id, "pause"), http.StatusConflict, "state-conflict")
}

func TestOneOfManyConcurrentPausesSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	answers := atOnce(t, 8, func(int) (answer, error) {
		return f.try(call{method: http.MethodPost, path: jobURL(id, "/pause"), role: api.Tester})
	})
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.status]++
	}
	if statuses[http.StatusAccepted] != 1 || statuses[http.StatusConflict] != 7 {
		t.Errorf("statuses: got %v, want one 202 and seven 409", statuses)
	}
	if n := f.Count("select count(*) from job_intents where job_id = ?", id); n != 2 {
		t.Errorf("the job: got %d intents, want 2", n)
	}
}

func TestRetry_TakesFailedAndCancelledMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(5)
	lost := f.started()
	f.fail(lost, schema.ErrorCodePanic, ids[0], ids[3])
	f.fail(lost, schema.ErrorCodeClassifier, ids[1])
	refused(t, f.control(lost, "retry"), http.StatusConflict, "state-conflict")
	f.succeed(lost)
	f.project(lost)

	count := func(body string) int64 {
		t.Helper()
		return must[api.Counted](t, f.post(jobURL(lost, "/retry"), body), http.StatusOK).MappingCount
	}
	all, panics := count(`{"dry_run": true}`), count(`{"dry_run": true, "error_code": "panic"}`)
	if all != 3 || panics != 2 {
		t.Errorf("dry runs: got %d, and %d with panic, want 3 and 2", all, panics)
	}
	if none := count(`{"dry_run": true, "error_code": "poison"}`); none != 0 {
		t.Errorf("a dry run for an error code of no item: got %d, want 0", none)
	}
	answer := f.post(jobURL(lost, "/retry"), `{"error_code": "poison"}`)
	p := refused(t, answer, http.StatusConflict, "nothing-to-retry")
	if !strings.Contains(p.Detail, "with this code") {
		t.Errorf("detail: got %s, want the other error codes", p.Detail)
	}
	if n := f.Count("select count(*) from jobs"); n != 1 {
		t.Fatalf("jobs before the retry: got %d, want 1", n)
	}

	a := f.post(jobURL(lost, "/retry"), `{"error_code": "panic"}`)
	retry := must[api.Accepted](t, a, http.StatusAccepted)
	if retry.MappingCount != 2 || retry.JobID == lost || a.header.Get("Location") != jobURL(retry.JobID, "/status") {
		t.Errorf("retry: got %s, location %s, want another job of two mappings", a.body, a.header.Get("Location"))
	}
	refused(t, f.control(lost, "retry"), http.StatusConflict, "job-active")
	f.list(retry.JobID)
	var listed []string
	if err := f.DB.NewRaw("select mapping_id from job_items where job_id = ? order by "+
		"mapping_id", retry.JobID).Scan(t.Context(), &listed); err != nil {
		t.Fatal(err)
	}
	if want := []string{ids[0], ids[3]}; !slices.Equal(listed, want) {
		t.Errorf("the retry: got %v, want %v", listed, want)
	}
	status := must[events.JobStatus](t, f.get(jobURL(retry.JobID, "/status")), http.StatusOK)
	if status.Metadata.RetryOf == nil || *status.Metadata.RetryOf != lost ||
		status.JobType != schema.JobTypePDERegeneration {
		t.Errorf("status: got %+v, want a retry of the first job", status)
	}
}

func TestRetry_RefusesAJobWithoutLostMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(1)
	lost := f.started()
	f.fail(lost, schema.ErrorCodePanic, ids...)
	f.project(lost)
	// No service does this.
	f.Exec("update job_items set outcome = 'succeeded', error_code = null where job_id = ?", lost)
	p := refused(t, f.control(lost, "retry"), http.StatusConflict, "nothing-to-retry")
	if !strings.Contains(p.Detail, "failed or was cancelled") {
		t.Errorf("detail: got %s, want one that nothing failed or was cancelled", p.Detail)
	}
}

func TestRetry_ReturnsTheSameJobForTheSameKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	lost := f.started()
	f.fail(lost, schema.ErrorCodePanic, ids...)
	f.project(lost)
	ask := call{
		method: http.MethodPost,
		path:   jobURL(lost, "/retry"),
		role:   api.Tester,
		header: map[string]string{"Idempotency-Key": "again"},
	}
	first, second := f.do(ask), f.do(ask)
	if first.status != http.StatusAccepted || first.body != second.body {
		t.Errorf("got %d %s and %d %s, want the same 202", first.status, first.body, second.status, second.body)
	}
}

func TestResumeAndRegenerateRefuseAMaximumCost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	must[api.IntentAccepted](t, f.control(id, "pause"), http.StatusAccepted)
	for _, path := range []string{
		jobURL(id, "/resume"), reportURL("/pde-mappings/regenerate-all"), reportURL("/pde-mappings/auto-map"),
	} {
		p := refused(t, f.post(path, `{"max_cost_usd": 5}`), http.StatusUnprocessableEntity, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Location != "body.max_cost_usd" {
			t.Errorf("%s: errors: got %v, want one of body.max_cost_usd", path, p.Errors)
		}
	}
	must[api.IntentAccepted](t, f.post(jobURL(id, "/resume"), `{"max_cost_usd": null}`), http.StatusAccepted)
}

func TestAnUnknownJobIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"/status", "/items", "/status?wait=1s"} {
		refused(t, f.get(jobURL("no-such-job", path)), http.StatusNotFound, "job-not-found")
	}
	for _, action := range []string{"cancel", "pause", "resume", "retry"} {
		t.Run(action, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.control("no-such-job", action), http.StatusNotFound, "job-not-found")
			if strings.Contains(p.Detail, "no-such-job") {
				t.Errorf("%s: got %s, want a detail without the id", action, p.Detail)
			}
		})
	}
}

func TestJobsAreListedNewestFirstPageByPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	var want []string
	for range 5 {
		want = append([]string{f.finished()}, want...)
	}

	var got []string
	path := "/api/v1/jobs?limit=2"
	for next := path; next != ""; {
		page := must[api.Page[events.JobStatus]](t, f.get(next), http.StatusOK)
		if len(page.Items) > 2 || len(got) > len(want) {
			t.Fatalf("a page: got %d jobs, %d in all, want at most 2, %d in all", len(page.Items), len(got), len(want))
		}
		for _, job := range page.Items {
			got = append(got, job.JobID)
		}
		next = ""
		if page.NextCursor != nil {
			next = path + "&cursor=" + *page.NextCursor
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("jobs: got %v, want %v", got, want)
	}
}

func TestJobsAreFiltered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(1)
	failed := f.started()
	f.fail(failed, schema.ErrorCodePoison, ids...)
	f.project(failed)
	completed := f.finished()
	pending := must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID

	tests := map[string][]string{
		"/jobs":                         {pending, completed, failed},
		"/jobs?status=failed":           {failed},
		"/jobs?status=completed":        {completed},
		"/jobs?status=pending":          {pending},
		"/jobs?status=running":          {},
		"/jobs?cycle_id=" + cycle:       {pending, completed, failed},
		"/jobs?report_id=" + report:     {pending, completed, failed},
		"/jobs?report_id=another":       {},
		"/jobs/active":                  {pending},
		"/jobs?status=failed&limit=1":   {failed},
		"/jobs?cycle_id=x&report_id=yz": {},
	}
	for path, want := range tests {
		t.Run(path, func(t *testing.T) {
			f := f.in(t)
			page := must[api.Page[events.JobStatus]](t, f.get("/api/v1"+path), http.StatusOK)
			got := []string{}
			for _, job := range page.Items {
				got = append(got, job.JobID)
			}
			if !slices.Equal(got, want) || page.NextCursor != nil {
				t.Errorf("jobs: got %v, want %v, and no next page", got, want)
			}
		})
	}
}

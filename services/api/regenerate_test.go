package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestRegenerateAllAcceptsAJobOfAllMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(3)

	a := f.post(reportURL("/pde-mappings/regenerate-all"), "")
	got := must[api.Accepted](t, a, http.StatusAccepted)
	if got.MappingCount != 3 || got.Status != schema.StatusPending || got.Message == "" {
		t.Errorf("got %s, want three mappings, pending, and a message", a.body)
	}
	if want := jobURL(got.JobID, "/status"); a.header.Get("Location") != want {
		t.Errorf("location: got %q, want %q", a.header.Get("Location"), want)
	}
	status := must[events.JobStatus](t, f.get(a.header.Get("Location")), http.StatusOK)
	if status.Status != schema.StatusPending || status.TotalSteps != 3 || status.Metadata.RequestedBy != "tina" {
		t.Errorf("status: got %+v, want pending, three steps, requested by tina", status)
	}
	job := f.ReadJob(got.JobID)
	if job.JobType != schema.JobTypePDERegeneration || job.Scope != schema.ScopeAll ||
		job.Classifier != schema.ClassifierRules || job.Intent != schema.IntentRun {
		t.Errorf("job: got %+v, want a regeneration of all mappings by rules", job)
	}
	if job.CreatedBy != "tina" || job.CreatedAt.IsZero() || job.UpdatedBy == "" || job.UpdatedAt.IsZero() {
		t.Errorf("row of the job: got %+v, want the users and times of both writes", job)
	}
	if n := f.Count("select count(*) from job_intents where job_id = ? and version = 1 and intent = 'run' and "+
		"requested_by = 'tina' and created_at = ?",
		job.ID, job.CreatedAt); n != 1 {
		t.Error("the first intent is not there, or was written at another time")
	}
}

func TestADryRunOnlyCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(3)
	for path, want := range map[string]int64{
		"/pde-mappings/regenerate-all": 3, "/pde-mappings/auto-map": 3, "/pde-classifications/suggest-batch": 3,
	} {
		t.Run(path, func(t *testing.T) {
			f := f.in(t)
			if got := must[api.DryRun](t, f.post(reportURL(path), `{"dry_run": `+
				`true}`), http.StatusOK); got != (api.DryRun{MappingCount: want}) {
				t.Errorf("%s: got %+v, want %d mappings and nothing else", path, got, want)
			}
		})
	}
	a := f.post(reportURL("/pde-mappings/regenerate-all"),
		fmt.Sprintf(`{"dry_run": true, "mapping_ids": [%q, %q, %q]}`, ids[0], ids[2], ids[0]))
	if got := must[api.DryRun](t, a, http.StatusOK).MappingCount; got != 2 {
		t.Errorf("got %d mappings for two ids and a duplicate, want 2", got)
	}
	want := `{"mapping_count":2,"would_skip":0,"estimate":{"input_tokens":0,"output_tokens":0,"cost_usd":0}}`
	if strings.TrimSpace(a.body) != want {
		t.Errorf("got %s, want %s", a.body, want)
	}
	if n := f.Count("select count(*) from jobs"); n != 0 {
		t.Errorf("jobs: got %d, want 0", n)
	}
}

func TestAJobOfSelectedMappingsIgnoresDuplicates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(4)
	a := f.post(reportURL("/pde-classifications/suggest-batch"), fmt.Sprintf(`{"pde_mapping_ids": [%q, %q, `+
		`%q]}`, ids[3], ids[1], ids[3]))
	id := must[api.Accepted](t, a, http.StatusAccepted).JobID
	f.list(id)
	var listed []string
	if err := f.DB.NewRaw("select mapping_id from job_items where job_id = ? order by "+
		"mapping_id", id).Scan(t.Context(), &listed); err != nil {
		t.Fatal(err)
	}
	if want := []string{ids[1], ids[3]}; !slices.Equal(listed, want) {
		t.Errorf("the job: got %v, want %v", listed, want)
	}
	if job := f.ReadJob(id); job.JobType != schema.JobTypePDEClassification || job.Scope != schema.ScopeSelected ||
		job.MappingCount != 2 {
		t.Errorf("job: got %+v, want a classification of the two selected mappings", job)
	}
}

func TestUnknownMappingsAreRefusedByIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	p := refused(t, f.post(reportURL("/pde-mappings/regenerate-all"), fmt.Sprintf(`{"mapping_ids": [%q, `+
		`"123-45-6789", %q, "x' or 1=1"]}`, ids[0], ids[1])),
		http.StatusUnprocessableEntity, "invalid")
	var places []string
	for _, e := range p.Errors {
		places = append(places, e.Location)
	}
	if want := []string{"body.mapping_ids[1]", "body.mapping_ids[3]"}; !slices.Equal(places, want) {
		t.Errorf("got %v, want %v", places, want)
	}
	if n := f.Count("select count(*) from jobs"); n != 0 {
		t.Errorf("jobs: got %d, want 0", n)
	}
}

func TestAutoMapWithoutUnmappedMappingsCompletesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	f.Exec("update pde_mappings set source_field = 'core.accounts.acct_nbr'")
	got := must[api.Accepted](t, f.post(reportURL("/pde-mappings/auto-map"), ""), http.StatusAccepted)
	if got.MappingCount != 0 {
		t.Errorf("mappings: got %d, want 0", got.MappingCount)
	}
	f.list(got.JobID)
	status := must[events.JobStatus](t, f.get(jobURL(got.JobID, "/status")), http.StatusOK)
	if status.Status != schema.StatusCompleted ||
		status.ProgressPercentage != 100 {
		t.Errorf("status: got %+v, want completed at 100 percent", status)
	}
}

func TestAutoMapCountsUnmappedMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(3)
	f.Exec("update pde_mappings set source_field = 'core.accounts.acct_nbr' where id = ?", ids[1])
	got := must[api.Accepted](t, f.post(reportURL("/pde-mappings/auto-map"), ""), http.StatusAccepted)
	if got.MappingCount != 2 {
		t.Errorf("got %d mappings, want 2", got.MappingCount)
	}
}

func TestAReportWithoutMappingsOrColumnsIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	regenerate := reportURL("/pde-mappings/regenerate-all")
	refused(t, f.post(regenerate, ""), http.StatusNotFound, "report-not-found")

	f.importReport(schema.ReportData{CycleID: cycle, ReportID: report, Author: "test"})
	refused(t, f.post(regenerate, ""), http.StatusNotFound, "no-mappings")

	f.importReport(
		schema.ReportData{
			CycleID:    cycle,
			ReportID:   report,
			Author:     "test",
			Attributes: schema.Rows[schema.Attribute]{All: attributes(1)},
		},
	)
	refused(t, f.post(regenerate, ""), http.StatusUnprocessableEntity, "no-data-sources")
	refused(t, f.post(reportURL("/pde-mappings/auto-map"), ""), http.StatusUnprocessableEntity, "no-data-sources")
	must[api.Accepted](t, f.post(reportURL("/pde-classifications/suggest-batch"), ""), http.StatusAccepted)

	other := "/api/v1/planning/cycles/unknown/reports/" + report + "/pde-mappings/regenerate-all"
	refused(t, f.post(other, ""), http.StatusNotFound, "report-not-found")
}

func TestAnImportAndAJobExcludeEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	tx, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Import(t.Context(), tx, schema.ReportData{
		CycleID: cycle, ReportID: report, Author: "test", Attributes: schema.Rows[schema.Attribute]{All: attributes(5)},
		Columns:  schema.Rows[schema.ColumnRow]{All: func(func(schema.ColumnRow) bool) {}},
		Mappings: func(func(schema.MappingRow) bool) {},
	}); err != nil {
		t.Fatal(err)
	}
	done := make(chan answer, 1)
	go func() {
		a, err := f.try(
			call{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester},
		)
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	f.WaitForLocks(1)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := must[api.Accepted](t, <-done, http.StatusAccepted); got.MappingCount != 5 {
		t.Errorf("the job: got %d mappings, want the 5 that the import left", got.MappingCount)
	}
	err = f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.Import(ctx, tx, schema.ReportData{CycleID: cycle, ReportID: report, Author: "test"})
		return err
	})
	if err == nil {
		t.Error("an import is not refused while a job is active")
	}
}

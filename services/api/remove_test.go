package api_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (f *fixture) remove(path string, role api.Role) answer {
	f.T.Helper()
	return f.do(call{method: http.MethodDelete, path: reportURL(path), role: role})
}

func (f *fixture) gone(path string, role api.Role) {
	f.T.Helper()
	if a := f.remove(path, role); a.status != http.StatusNoContent || a.body != "" {
		f.T.Errorf("DELETE %s: got %d %s, want 204 without a body", path, a.status, a.body)
	}
}

func TestPlanningDataIsRemovedByTheRequiredRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	files := []piece{
		{"attributes", "a.csv", someAttributes},
		{"columns", "c.csv", someColumns},
		{"mappings", "m.csv", someMappings},
	}
	must[api.Imported](t, f.upload(files...), http.StatusOK)
	attributes := must[api.Page[api.Attribute]](t, f.get(reportURL("/attributes")), http.StatusOK).Items
	mappings := must[api.Page[api.Mapping]](t, f.get(reportURL("/pde-mappings")), http.StatusOK).Items
	sources := must[api.Page[api.DataSource]](t, f.get(reportURL("/data-sources")), http.StatusOK).Items
	confirmedSource := *mappings[0].DataSourceID
	other := sources[0].ID
	if other == confirmedSource {
		other = sources[1].ID
	}
	var columnID, confirmedColumn string
	for _, read := range []struct {
		into  *string
		query string
	}{
		{&columnID, "select id from source_columns where data_source_id = '" + other + "' limit 1"},
		{&confirmedColumn, "select id from source_columns where column_name = 'BAL_AMT'"},
	} {
		if err := f.DB.NewRaw(read.query).Scan(t.Context(), read.into); err != nil {
			t.Fatal(err)
		}
	}

	// The first attribute's mapping is confirmed, and its column is one of the source "Cards".
	for _, path := range []string{
		"/attributes/" + attributes[0].ID, "/data-sources/" + confirmedSource,
		"/data-sources/" + confirmedSource + "/columns/" + confirmedColumn, "",
	} {
		refused(t, f.remove(path, api.Tester), http.StatusForbidden, "role-too-low")
	}
	refused(t, f.remove("/attributes/"+attributes[1].ID, api.Viewer), http.StatusForbidden, "role-too-low")
	for _, path := range []string{
		"/attributes/missing", "/data-sources/missing", "/data-sources/missing/columns/" + columnID,
		"/data-sources/" + other + "/columns/" + confirmedColumn,
	} {
		refused(t, f.remove(path, api.Tester), http.StatusNotFound, "not-found")
	}

	job := f.started()
	for _, path := range []string{
		"/attributes/" + attributes[1].ID, "/data-sources/" + other, "/data-sources/" + other + "/columns/" + columnID,
		"",
	} {
		if p := refused(t, f.remove(path, api.Manager), http.StatusConflict, "job-active"); p.JobID != job {
			t.Errorf("the job in the way: got %q, want %q", p.JobID, job)
		}
	}
	f.fail(job, schema.ErrorCodePanic, mappings[1].ID, mappings[2].ID)
	f.succeed(job)
	f.project(job)

	f.gone("/attributes/"+attributes[1].ID, api.Tester)
	refused(t, f.remove("/attributes/"+attributes[1].ID, api.Tester), http.StatusNotFound, "not-found")
	refused(t, f.get(reportURL("/pde-mappings/"+mappings[1].ID)), http.StatusNotFound, "not-found")
	must[api.Page[api.HistoryEntry]](t, f.get(reportURL("/pde-mappings/"+mappings[1].ID+"/history")), http.StatusOK)
	if got := must[api.Counted](t, f.post("/api/v1/jobs/"+job+"/retry", `{"dry_run": `+
		`true}`), http.StatusOK); got.MappingCount != 1 {
		t.Errorf("a retry: got %d mappings, want the failed one that is left", got.MappingCount)
	}
	f.gone("/data-sources/"+other+"/columns/"+columnID, api.Tester)
	f.gone("/data-sources/"+other, api.Tester)
	f.gone("/data-sources/"+confirmedSource+"/columns/"+confirmedColumn, api.Manager)
	left := must[api.Page[api.Mapping]](t, f.get(reportURL("/pde-mappings")), http.StatusOK).Items
	if len(left) != 3 || left[0].SourceField != nil || left[0].MappingConfirmedByUser {
		t.Errorf("mappings: got %+v, want three, the first without its column", left)
	}
	reports := must[api.Page[api.ReportSummary]](t, f.get("/api/v1/planning/reports"), http.StatusOK).Items
	if len(reports) != 1 || reports[0].MappingCount != 3 {
		t.Errorf("reports: got %+v, want one with three mappings", reports)
	}

	f.gone("", api.Manager)
	refused(t, f.remove("", api.Manager), http.StatusNotFound, "report-not-found")
	status := must[events.JobStatus](t, f.get("/api/v1/jobs/"+job+"/status"), http.StatusOK)
	if status.TotalSteps != 4 ||
		status.Failed != 2 {
		t.Errorf("the status of the job: got %+v, want four steps, two of them failed", status)
	}
	refused(t, f.post("/api/v1/jobs/"+job+"/retry", ""), http.StatusNotFound, "report-not-found")
	if n := f.Count("select count(*) from classification_history"); n == 0 {
		t.Error("the history is gone")
	}
	// A report of the same name is another one.
	if got := must[api.Imported](t, f.upload(files...), http.StatusOK); got.MappingCount != 4 ||
		got.Attributes.Added != 4 ||
		got.Gone.Attributes.Count != 0 {
		t.Errorf("import: got %+v, want four added attributes and none gone", got)
	}
}

func TestAnImportPrunesRowsThatAreNotInItsFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	must[api.Imported](
		t,
		f.upload(
			piece{"attributes", "a.csv", someAttributes},
			piece{"columns", "c.csv", someColumns},
			piece{"mappings", "m.csv", someMappings},
		),
		http.StatusOK,
	)
	before := f.planned()
	// "Balance" is confirmed, and so is its column.
	withoutBalance := []piece{
		{"attributes", "a.csv", "attribute_name,line_item_number\nLimit,2\nLimit,3\nRemark,\n"},
		{"columns", "c.csv", "data_source,schema,table,column\nCards,CRD,ACCT,LMT_AMT\n"},
	}
	send := func(prune string, role api.Role, pieces ...piece) answer {
		contentType, body := form(t, pieces...)
		return f.do(call{
			method: http.MethodPost, path: reportURL("/import?prune=" + prune), body: body, role: role,
			header: map[string]string{"Content-Type": contentType},
		})
	}
	refused(t, send("true", api.Tester, withoutBalance...), http.StatusConflict, "confirmed")
	refused(t, send("true", api.Manager, withoutBalance...), http.StatusConflict, "confirmed")
	refused(t, send("confirmed", api.Tester, withoutBalance...), http.StatusForbidden, "role-too-low")
	refused(t, send("everything", api.Tester, withoutBalance...), http.StatusUnprocessableEntity, "invalid")
	if diff := cmp.Diff(before, f.planned()); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
	got := must[api.Imported](t, f.upload(withoutBalance...), http.StatusOK)
	if got.Gone.Attributes.Count != 1 || got.Gone.Columns.Confirmed != 1 ||
		got.Gone.Columns.Items[0].Name != "CRD.ACCT.BAL_AMT" ||
		got.Attributes.Removed != 0 {
		t.Errorf("gone rows: got %+v, want one attribute and the confirmed column", got.Gone)
	}

	unconfirmed := piece{"attributes", "a.csv", "attribute_name,line_item_number\nBalance,1\nLimit,2\n"}
	got = must[api.Imported](t, send("true", api.Tester, unconfirmed), http.StatusOK)
	if got.Attributes != (api.Tally{Unchanged: 2, Removed: 2}) || got.MappingCount != 2 || got.Mappings.Removed != 2 {
		t.Errorf("pruned rows: got %+v, want two removed attributes and mappings", got)
	}
	got = must[api.Imported](t, send("confirmed", api.Manager, withoutBalance[1]), http.StatusOK)
	if got.Columns.Removed != 1 || got.Mappings.Unmapped != 1 {
		t.Errorf("pruned rows: got %+v, want one removed column and one unmapped mapping", got)
	}
}

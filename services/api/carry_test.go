package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const nextCycle = "2026-Q4"

// nextURL returns the path of a resource of the report in the next cycle.
func nextURL(path string) string { return strings.Replace(reportURL(path), cycle, nextCycle, 1) }

// importNext imports the report of imported into the next cycle, with these attributes and the column.
func (f *fixture) importNext(rows ...schema.Attribute) {
	f.T.Helper()
	f.importReport(schema.ReportData{
		CycleID: nextCycle, ReportID: report, Author: "test",
		Attributes: schema.Rows[schema.Attribute]{All: slices.Values(rows)},
		Columns: schema.Rows[schema.ColumnRow]{All: slices.Values([]schema.ColumnRow{
			{DataSource: "cards", SchemaName: "core", TableName: "accounts", ColumnName: "acct_nbr"},
		})},
	})
}

func TestCarryOver_StartsTheNextCycle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(4)
	f.classified(ids...)
	must[api.DecidedMapping](t, f.edit("olga", ids[0], `"1"`, `{"risk_level": "High"}`), http.StatusOK)
	must[api.DecidedMapping](t, f.act("mia", api.Manager, ids[0], "review", `{"decision": "approved"}`), http.StatusOK)
	f.importNext(
		schema.Attribute{AttributeName: "Attribute 0", LineItemNumber: "0"},
		schema.Attribute{AttributeName: "Attribute 1", LineItemNumber: "1", Description: "now with a description"},
		schema.Attribute{AttributeName: "Attribute 2", LineItemNumber: "2"},
		schema.Attribute{AttributeName: "Another", LineItemNumber: "9"})
	before := f.Count("select count(*) from classification_history")

	const body = `{"from_cycle_id": "2026-Q3"`
	preview := must[api.CarriedOver](t, f.post(nextURL("/carry-over"), body+`, "dry_run": true}`), http.StatusOK)
	if got := f.Count("select count(*) from classification_history"); got != before || !preview.DryRun ||
		!strings.Contains(preview.Message, "Would be carried over") {
		t.Errorf("dry run: got %d changes, want %d, and %+v", got, before, preview)
	}
	done := must[api.CarriedOver](t, f.post(nextURL("/carry-over"), body+`}`), http.StatusOK)
	for name, rows := range map[string]struct {
		got, preview api.CarriedRows
		count        int64
	}{
		"carried": {done.Carried, preview.Carried, 2},
		"changed": {done.Changed, preview.Changed, 1},
		"kept":    {done.Kept, preview.Kept, 0},
		"added":   {done.Added, preview.Added, 1},
		"dropped": {done.Dropped, preview.Dropped, 1},
	} {
		if rows.got.Count != rows.count || int64(len(rows.got.Items)) != rows.count ||
			fmt.Sprint(rows.preview.Count) != fmt.Sprint(rows.count) {
			t.Errorf("%s: got %+v, and %d in the dry run, want %d", name, rows.got, rows.preview.Count, rows.count)
		}
	}
	if got := done.Changed.Items[0]; got.AttributeName != "Attribute 1" ||
		*got.Reason != "The description of the attribute has changed." {
		t.Errorf("changed: got %+v, want Attribute 1 with a changed description", got)
	}
	if done.Added.Items[0].AttributeName != "Another" || *done.Dropped.Items[0].MappingID != ids[3] {
		t.Errorf("got added %+v, dropped %+v, want one of each", done.Added, done.Dropped)
	}

	path := nextURL("/pde-mappings")
	carried := must[api.Mapping](t, f.get(path+"/"+*done.Carried.Items[0].MappingID), http.StatusOK)
	if *carried.CarriedFrom != cycle || carried.ReviewStatus != schema.ReviewStatusApproved ||
		*carried.ReviewedBy != "mia" || !carried.MappingConfirmedByUser || *carried.RiskLevel != schema.LevelHigh {
		t.Errorf("carried mapping: got %+v, want the approval and the risk level of the earlier cycle", carried)
	}
	revise := must[api.Page[api.Mapping]](t, f.get(path+"?review_status=needs_revision"), http.StatusOK)
	if len(revise.Items) != 1 || *revise.Items[0].ReviewedBy != schema.CarryOverReviewer {
		t.Errorf("mappings that need revision: got %+v, want one, set by the carry-over", revise.Items)
	}
	export := f.get(path + "/export?format=csv")
	if !strings.Contains(export.body, ",carried_from,") || strings.Count(export.body, ","+cycle+",") != 3 {
		t.Errorf("export: got %s, want three rows carried from the earlier cycle", export.body)
	}

	refused(t, f.post(nextURL("/carry-over"), body+`}`), http.StatusConflict, "already-decided")
	if _, err := api.SignToken(secret(), "Carry-Over", api.Manager, 1); err == nil {
		t.Error("token of a user named carry-over: got no error")
	}
}

func TestCarryOver_RefusesInvalidRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	for body, want := range map[string]struct {
		status         int
		kind, location string
		message        string
	}{
		`{"from_cycle_id": "2026-Q4"}`: {422, "invalid", "body.from_cycle_id", "another cycle"},
		`{"from_cycle_id": "2026-Q2"}`: {404, "report-not-found", "body.from_cycle_id", "are 2026-Q3"},
		`{"from_cycle_id": "spring"}`:  {404, "report-not-found", "body.from_cycle_id", "are 2026-Q3"},
		`{"from_cycle_id": ""}`:        {422, "invalid", "body.from_cycle_id", "1"},
		`{}`:                           {422, "invalid", "body", "from_cycle_id"},
		`{"from": "2026-Q3"}`:          {422, "invalid", "body.from", ""},
	} {
		t.Run(body, func(t *testing.T) {
			p := refused(t, f.post(nextURL("/carry-over"), body), want.status, want.kind)
			if p.Errors[0].Location != want.location || !strings.Contains(p.Errors[0].Message, want.message) {
				t.Errorf("got %+v, want %s at %s", p.Errors, want.message, want.location)
			}
		})
	}
	other := strings.Replace(nextURL("/carry-over"), report, "another", 1)
	p := refused(t, f.post(other, `{"from_cycle_id": "2026-Q3"}`), http.StatusNotFound, "report-not-found")
	if !strings.Contains(p.Detail, "no cycle has a report with this id") {
		t.Errorf("another report: got %s, want a detail that no cycle has the report", p.Detail)
	}
	// A carry-over into a cycle with an active job.
	f.importNext(schema.Attribute{AttributeName: "Attribute 0", LineItemNumber: "0"})
	job := must[api.Accepted](t, f.post(nextURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted).JobID
	for _, dryRun := range []bool{true, false} {
		body := fmt.Sprintf(`{"from_cycle_id": "2026-Q3", "dry_run": %t}`, dryRun)
		p := refused(t, f.post(nextURL("/carry-over"), body), http.StatusConflict, "job-active")
		if p.JobID != job {
			t.Errorf("job_id: got %s, want %s", p.JobID, job)
		}
	}
}

func TestCompareReport_ListsTheDifferences(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(3)
	f.importNext(
		schema.Attribute{AttributeName: "Attribute 0", LineItemNumber: "0"},
		schema.Attribute{AttributeName: "Attribute 1", LineItemNumber: "1", IsCDE: true},
		schema.Attribute{AttributeName: "Another", LineItemNumber: "9"})
	edit := f.edit("olga", ids[1], `"1"`, `{"source_field": "core.accounts.acct_nbr"}`)
	must[api.DecidedMapping](t, edit, http.StatusOK)

	var got []string
	next := "&limit=1"
	for next != "" {
		page := must[api.Page[api.Difference]](t, f.get(nextURL("/compare?with="+cycle+next)), http.StatusOK)
		for _, d := range page.Items {
			line := fmt.Sprintf("%s %s", d.Change, d.AttributeName)
			for _, field := range d.Fields {
				line += fmt.Sprintf(", %s %v -> %v", field.Field, field.Before, field.After)
			}
			got = append(got, line)
			if (d.MappingID == nil) != (d.Change == "dropped") || (d.WithMappingID == nil) != (d.Change == "added") {
				t.Errorf("ids: got %+v, want no mapping for a dropped row and no earlier one for an added row", d)
			}
		}
		if next = ""; page.NextCursor != nil {
			next = "&limit=1&cursor=" + *page.NextCursor
		}
	}
	want := []string{
		"changed Attribute 1, is_cde false -> true, pde_name acct_nbr -> <nil>, " +
			"source_field core.accounts.acct_nbr -> <nil>, mapping_type direct -> <nil>, " +
			"mapping_confirmed_by_user true -> false, data_source cards -> <nil>",
		"added Another", "dropped Attribute 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	p := refused(t, f.get(nextURL("/compare?with=2026-Q2")), http.StatusNotFound, "report-not-found")
	if !strings.Contains(p.Detail, "cycles that have it are") {
		t.Errorf("unknown cycle: got %s, want the cycles that have the report", p.Detail)
	}
	refused(t, f.get(nextURL("/compare?with="+nextCycle)), http.StatusUnprocessableEntity, "invalid")
	refused(t, f.get(nextURL("/compare")), http.StatusUnprocessableEntity, "invalid")
	refused(t, f.get(nextURL("/compare?with="+cycle+"&cursor=x")), http.StatusUnprocessableEntity, "invalid")
	refused(t, f.get(strings.Replace(nextURL("/compare?with="+cycle), nextCycle, "2027-Q1", 1)), http.StatusNotFound,
		"report-not-found")
}

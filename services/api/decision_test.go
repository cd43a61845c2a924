package api_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const column = "core.accounts.acct_nbr"

// edit sends an edit of the version by the user.
func (f *fixture) edit(user, id, version, body string) answer {
	f.T.Helper()
	return f.do(call{
		method: http.MethodPut, path: reportURL("/pde-mappings/" + id), body: body, role: api.Tester, user: user,
		header: map[string]string{"If-Match": version},
	})
}

// act sends a decision other than an edit.
func (f *fixture) act(user string, role api.Role, id, action, body string, version ...string) answer {
	f.T.Helper()
	c := call{
		method: http.MethodPost, path: reportURL("/pde-mappings/" + id + "/" + action), body: body,
		role: role, user: user,
	}
	if len(version) > 0 {
		c.header = map[string]string{"If-Match": version[0]}
	}
	return f.do(c)
}

func (f *fixture) mapping(id string) api.Mapping {
	f.T.Helper()
	return must[api.Mapping](f.T, f.get(reportURL("/pde-mappings/"+id)), http.StatusOK)
}

func (f *fixture) history(id string) []api.HistoryEntry {
	f.T.Helper()
	return must[api.Page[api.HistoryEntry]](f.T, f.get(reportURL("/pde-mappings/"+id+"/history")), http.StatusOK).Items
}

// classified gives the mapping the values of a job: the column and a classification.
func (f *fixture) classified(ids ...string) {
	f.T.Helper()
	f.Exec(
		`update pde_mappings m set source_field = ?, data_source_id = d.id, pde_name = 'acct_nbr',
		mapping_type = 'direct',
		confidence_score = 90, mapping_rationale = 'The words fit.', alternative_mappings = '[]',
		information_security_classification = 'Confidential', criticality = 'High', risk_level = 'Medium',
		regulatory_flag = true, pii_flag = false, classification_confidence = 90, classification_rationale = 'A rule.',
		regulatory_references = '[]', classified_by = 'rules@1', updated_by = 'job:1'
		from data_sources d where m.id in (?)`,
		column,
		bun.List(ids),
	)
}

func TestEditMapping_ChangesOnlyTheFieldsSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	f.classified(id)
	before := f.mapping(id)

	a := f.edit(
		"tina",
		id,
		`"1"`,
		`{"risk_level": "High", "business_owner": " Cards ", "comment": "a key of the file"}`,
	)
	got := must[api.DecidedMapping](t, a, http.StatusOK)
	want := before
	want.RiskLevel, want.BusinessOwner = new(schema.LevelHigh), new("Cards")
	want.MappingConfirmedByUser, want.ClassifiedBy = true, new("tina")
	want.ClassificationConfidence = new(100)
	want.ClassificationRationale = new("Decided by tina: risk_level High. a key of the file")
	want.Version, want.UpdatedAt, want.UpdatedBy = 2, got.UpdatedAt, "tina"
	if diff := cmp.Diff(want, got.Mapping); diff != "" {
		t.Errorf("mapping after the edit (-want +got):\n%s", diff)
	}
	if a.header.Get("ETag") != `"2"` || got.ReviewReset || !got.UpdatedAt.After(before.UpdatedAt) {
		t.Errorf("got ETag %s, review_reset %t and updated_at %s, want \"2\", false and a later time",
			a.header.Get("ETag"), got.ReviewReset, got.UpdatedAt)
	}
	if diff := cmp.Diff(want, f.mapping(id)); diff != "" {
		t.Errorf("stored mapping (-want +got):\n%s", diff)
	}
	entry := f.history(id)[0]
	if entry.ChangedBy != "tina" || entry.JobID != nil || *entry.Comment != "a key of the file" ||
		*entry.Before.RiskLevel != "Medium" || *entry.After.RiskLevel != "High" || entry.After.Version != 2 {
		t.Errorf("history: got %+v, want the change of the risk level by tina", entry)
	}

	again := must[api.DecidedMapping](t, f.edit("tom", id, `"2"`, `{"risk_level": "High"}`), http.StatusOK)
	if again.Version != 2 || !strings.HasPrefix(again.Message, "Nothing has changed") || len(f.history(id)) != 1 {
		t.Errorf("edit without a change: got version %d, %q, want version 2 and the message that nothing has changed",
			again.Version, again.Message)
	}
}

func TestEditMapping_SetsWhatFollowsFromTheColumn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	got := must[api.DecidedMapping](t, f.edit("tina", id, `"1"`, `{"source_field": "core.accounts.acct_nbr"}`),
		http.StatusOK)
	if *got.SourceField != column || got.DataSourceID == nil || *got.PDEName != "acct_nbr" ||
		*got.MappingType != schema.MappingTypeDirect || *got.ConfidenceScore != 100 ||
		*got.MappingRationale != "Decided by tina: the column "+column+"." {
		t.Errorf("mapping: got %+v, want the column, decided by tina", got)
	}
	got = must[api.DecidedMapping](t, f.edit("tina", id, `"2"`, `{"source_field": ""}`), http.StatusOK)
	if got.SourceField != nil || got.DataSourceID != nil || got.PDEName != nil || !got.MappingConfirmedByUser {
		t.Errorf("mapping without a column: got %+v, want a confirmed mapping without a column", got)
	}
	got = must[api.DecidedMapping](t, f.edit("tina", id, "3", `{"mapping_confirmed_by_user": false}`), http.StatusOK)
	if got.MappingConfirmedByUser {
		t.Error("mapping_confirmed_by_user: got true after its release")
	}
}

func TestEditMapping_RefusesWhatTheReportDoesNotHave(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	f.importReport(schema.ReportData{
		CycleID: cycle, ReportID: report, Author: "test", Columns: schema.Rows[schema.ColumnRow]{
			All: func(yield func(schema.ColumnRow) bool) {
				_ = yield(schema.ColumnRow{DataSource: "branches", SchemaName: "a", TableName: "b", ColumnName: "c"}) &&
					yield(schema.ColumnRow{DataSource: "loans", SchemaName: "a", TableName: "b", ColumnName: "c"}) &&
					yield(schema.ColumnRow{DataSource: "loans", SchemaName: "a", TableName: "b", ColumnName: "only"})
			},
		},
	})
	var loans, branches string
	f.inTx(func(ctx context.Context, tx bun.Tx) error {
		if err := tx.NewRaw("select id from data_sources where name = 'loans'").Scan(ctx, &loans); err != nil {
			return err
		}
		return tx.NewRaw("select id from data_sources where name = 'branches'").Scan(ctx, &branches)
	})
	for name, tt := range map[string]struct{ body, location, message string }{
		"a column": {
			`{"source_field": "core.account.acct_nr"}`, "body.source_field",
			"similar ones are " + column,
		},
		"a text": {`{"source_field": "acct_nbr"}`, "body.source_field", "must be schema.table.column"},
		"a column of two sources": {
			`{"source_field": "a.b.c"}`, "body.data_source_id",
			"several data sources have this column: branches (" + branches + "), loans (" + loans + ")",
		},
		"a column elsewhere": {
			`{"source_field": "a.b.only", "data_source_id": "` + branches + `"}`, "body.source_field",
			"but this one has: loans (" + loans + ")",
		},
		"a source": {
			`{"source_field": "a.b.c", "data_source_id": "no"}`, "body.data_source_id",
			"the data sources are branches (" + branches + "), cards (",
		},
		"a source alone": {`{"data_source_id": "` + branches + `"}`, "body.data_source_id", "give source_field"},
		"a tier": {
			`{"information_security_classification": "Secret"}`,
			"body.information_security_classification", "must be one of HRCI, Confidential, Proprietary, Public",
		},
		"a field": {`{"tier": "HRCI"}`, "body.tier", "there is no such field"},
		"nothing": {`{"comment": "x"}`, "body", "at least one field"},
		"a contradiction": {
			`{"pde_name": "x", "mapping_confirmed_by_user": false}`, "body.mapping_confirmed_by_user", "must not",
		},
		"a control": {`{"pde_name": "a\u0007"}`, "body.pde_name", "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.edit("tina", id, `"1"`, tt.body), http.StatusUnprocessableEntity, "invalid")
			if len(p.Errors) != 1 || p.Errors[0].Location != tt.location ||
				!strings.Contains(p.Errors[0].Message, tt.message) {
				t.Errorf("got %+v, want %s: %s", p.Errors, tt.location, tt.message)
			}
		})
	}
	if m := f.mapping(id); m.Version != 1 || len(f.history(id)) != 0 {
		t.Errorf("mapping: got %+v, want version 1 without history", m)
	}
	refused(t, f.edit("tina", "none", `"1"`, `{"pde_name": "x"}`), http.StatusNotFound, "not-found")
	refused(t, f.do(call{
		method: http.MethodPut, path: strings.Replace(reportURL("/pde-mappings/"+id), report, "X", 1),
		body: `{"pde_name": "x"}`, role: api.Tester, header: map[string]string{"If-Match": `"1"`},
	}),
		http.StatusNotFound, "report-not-found")
}

func TestEditMapping_ShowsWhatHasChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	must[api.DecidedMapping](t, f.edit("olga", id, `"1"`, `{"pde_name": "first"}`), http.StatusOK)
	must[api.DecidedMapping](
		t,
		f.edit("mia", id, `"2"`, `{"pde_name": "second", "criticality": "Low", "comment": "c"}`),
		http.StatusOK,
	)

	a := f.edit("tina", id, `"1"`, `{"pde_name": "third"}`)
	p := refused(t, a, http.StatusPreconditionFailed, "version-changed")
	if a.header.Get("ETag") != `"3"` || !strings.HasPrefix(p.Detail, "Changed by mia, olga. ") || len(p.Changes) != 2 {
		t.Fatalf("got ETag %s and %+v, want \"3\" and the changes by mia and olga", a.header.Get("ETag"), p)
	}
	if c := p.Changes[0]; c.Version != 3 || c.ChangedBy != "mia" || *c.Comment != "c" ||
		c.Fields[0] != (api.FieldChange{Field: "pde_name", Before: "first", After: "second"}) {
		t.Errorf("newest change: got %+v, want the change of pde_name by mia", c)
	}
	refused(t, f.edit("tina", id, "", `{"pde_name": "third"}`), http.StatusPreconditionRequired, "version-required")
	for _, version := range []string{`"x"`, `"1", "2"`, `"1`, "0", `W/"1"`} {
		refused(t, f.edit("tina", id, version, `{"pde_name": "third"}`), http.StatusBadRequest, "malformed")
	}
	if got := f.mapping(id).PDEName; *got != "second" {
		t.Errorf("pde_name: got %s, want second", *got)
	}
}

func TestAcceptSuggestion_SetsTheSuggestedValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	f.classified(id)
	refused(t, f.act("tina", api.Tester, id, "accept-suggestion", "", `"1"`), http.StatusConflict, "nothing-suggested")
	f.Exec(`update pde_mappings set mapping_confirmed_by_user = true, source_field = null, data_source_id = null,
		suggested_source_field = ?, suggested_information_security_classification = 'HRCI', suggested_pii_flag = true,
		review_status = 'approved', reviewed_by = 'mia', reviewed_at = now()`, column)
	refused(t, f.act("tina", api.Tester, id, "accept-suggestion", ""), http.StatusPreconditionRequired,
		"version-required")
	a := f.act("tina", api.Tester, id, "accept-suggestion", `{"comment": "agreed"}`, `"1"`)
	got := must[api.DecidedMapping](t, a, http.StatusOK)
	if *got.SourceField != column || *got.InformationSecurityClassification != schema.TierHRCI || !*got.PIIFlag ||
		got.SuggestedSourceField != nil || got.SuggestedInformationSecurityClassification != nil ||
		got.SuggestedPIIFlag != nil || !got.MappingConfirmedByUser || *got.ClassifiedBy != "tina" {
		t.Errorf("mapping: got %+v, want the accepted suggestions", got)
	}
	if !got.ReviewReset || got.ReviewStatus != schema.ReviewStatusPending || got.ReviewedBy != nil ||
		got.Message != "The mapping is changed. mia had set it to approved; its review is pending again." {
		t.Errorf("review: got %s, %q, want pending, and a message that names mia", got.ReviewStatus, got.Message)
	}
}

func TestUndo_RestoresTheMappingFromBeforeTheOwnEdit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	f.classified(id)
	f.Exec(
		"update pde_mappings set review_status = 'approved', reviewed_by = 'mia', reviewed_at = '2026-11-01T10:00:00Z'",
	)
	before := f.mapping(id)
	refused(t, f.act("tina", api.Tester, id, "undo", ""), http.StatusConflict, "nothing-to-undo")
	must[api.DecidedMapping](t, f.edit("tina", id, `"1"`, `{"source_field": "", "criticality": "Low"}`), http.StatusOK)
	refused(t, f.act("tom", api.Manager, id, "undo", ""), http.StatusConflict, "nothing-to-undo")

	got := must[api.DecidedMapping](t, f.act("tina", api.Tester, id, "undo", `{"comment": "a mistake"}`), http.StatusOK)
	want := before
	want.Version, want.UpdatedAt, want.UpdatedBy = 3, got.UpdatedAt, "tina"
	if diff := cmp.Diff(want, got.Mapping); diff != "" {
		t.Errorf("mapping after undo (-want +got):\n%s", diff)
	}
	if h := f.history(id); len(h) != 2 || *h[0].Comment != "a mistake" || *h[0].After.ReviewedBy != "mia" {
		t.Errorf("history: got %+v, want two entries, the newest with both reviews", h)
	}
	refused(t, f.act("tina", api.Tester, id, "undo", ""), http.StatusConflict, "nothing-to-undo")

	must[api.DecidedMapping](t, f.edit("tina", id, `"3"`, `{"criticality": "Low"}`), http.StatusOK)
	f.Exec("update pde_mappings set version = version + 1") // a job has written the mapping
	refused(t, f.act("tina", api.Tester, id, "undo", ""), http.StatusConflict, "nothing-to-undo")
}

func TestEditMapping_AcceptsAnyVersionWithAStar(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	for version := int64(2); version < 4; version++ {
		body := `{"pde_name": "` + strconv.FormatInt(version, 10) + `"}`
		got := must[api.DecidedMapping](t, f.edit("tina", id, "*", body), http.StatusOK)
		if got.Version != version {
			t.Errorf("version: got %d, want %d", got.Version, version)
		}
	}
}

// These requests name no column, so a problem with one must not name a field of the body.
func TestAcceptSuggestionAndUndo_NameNoFieldOfTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	must[api.DecidedMapping](t, f.edit("tina", id, `"1"`, `{"source_field": "`+column+`"}`), http.StatusOK)
	must[api.DecidedMapping](t, f.edit("tina", id, `"2"`, `{"source_field": ""}`), http.StatusOK)
	f.Exec("update pde_mappings set suggested_source_field = ?", column)
	f.Exec("delete from source_columns")
	for action, kind := range map[string]string{"accept-suggestion": "nothing-suggested", "undo": "nothing-to-undo"} {
		p := refused(t, f.act("tina", api.Tester, id, action, "", "*"), http.StatusConflict, kind)
		if len(p.Errors) != 0 || !strings.Contains(p.Detail, "column") {
			t.Errorf("%s: got %+v, want the column in the detail only", action, p)
		}
	}
}

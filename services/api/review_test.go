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

func (f *fixture) bulk(user, body string) answer {
	f.T.Helper()
	return f.do(call{
		method: http.MethodPost, path: reportURL("/pde-mappings/review"), body: body, role: api.Manager, user: user,
	})
}

func TestReviewMapping_RecordsTheDecision(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	f.classified(id)
	got := must[api.DecidedMapping](t, f.act("mia", api.Manager, id, "review",
		`{"decision": "needs_revision", "comment": "which limit?"}`, `"1"`), http.StatusOK)
	if got.ReviewStatus != schema.ReviewStatusNeedsRevision || *got.ReviewedBy != "mia" || got.ReviewedAt == nil ||
		!got.ReviewedAt.Equal(got.UpdatedAt) || got.Version != 2 || got.MappingConfirmedByUser ||
		got.Message != "The mapping is needs_revision." {
		t.Errorf("reviewed: got %+v, want needs_revision by mia, version 2", got)
	}
	entry := f.history(id)[0]
	if *entry.Comment != "which limit?" || entry.Before.ReviewStatus != "pending" ||
		entry.After.ReviewStatus != "needs_revision" || *entry.After.ReviewedBy != "mia" {
		t.Errorf("history: got %+v, want the change from pending to needs_revision", entry)
	}
	refused(t, f.act("mia", api.Manager, id, "review", `{"decision": "approved"}`, `"1"`),
		http.StatusPreconditionFailed, "version-changed")
	for _, body := range []string{`{"decision": "pending"}`, `{}`, `{"decision": "approved", "note": "x"}`} {
		refused(t, f.act("mia", api.Manager, id, "review", body), http.StatusUnprocessableEntity, "invalid")
	}
	refused(
		t,
		f.act("mia", api.Manager, "none", "review", `{"decision": "approved"}`),
		http.StatusNotFound,
		"not-found",
	)

	// The same decision again records only a comment.
	again := must[api.DecidedMapping](t, f.act("mona", api.Manager, id, "review", `{"decision": "needs_revision"}`),
		http.StatusOK)
	if again.Version != 2 || *again.ReviewedBy != "mia" {
		t.Errorf("same decision: got version %d by %s, want version 2 by mia", again.Version, *again.ReviewedBy)
	}
	// The reviewer undoes it, with the role that it needs.
	refused(t, f.act("mia", api.Tester, id, "undo", ""), http.StatusForbidden, "role-too-low")
	undone := must[api.DecidedMapping](t, f.act("mia", api.Manager, id, "undo", ""), http.StatusOK)
	if undone.ReviewStatus != schema.ReviewStatusPending || undone.ReviewedBy != nil || !undone.ReviewReset {
		t.Errorf("undone: got %+v, want pending without a reviewer", undone)
	}
}

func TestReviewMapping_RefusesTheOwnEdit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	f.classified(id)
	approve := func(user string) answer {
		return f.act(user, api.Manager, id, "review", `{"decision": "approved"}`)
	}
	must[api.DecidedMapping](t, f.edit("mia", id, `"1"`, `{"pde_name": "one"}`), http.StatusOK)
	refused(t, approve("mia"), http.StatusForbidden, "own-edit")
	must[api.DecidedMapping](t, f.edit("olga", id, `"2"`, `{"pde_name": "two"}`), http.StatusOK)
	refused(t, approve("olga"), http.StatusForbidden, "own-edit")
	// Olga's edit is undone, so the mapping has the values of Mia again.
	must[api.DecidedMapping](t, f.act("olga", api.Tester, id, "undo", ""), http.StatusOK)
	refused(t, approve("mia"), http.StatusForbidden, "own-edit")
	must[api.DecidedMapping](t, approve("olga"), http.StatusOK)
	// A review is no edit, and an edit of an approved mapping returns it to pending.
	must[api.DecidedMapping](t, f.act("mona", api.Manager, id, "review", `{"decision": "rejected"}`), http.StatusOK)
	must[api.DecidedMapping](t, approve("mona"), http.StatusOK)
	edited := must[api.DecidedMapping](t, f.edit("tina", id, `"7"`, `{"pde_name": "three"}`), http.StatusOK)
	if !edited.ReviewReset || edited.Message !=
		"The mapping is changed. mona had set it to approved; its review is pending again." {
		t.Errorf("edit of an approved mapping: got %t, %q, want a reset review and a message that names mona",
			edited.ReviewReset, edited.Message)
	}
}

func TestReviewMapping_CountsAnImportAsAnEdit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	f.importReport(schema.ReportData{CycleID: cycle, ReportID: report, Author: "mia", Mappings: slices.Values(
		[]schema.MappingRow{{Line: 2, LineItemNumber: "0", DataSource: "cards", SourceField: column}})})
	refused(
		t,
		f.act("mia", api.Manager, ids[0], "review", `{"decision": "approved"}`),
		http.StatusForbidden,
		"own-edit",
	)
	must[api.DecidedMapping](t, f.act("mia", api.Manager, ids[1], "review", `{"decision": "approved"}`), http.StatusOK)
}

func TestReviewMappings_ByIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(4)
	f.classified(ids...)
	must[api.DecidedMapping](t, f.edit("mia", ids[1], `"1"`, `{"pde_name": "own"}`), http.StatusOK)
	must[api.DecidedMapping](t, f.act("mona", api.Manager, ids[2], "review", `{"decision": "approved"}`), http.StatusOK)
	list := `"` + strings.Join(ids, `", "`) + `", "` + ids[0] + `"`
	before := f.Count("select count(*) from classification_history")

	dry := must[api.Reviewed](t, f.bulk("mia", `{"decision": "approved", "dry_run": true, "ids": [`+list+`]}`),
		http.StatusOK)
	want := api.Reviewed{Decision: "approved", Matched: 4, Decided: 2, Unchanged: 1, OwnEdits: 1, Message: "2 of 4 " +
		"mappings would get the decision approved. 1 already had it. You edited 1 of them last: the request would be " +
		"refused, unless skip_own_edits leaves them out."}
	if dry != want {
		t.Errorf("dry run: got %+v, want %+v", dry, want)
	}
	dry = must[api.Reviewed](t, f.bulk("mia", `{"decision": "approved", "dry_run": true, "skip_own_edits": true,
		"ids": [`+list+`]}`), http.StatusOK)
	if want := "1 would be left out, because you edited them last."; !strings.HasSuffix(dry.Message, want) {
		t.Errorf("dry run with skip_own_edits: got %q, want %q at the end", dry.Message, want)
	}
	p := refused(t, f.bulk("mia", `{"decision": "approved", "ids": [`+list+`]}`), http.StatusForbidden, "own-edit")
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.ids[1]" {
		t.Errorf("own edits: got %+v, want one of the second id", p.Errors)
	}
	if after := f.Count("select count(*) from classification_history"); after != before {
		t.Errorf("changes of a dry run and a refused review: got %d, want none", after-before)
	}
	done := must[api.Reviewed](t, f.bulk("mia",
		`{"decision": "approved", "comment": "all", "skip_own_edits": true, "ids": [`+list+`]}`), http.StatusOK)
	if done.Decided != 3 || done.OwnEdits != 1 {
		t.Errorf("review: got %+v, want 3 decided, because the comment is recorded, and 1 own edit", done)
	}
	if f.mapping(ids[1]).ReviewStatus != schema.ReviewStatusPending || *f.mapping(ids[3]).ReviewedBy != "mia" {
		t.Error("the review of the own edit, or that of another mapping, is wrong")
	}
	p = refused(t, f.bulk("mia", `{"decision": "approved", "ids": ["`+ids[0]+`", "none"]}`),
		http.StatusUnprocessableEntity, "invalid")
	if p.Errors[0].Location != "body.ids[1]" {
		t.Errorf("unknown id: got %+v, want one of the second id", p.Errors)
	}
}

func TestReviewMappings_ByFilter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(5)
	f.classified(ids[:3]...)
	filter := `"filter": {"review_status": "pending", "unmapped": false, "min_confidence": 90}`
	dry := must[api.Reviewed](t, f.bulk("mia", `{"decision": "rejected", "dry_run": true, `+filter+`}`), http.StatusOK)
	if dry.Matched != 3 || dry.Decided != 3 {
		t.Errorf("dry run: got %+v, want 3 of 3", dry)
	}
	f.Exec("update pde_mappings set confidence_score = 89 where id = ?", ids[0])
	p := refused(t, f.bulk("mia", `{"decision": "rejected", "expected": 3, `+filter+`}`), http.StatusConflict,
		"count-changed")
	if p.Errors[0].Message != "must be 2, the number of mappings that pass the filter" {
		t.Errorf("changed count: got %+v, want a count of 2", p.Errors)
	}
	done := must[api.Reviewed](t, f.bulk("mia", `{"decision": "rejected", "expected": 2, `+filter+`}`), http.StatusOK)
	if done.Decided != 2 || f.Count("select count(*) from pde_mappings where review_status = 'rejected'") != 2 {
		t.Errorf("review: got %+v, want two rejected mappings", done)
	}
	if n := f.Count("select count(*) from classification_history where action = 'reviewed' and not published"); n != 2 {
		t.Errorf("changes to publish: got %d, want 2", n)
	}
	refused(t, f.bulk("mia", `{"decision": "rejected", "expected": 0, `+filter+`}`), http.StatusConflict,
		"nothing-matches")
	for location, body := range map[string]string{
		"body.expected": `{"decision": "approved", "filter": {}}`,
		"body":          fmt.Sprintf(`{"decision": "approved", "filter": {}, "expected": 1, "ids": [%q]}`, ids[0]),
		"body.filter.min_confidence": `{"decision": "approved", "expected": 1,
			"filter": {"min_confidence": 2, "max_confidence": 1}}`,
		"body.filter.tier": `{"decision": "approved", "expected": 1, "filter": {"tier": "HRCI"}}`,
	} {
		p := refused(t, f.bulk("mia", body), http.StatusUnprocessableEntity, "invalid")
		if p.Errors[0].Location != location {
			t.Errorf("%s: got %+v, want %s", body, p.Errors, location)
		}
	}
}

// A dry run counts while another transaction holds the report and its mappings.
func TestReviewMappings_ADryRunLocksNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	tx, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was changed
	for _, table := range []string{"reports", "pde_mappings"} {
		if _, err := tx.ExecContext(t.Context(), "select from "+table+" for update"); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{`"filter": {}`, `"ids": ["` + strings.Join(ids, `", "`) + `"]`} {
		dry := must[api.Reviewed](t, f.bulk("mia", `{"decision": "approved", "dry_run": true, `+body+`}`),
			http.StatusOK)
		if dry.Decided != 2 {
			t.Errorf("%s: got %+v, want 2 decided", body, dry)
		}
	}
}

func TestReviewMappings_RefusesAFilterThatMatchesTooMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	f.Exec(`insert into attributes (id, cycle_id, report_id, identity, attribute_name,
			created_at, created_by, updated_at, updated_by)
		select 'a' || n, ?, ?, 'a' || n, 'Copy', now(), 'test', now(), 'test' from generate_series(1, 20000) n`,
		cycle, report)
	f.Exec(`insert into pde_mappings
			(id, cycle_id, report_id, attribute_id, created_at, created_by, updated_at, updated_by)
		select 'm' || a.id, cycle_id, report_id, a.id, now(), 'test', now(), 'test' from attributes a
		where a.identity like 'a%'`)
	const filter = `"filter": {"review_status": "pending"}`
	dry := must[api.Reviewed](t, f.bulk("mia", `{"decision": "approved", "dry_run": true, `+filter+`}`), http.StatusOK)
	if dry.Matched != 20_001 || dry.Decided != 0 || !strings.Contains(dry.Message, "at most 20000") {
		t.Errorf("dry run: got %+v, want 20001 matched and the limit", dry)
	}
	p := refused(t, f.bulk("mia", `{"decision": "approved", "expected": 20001, `+filter+`}`),
		http.StatusUnprocessableEntity, "invalid")
	if p.Errors[0].Location != "body.filter" || !strings.Contains(p.Detail, "20001") {
		t.Errorf("got %+v, want the limit of body.filter", p)
	}
	refused(t, f.bulk("mia", `{"decision": "approved", "expected": 7, `+filter+`}`), http.StatusConflict,
		"count-changed")
	if n := f.Count("select count(*) from pde_mappings where review_status <> 'pending'"); n != 0 {
		t.Errorf("decided mappings: got %d, want none", n)
	}
}

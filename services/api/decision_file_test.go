package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// importFile sends a file of decisions.
func (f *fixture) importFile(user string, role api.Role, query, name, content string) answer {
	f.T.Helper()
	contentType, body := form(f.T, piece{"file", name, content})
	return f.do(call{
		method: http.MethodPost, path: reportURL("/pde-mappings/import-decisions" + query), body: body, role: role,
		user: user, header: map[string]string{"Content-Type": contentType},
	})
}

// edited returns a workbook after an edit of the column with this name.
func edited(t *testing.T, workbook, column string, edit func(book *excelize.File, letter string) error) string {
	t.Helper()
	book, err := excelize.OpenReader(strings.NewReader(workbook))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	rows, err := book.GetRows("Mappings")
	if err != nil {
		t.Fatal(err)
	}
	letter, err := excelize.ColumnNumberToName(slices.Index(rows[0], column) + 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := edit(book, letter); err != nil {
		t.Fatal(err)
	}
	var to bytes.Buffer
	if err := book.Write(&to); err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// filledIn returns a workbook with other values in some cells, by line and column name.
func filledIn(t *testing.T, workbook string, cells map[int]map[string]any) string {
	t.Helper()
	book, err := excelize.OpenReader(strings.NewReader(workbook))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	rows, err := book.GetRows("Mappings")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range rows[0] {
		for line, values := range cells {
			if value, given := values[name]; given {
				cell, err := excelize.CoordinatesToCellName(i+1, line)
				if err != nil {
					t.Fatal(err)
				}
				if err := book.SetCellValue("Mappings", cell, value); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var to bytes.Buffer
	if err := book.Write(&to); err != nil {
		t.Fatal(err)
	}
	return to.String()
}

func TestImportDecisions_AppliesAWorkbookThatWasFilledIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(5)
	f.classified(ids...)
	f.Exec("update pde_mappings set pde_description = '=1+1', business_owner = '''-x', " +
		"transformation_rule = e'a\r\nb', alternative_mappings = '[{\"source_field\": \"a.b.c\", \"score\": 1, " +
		"\"reason\": \"=x\"}]'")
	original := f.export("xlsx", "").body
	counts := func(a answer) [4]int64 {
		done := must[api.ImportedDecisions](t, a, http.StatusOK)
		return [4]int64{done.Edited, done.Decided, done.Unchanged, done.Refused}
	}
	for name, content := range map[string]string{
		"a.xlsx": original, "b.csv": f.export("csv", "").body, "c.xlsx": filledIn(t, original, nil),
	} {
		if got := counts(f.importFile("mia", api.Tester, "", name, content)); got != [4]int64{0, 0, 5, 0} {
			t.Errorf("%s as it was: got %v, want 5 unchanged", name, got)
		}
	}

	decided := filledIn(t, original, map[int]map[string]any{
		2: {"information_security_classification": "HRCI", "pii_flag": true, "comment": "a name"},
		3: {"decision": "approved"},
		4: {"decision": "rejected", "comment": "the wrong column"},
		5: {"business_owner": "+Ana", "source_field": ""},
	})
	refused(t, f.importFile("tina", api.Tester, "", "a.xlsx", decided), http.StatusForbidden, "role-too-low")
	if got := counts(f.importFile("mia", api.Manager, "?dry_run=true", "a.xlsx", decided)); got !=
		[4]int64{2, 2, 1, 0} || f.mapping(ids[0]).Version != 1 {
		t.Errorf("dry run: got %v, and version %d, want [2 2 1 0] and version 1", got, f.mapping(ids[0]).Version)
	}
	if got := counts(f.importFile("mia", api.Manager, "", "a.xlsx", decided)); got != [4]int64{2, 2, 1, 0} {
		t.Errorf("import: got %v, want 2 edited, 2 decided, 1 unchanged", got)
	}
	first, second, third, fourth := f.mapping(ids[0]), f.mapping(ids[1]), f.mapping(ids[2]), f.mapping(ids[3])
	if *first.InformationSecurityClassification != schema.TierHRCI || !*first.PIIFlag ||
		!first.MappingConfirmedByUser ||
		*first.Criticality != schema.LevelHigh || *first.PDEDescription != "=1+1" || *first.BusinessOwner != "'-x" {
		t.Errorf("edited: got %+v, want the values of the file", first)
	}
	if second.ReviewStatus != schema.ReviewStatusApproved || *second.ReviewedBy != "mia" ||
		third.ReviewStatus != schema.ReviewStatusRejected {
		t.Errorf("decided: got %s and %s, want approved and rejected", second.ReviewStatus, third.ReviewStatus)
	}
	if *fourth.BusinessOwner != "+Ana" || fourth.SourceField != nil {
		t.Errorf("edited: got %+v, want the owner +Ana and no column", fourth)
	}
	for i, want := range []string{"a name", "", "the wrong column", ""} {
		entries := f.history(ids[i])
		if len(entries) != 1 || entries[0].ChangedBy != "mia" || (want != "" && *entries[0].Comment != want) {
			t.Errorf("history of mapping %d: got %+v, want one entry by mia with the comment of the file", i, entries)
		}
	}
	// The same file again is based on older versions; the unchanged row is no conflict.
	p := refused(t, f.importFile("mia", api.Manager, "", "a.xlsx", decided), http.StatusUnprocessableEntity,
		"decisions-refused")
	if len(p.Errors) != 4 || p.Errors[0].Cell != "Mappings!B2" || p.Errors[0].Column != "version" {
		t.Errorf("the same file again: got %+v, want four problems of the versions", p.Errors)
	}
	// Rows without an edit are unchanged in an old export.
	if got := counts(f.importFile("mia", api.Manager, "", "a.xlsx", original)); got != [4]int64{0, 0, 5, 0} {
		t.Errorf("the original again: got %v, want 5 unchanged", got)
	}
}

func TestImportDecisions_ListsConflictsByCell(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(6)
	f.classified(ids...)
	must[api.DecidedMapping](t, f.edit("mia", ids[0], `"1"`, `{"pde_name": "own"}`), http.StatusOK)
	original := f.export("xlsx", "").body
	wrong := filledIn(t, original, map[int]map[string]any{
		2: {"decision": "approved"},
		3: {"criticality": "Huge", "decision": "approved"},
		4: {"source_field": "core.accounts.acct_nr"},
		5: {"comment": "no decision"},
		6: {"risk_level": "Low", "decision": "approved"},
		7: {"decision": "approved"},
	})
	columns := []string{"decision", "criticality", "source_field", "comment", "decision"}
	p := refused(t, f.importFile("mia", api.Manager, "", "a.xlsx", wrong), http.StatusUnprocessableEntity,
		"decisions-refused")
	for i, want := range columns {
		if i >= len(p.Errors) || p.Errors[i].Column != want || !strings.HasPrefix(p.Errors[i].Cell, "Mappings!") {
			t.Fatalf("got errors %+v, want columns %v", p.Errors, columns)
		}
	}
	if !strings.Contains(p.Errors[2].Message, "core.accounts.acct_nbr") {
		t.Errorf("got %q, want the similar column", p.Errors[2].Message)
	}
	if got := f.mapping(ids[5]); got.Version != 1 {
		t.Errorf("got version %d after a refused import, want 1", got.Version)
	}
	done := must[api.ImportedDecisions](t, f.importFile("mia", api.Manager, "?only_clean=true", "a.xlsx", wrong),
		http.StatusOK)
	if done.Decided != 1 || done.Refused != 5 || len(done.Conflicts) != 5 ||
		f.mapping(ids[5]).ReviewStatus != schema.ReviewStatusApproved {
		t.Errorf("only_clean: got %+v, want one decision and five conflicts", done)
	}
}

func TestImportDecisions_ListsEveryBadCellOfARow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(4)
	f.classified(ids...)
	wrong := filledIn(t, f.export("xlsx", "").body, map[int]map[string]any{
		2: {
			"criticality": "Huge", "pii_flag": "perhaps", "pde_code": "3-Jan", "data_source_id": "none",
			"source_field": "no.such.column", "review_status": "approved", "decision": "approved",
		},
		3: {"decision": "accepted", "version": "new", "comment": strings.Repeat("x", 2001)},
		4: {"decision": "approved"},
	})
	p := refused(t, f.importFile("mia", api.Manager, "", "a.xlsx", wrong), http.StatusUnprocessableEntity,
		"decisions-refused")
	got := map[int][]string{}
	for _, e := range p.Errors {
		got[e.Line] = append(got[e.Line], e.Column)
	}
	want := map[int][]string{
		2: {
			"criticality", "pii_flag", "review_status", "decision", "pde_code", "data_source_id", "source_field",
		},
		3: {"version", "decision", "comment"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns with errors by line (-want +got):\n%s", diff)
	}
	done := must[api.ImportedDecisions](t, f.importFile("mia", api.Manager, "?only_clean=true", "a.xlsx", wrong),
		http.StatusOK)
	if done.Decided != 1 || done.Refused != 2 || done.Unchanged != 1 {
		t.Errorf("only_clean: got %+v, want 1 decided, 2 refused, 1 unchanged", done)
	}
}

func TestImportDecisions_AppliesManyPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2500) // three pages
	f.classified(ids...)
	var file strings.Builder
	file.WriteString("id,version,risk_level,decision,comment\n")
	for i, id := range slices.Backward(ids) { // the order of the file does not matter
		switch i % 3 {
		case 0:
			fmt.Fprintf(&file, "%s,1,Medium,approved,comment %d\n", id, i)
		case 1:
			fmt.Fprintf(&file, "%s,1,High,,edit %d\n", id, i)
		default:
			fmt.Fprintf(&file, "%s,1,Medium,,\n", id)
		}
	}
	content := file.String()
	stale := strings.Replace(content, ids[0]+",1,", ids[0]+",2,", 1)
	p := refused(t, f.importFile("mia", api.Manager, "", "a.csv", stale), http.StatusUnprocessableEntity,
		"decisions-refused")
	if len(p.Errors) != 1 || p.Errors[0].Line != len(ids)+1 {
		t.Errorf("got errors %+v, want the one of the last line", p.Errors)
	}
	if got := f.mapping(ids[2499]).Version; got != 1 {
		t.Errorf("got version %d after a refused import, want 1", got)
	}
	for _, c := range []struct {
		query                      string
		edited, decided, unchanged int64
	}{{"?dry_run=true", 833, 834, 833}, {"", 833, 834, 833}} {
		done := must[api.ImportedDecisions](t, f.importFile("mia", api.Manager, c.query, "a.csv", content),
			http.StatusOK)
		if done.Edited != c.edited || done.Decided != c.decided || done.Unchanged != c.unchanged || done.Refused != 0 {
			t.Errorf("%s: got %+v, want %d edited, %d decided and %d unchanged",
				c.query, done, c.edited, c.decided, c.unchanged)
		}
	}
	for i, want := range map[int]string{0: "comment 0", 1: "edit 1", 2499: "comment 2499"} {
		if entries := f.history(ids[i]); len(entries) != 1 || *entries[0].Comment != want {
			t.Errorf("history of mapping %d: got %+v, want the comment %q", i, entries, want)
		}
	}
}

// A file may be larger than those of other imports.
func TestImportDecisions_TakesALargeFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(17)
	f.classified(ids...)
	var file strings.Builder
	file.WriteString("id,version,decision,mapping_rationale\n")
	for _, id := range ids {
		fmt.Fprintf(&file, "%s,1,approved,%s\n", id, strings.Repeat("x", 2<<20))
	}
	done := must[api.ImportedDecisions](t, f.importFile("mia", api.Manager, "", "a.csv", file.String()), http.StatusOK)
	if done.Decided != 17 {
		t.Errorf("a file of %d MiB: got %+v, want 17 decided", file.Len()>>20, done)
	}
}

func TestImportDecisions_RefusesBothRowsOfAMapping(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	f.classified(ids...)
	file := fmt.Sprintf("id,version,decision\n%s,1,approved\n%s,1,rejected\n%s,1,approved\n", ids[0], ids[0], ids[1])
	done := must[api.ImportedDecisions](t, f.importFile("mia", api.Manager, "?only_clean=true", "a.csv", file),
		http.StatusOK)
	if done.Decided != 1 || done.Refused != 2 || f.mapping(ids[0]).Version != 1 {
		t.Errorf("got %+v, want that neither row of the first mapping is applied", done)
	}
}

func TestImportDecisions_RefusesOtherFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	original := f.export("xlsx", "").body
	merged := func(t *testing.T) string {
		t.Helper()
		return edited(t, filledIn(t, original, map[int]map[string]any{2: {"business_owner": "one for both"}}),
			"business_owner", func(book *excelize.File, letter string) error {
				return book.MergeCell("Mappings", letter+"2", letter+"3")
			})
	}
	formula := func(t *testing.T) string {
		t.Helper()
		return edited(t, original, "data_steward", func(book *excelize.File, letter string) error {
			return book.SetCellFormula("Mappings", letter+"2", "A2")
		})
	}
	const elsewhere = "/api/v1/planning/cycles/2026-Q4/reports/" + report
	f.Exec("insert into reports select (jsonb_populate_record(r, '{\"cycle_id\": \"2026-Q4\"}')).* from reports r")
	for _, c := range []struct{ name, content, kind, want string }{
		{"a.csv", "version,decision\n1,approved\n", "invalid", "id"},
		{"a.csv", "id,version,decision,colour\n" + ids[0] + ",1,approved,red\n", "invalid", "no such column"},
		{"a.csv", "id,version,decision\n" + ids[0] + ",1,approve\n", "decisions-refused", "must be approved"},
		{"a.csv", "id,version\n" + ids[0] + ",1\n" + ids[0] + ",1\n", "decisions-refused", "already"},
		{"a.csv", "id,version\n" + ids[0] + ",x\n", "decisions-refused", "must be the version"},
		{"a.xlsx", formula(t), "decisions-refused", "2: data_steward: has a formula"},
		{"a.csv", "id,version,decision\nnone,1,approved\n", "decisions-refused", "has no mapping"},
		{"a.xlsx", merged(t), "decisions-refused", "is merged"},
	} {
		t.Run(fmt.Sprint(c.kind, " ", c.want), func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.importFile("mia", api.Manager, "", c.name, c.content),
				http.StatusUnprocessableEntity, c.kind)
			if !strings.Contains(p.Detail, c.want) {
				t.Errorf("got %q, want it to contain %q", p.Detail, c.want)
			}
		})
	}
	contentType, body := form(t, piece{"file", "a.xlsx", original})
	p := refused(t, f.do(call{
		method: http.MethodPost, path: elsewhere + "/pde-mappings/import-decisions", body: body, role: api.Manager,
		header: map[string]string{"Content-Type": contentType},
	}), http.StatusUnprocessableEntity, "other-report")
	if !strings.Contains(p.Detail, cycle) {
		t.Errorf("got %q, want the cycle of the export", p.Detail)
	}
}

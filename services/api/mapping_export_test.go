package api_test

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/services/api"
)

func (f *fixture) export(format, query string) answer {
	f.T.Helper()
	return f.get(reportURL("/pde-mappings/export?format=" + format + query))
}

func TestExportMappings_WritesEveryMappingOfManyPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(1201) // three pages
	f.classified(ids[0], ids[1200])
	f.Exec("update pde_mappings set pde_description = '=HYPERLINK(\"http://x\")', business_owner = '''@home', "+
		"data_steward = e'Müller, \"the\" \\nsecond' where id = ?", ids[0])
	first := f.mapping(ids[0])

	t.Run("json", func(t *testing.T) {
		f := f.in(t)
		a := f.export("json", "")
		got := must[api.MappingExport](t, a, http.StatusOK)
		var exported []string
		for _, m := range got.Items {
			exported = append(exported, m.ID)
		}
		if !slices.Equal(exported, ids) || got.CycleID != cycle || got.ReportID != report {
			t.Errorf("got %d mappings of report %s in %s, want all mappings of the report",
				len(exported), got.ReportID, got.CycleID)
		}
		if diff := cmp.Diff(first, got.Items[0]); diff != "" {
			t.Errorf("the first mapping differs (-want +got):\n%s", diff)
		}
		const name = "attachment; filename=2026-Q3-FR_Y_14M_D1.json"
		if got := a.header.Get("Content-Disposition"); got != name {
			t.Errorf("got Content-Disposition %s, want %s", got, name)
		}
	})
	t.Run("csv", func(t *testing.T) {
		f := f.in(t)
		a := f.export("csv", "")
		rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if err != nil || a.status != http.StatusOK || len(rows) != len(ids)+1 {
			t.Fatalf("got status %d and %d rows: %v, want 200 and a row for each mapping", a.status, len(rows), err)
		}
		header, row := rows[0], rows[1]
		if header[0] != "id" || header[1] != "version" || !slices.Equal(header[len(header)-2:],
			[]string{"decision", "comment"}) {
			t.Errorf("got header %v, want id and version first, decision and comment last", header)
		}
		for name, want := range map[string]string{
			"id": first.ID, "version": "1", "attribute_name": "Attribute 0", "confidence_score": "90",
			"regulatory_flag": "true", "pii_flag": "false", "information_security_classification": "Confidential",
			"pde_description": `'=HYPERLINK("http://x")`, "business_owner": "''@home",
			"data_steward": "Müller, \"the\" \nsecond", "decision": "", "suggested_pii_flag": "",
			"alternative_mappings": "",
		} {
			if got := row[slices.Index(header, name)]; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	})
	t.Run("xlsx", func(t *testing.T) {
		f := f.in(t)
		book, err := excelize.OpenReader(strings.NewReader(f.export("xlsx", "").body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = book.Close() }()
		rows, err := book.GetRows("Mappings")
		if err != nil || len(rows) != len(ids)+1 {
			t.Fatalf("got %d rows: %v, want one for each mapping and the header", len(rows), err)
		}
		for name, want := range map[string]string{
			"id": first.ID, "version": "1", "regulatory_flag": "TRUE", "pde_description": `=HYPERLINK("http://x")`,
			"business_owner": "'@home", "information_security_classification": "Confidential",
		} {
			if got := rows[1][slices.Index(rows[0], name)]; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		about, err := book.GetRows("Columns")
		for _, row := range about[3:] {
			if len(row) < 4 || row[3] == "" {
				t.Errorf("the column %s is not explained", row[0])
			}
		}
		if lists, _ := book.GetDataValidations("Mappings"); err != nil || len(lists) != 8 {
			t.Errorf("got %d drop-down lists (%v), want one for each field with a few values", len(lists), err)
		}
	})
	t.Run("filter", func(t *testing.T) {
		f := f.in(t)
		got := must[api.MappingExport](t, f.export("json", "&unmapped=false&sort=-id"), http.StatusOK)
		if len(got.Items) != 2 || got.Items[0].ID != ids[1200] {
			t.Errorf("got %d mappings, want the two with a column, the last one first", len(got.Items))
		}
		none := must[api.MappingExport](t, f.export("json", "&q=nothing+has+this"), http.StatusOK)
		if len(none.Items) != 0 {
			t.Errorf("got %d mappings, want none", len(none.Items))
		}
	})
	t.Run("refused", func(t *testing.T) {
		f := f.in(t)
		refused(t, f.export("pdf", ""), http.StatusUnprocessableEntity, "invalid")
		refused(t, f.export("", ""), http.StatusUnprocessableEntity, "invalid")
		refused(t, f.get("/api/v1/planning/cycles/none/reports/none/pde-mappings/export?format=csv"),
			http.StatusNotFound, "report-not-found")
	})
}

package api_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"
	"github.com/xuri/excelize/v2"

	"github.com/pdeflow/pdeflow/services/api"
)

// piece is a part of a form; a file if it has a file name.
type piece struct{ name, file, content string }

// form returns a body with these parts, and its content type.
func form(t *testing.T, pieces ...piece) (contentType, body string) {
	t.Helper()
	var out bytes.Buffer
	to := multipart.NewWriter(&out)
	for _, p := range pieces {
		create := to.CreateFormField
		if p.file != "" {
			create = func(name string) (io.Writer, error) { return to.CreateFormFile(name, p.file) }
		}
		part, err := create(p.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(p.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return to.FormDataContentType(), out.String()
}

// upload imports the parts into the report of the tests.
func (f *fixture) upload(pieces ...piece) answer {
	f.T.Helper()
	return f.uploadTo(reportURL("/import"), pieces...)
}

func (f *fixture) uploadTo(path string, pieces ...piece) answer {
	f.T.Helper()
	contentType, body := form(f.T, pieces...)
	return f.do(call{
		method: http.MethodPost, path: path, body: body, role: api.Tester,
		header: map[string]string{"Content-Type": contentType},
	})
}

const (
	someAttributes = "attribute_name,line_item_number,description,is_cde\nBalance,1,Unpaid " +
		"principal,yes\nLimit,2,,no\nLimit,3,,\nRemark,,,\n"
	someColumns = "data_source,schema,table,column,data_type\n" +
		"Cards,CRD,ACCT,BAL_AMT,NUMBER\nCards,CRD,ACCT,LMT_AMT,NUMBER\nBureau,CRD,ACCT,LMT_AMT,\n"
	someMappings = "line_item_number,source_field,mapping_type,mapping_confirmed_by_user\n" +
		"1,CRD.ACCT.BAL_AMT,direct,true\n"
)

// planned returns all rows of the planning tables as text.
func (f *fixture) planned() []string {
	f.T.Helper()
	var all []string
	for _, table := range []string{
		"reports", "attributes", "data_sources", "source_columns", "pde_mappings", "classification_history",
	} {
		var rows []string
		if err := f.DB.NewRaw("select t::text from ? t order by "+
			"1", bun.Ident(table)).Scan(f.T.Context(), &rows); err != nil {
			f.T.Fatal(err)
		}
		all = append(append(all, fmt.Sprint(table, ": ", len(rows))), rows...)
	}
	return all
}

func TestAReportIsImportedAndRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)

	got := must[api.Imported](t, f.upload(
		piece{"name", "", "FR Y-14M Schedule D.1"}, piece{"attributes", "a.csv", someAttributes},
		piece{"columns", "c.csv", someColumns},
		piece{"mappings", "m.csv", someMappings},
	), http.StatusOK)

	want := api.Imported{
		CycleID: cycle, ReportID: report, Name: "FR Y-14M Schedule D.1", MappingCount: 4,
		Attributes:  api.Tally{Added: 4},
		DataSources: api.Tally{Added: 2}, Columns: api.Tally{Added: 3}, Mappings: api.MappingsTally{Added: 4},
		Gone: api.Gone{Attributes: api.GoneRows{Items: []api.GoneRow{}}, Columns: api.GoneRows{Items: []api.GoneRow{}}},
		Files: []api.ImportedFile{
			{Part: "attributes", File: "a.csv", Rows: 4, HeaderLine: 1},
			{Part: "columns", File: "c.csv", Rows: 3, HeaderLine: 1},
			{Part: "mappings", File: "m.csv", Rows: 1, HeaderLine: 1},
		},
		Changes: []api.ImportedChanges{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer differs (-want +got):\n%s", diff)
	}
	mappings := must[api.Page[api.Mapping]](t, f.get(reportURL("/pde-mappings")), http.StatusOK)
	if len(mappings.Items) != 4 || mappings.NextCursor != nil {
		t.Fatalf("mappings: got %d, want 4 on one page", len(mappings.Items))
	}
	first := mappings.Items[0]
	if first.AttributeName != "Balance" || *first.SourceField != "CRD.ACCT.BAL_AMT" || !first.MappingConfirmedByUser ||
		first.UpdatedBy != "tina" {
		t.Errorf("the first mapping: got %+v, want the confirmed one of the file", first)
	}
	if second := mappings.Items[1]; second.SourceField != nil || second.Version != 1 {
		t.Errorf("the second mapping: got %+v, want it unmapped", second)
	}
}

func TestASecondImportCountsChangesAndKeepsConfirmedMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	files := []piece{
		{"attributes", "a.csv", someAttributes},
		{"columns", "c.csv", someColumns},
		{"mappings", "m.csv", someMappings},
	}
	must[api.Imported](t, f.upload(files...), http.StatusOK)
	before := f.planned()

	again := must[api.Imported](t, f.upload(files...), http.StatusOK)
	if want := (api.Tally{Unchanged: 4}); again.Attributes != want ||
		again.Mappings != (api.MappingsTally{Unchanged: 1}) {
		t.Errorf("the same again: got %+v, want everything unchanged", again)
	}
	if diff := cmp.Diff(before, f.planned()); diff != "" {
		t.Errorf("the same again wrote something (-before +after):\n%s", diff)
	}

	other := must[api.Imported](t, f.upload(
		piece{"attributes", "a.csv", "attribute_name,line_item_number\nBalance of the month,1\n"},
		piece{
			"mappings", "m.csv",
			"line_item_number,data_source,source_field\n1,Cards,CRD.ACCT.LMT_AMT\n2,Cards,CRD.ACCT.LMT_AMT\n",
		},
	), http.StatusOK)
	if other.Attributes != (api.Tally{Updated: 1}) || other.Mappings != (api.MappingsTally{Updated: 1, Kept: 1}) ||
		other.Name != report {
		t.Errorf("got counts %+v, want one update of each and one mapping kept", other)
	}
	attributes := must[api.Page[api.Attribute]](t, f.get(reportURL("/attributes?limit=1")), http.StatusOK)
	if a := attributes.Items[0]; a.AttributeName != "Balance of the "+
		"month" || a.Description != "Unpaid principal" || !a.IsCDE {
		t.Errorf("attribute: got %+v, want another name and the other fields unchanged", a)
	}
	mappings := must[api.Page[api.Mapping]](t, f.get(reportURL("/pde-mappings?limit=1")), http.StatusOK)
	if m := mappings.Items[0]; *m.SourceField != "CRD.ACCT.BAL_AMT" || m.Version != 2 {
		t.Errorf("the confirmed mapping: got %+v, want the confirmed column and version 2", m)
	}
}

func TestAWorkbookIsImportedLikeTheSameCSV(t *testing.T) {
	t.Parallel()
	book := excelize.NewFile()
	for i, line := range strings.Split(strings.TrimSpace(someAttributes), "\n") {
		var cells []any
		for j, cell := range strings.Split(line, ",") {
			if j == 1 && i > 0 && cell != "" {
				cells = append(cells, float64(cell[0]-'0')) // numbers, as a spreadsheet has them
				continue
			}
			cells = append(cells, cell)
		}
		if err := book.SetSheetRow("Sheet1", fmt.Sprint("A", i+1), &cells); err != nil {
			t.Fatal(err)
		}
	}
	var workbook bytes.Buffer
	if err := book.Write(&workbook); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	must[api.Imported](t, f.upload(piece{"attributes", "a.csv", someAttributes}), http.StatusOK)

	got := must[api.Imported](t, f.upload(piece{"attributes", "a.xlsx", workbook.String()}), http.StatusOK)

	if got.Attributes != (api.Tally{Unchanged: 4}) {
		t.Errorf("counts of the workbook's attributes: got %+v, want all unchanged", got.Attributes)
	}
}

func TestBadFilesAreRefusedWithEveryProblemAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	must[api.Imported](
		t,
		f.upload(piece{"attributes", "a.csv", someAttributes}, piece{"columns", "c.csv", someColumns}),
		http.StatusOK,
	)
	before := f.planned()
	good := piece{"attributes", "new.csv", "attribute_name\nBrand new\n"}
	fits := piece{"columns", "new.csv", "data_source,schema,table,column\nNew,N,N,N\n"}
	for name, c := range map[string]struct {
		pieces []piece
		want   []string // file|line|column
	}{
		"empty":          {[]piece{{"attributes", "a.csv", ""}}, []string{"a.csv|0|"}},
		"empty, no name": {[]piece{good, {"columns", "", " "}}, []string{"columns|0|"}},
		"wrong header": {
			[]piece{good, {"columns", "c.csv", "data_source,schema,table,colum\nA,B,C,D\n"}},
			[]string{"c.csv|1|colum", "c.csv|1|column"},
		},
		"duplicate attribute": {
			[]piece{{"attributes", "a.csv", "attribute_name\nA\nB\nA\n"}}, []string{"a.csv|4|attribute_name"},
		},
		"not UTF-8": {
			[]piece{{"attributes", "a.csv", "attribute_name\nA\nCaf\xe9\n"}}, []string{"a.csv|3|attribute_name"},
		},
		"unknown data source": {
			[]piece{
				good, fits,
				{
					"mappings", "m.csv",
					"attribute_name,data_source,source_field\nBrand new,New,N.N.N\nRemark,Mainframe,N.N.N\n",
				},
			},
			[]string{"m.csv|3|data_source"},
		},
		"unknown column": {
			[]piece{good, {"mappings", "m.csv", "attribute_name,source_field\nRemark,CRD.ACCT.NOWHERE\n"}},
			[]string{"m.csv|2|source_field"},
		},
		"our own tables": {
			[]piece{good, {"mappings", "m.csv", "attribute_name,source_field\nRemark,public.pde_mappings.id\n"}},
			[]string{"m.csv|2|source_field"},
		},
		"unknown attribute": {
			[]piece{good, {"mappings", "m.csv", "attribute_name,pde_name\nNothing,x\n"}},
			[]string{"m.csv|2|attribute_name"},
		},
		"ambiguous attribute": {
			[]piece{good, {"mappings", "m.csv", "attribute_name,pde_name\nLimit,x\n"}},
			[]string{"m.csv|2|attribute_name"},
		},
		"no workbook": {[]piece{good, {"columns", `C:\files\c.xlsx`, "data_source\n"}}, []string{"c.xlsx|0|"}},
		"all three": {[]piece{
			{"mappings", "m.csv", "attribute_name,mapping_type\nRemark,magic\n"},
			{"columns", "c.csv", "data_source,schema,table,column\nA,B,C,\n"},
			{"attributes", "a.csv", "attribute_name,is_cde\nA,perhaps\nB,perhaps\n"},
		}, []string{"a.csv|2|is_cde", "a.csv|3|is_cde", "c.csv|2|column", "m.csv|2|mapping_type"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			problem := refused(t, f.upload(c.pieces...), http.StatusUnprocessableEntity, "invalid")
			var got []string
			for _, e := range problem.Errors {
				got = append(got, fmt.Sprintf("%s|%d|%s", e.File, e.Line, e.Column))
				if e.Reason == "" || e.Reason != e.Message || !strings.HasPrefix(e.Location, e.File) {
					t.Errorf("%s: error: got %+v, want a reason that is the message, and a location in the file",
						name, e)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: problems differ (-want +got):\n%s", name, diff)
			}
		})
	}
	if diff := cmp.Diff(before, f.planned()); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
}

func TestAnImportReportsAtMostAHundredErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bad := "attribute_name,is_cde\n" + strings.Repeat("123-45-6789,what\n", 90)
	a := f.upload(
		piece{"mappings", "m.csv", "attribute_name,mapping_type\n" + strings.Repeat("123-45-6789,what\n", 90)},
		piece{"attributes", "a.csv", bad},
	)
	problem := refused(t, a, http.StatusUnprocessableEntity, "invalid")
	if len(problem.Errors) != 100 || problem.Errors[99].File != "m.csv" || problem.Errors[99].Line != 11 {
		t.Errorf("got %d problems, the last of them %+v, want 100 up to line 11 of m.csv",
			len(problem.Errors), problem.Errors[len(problem.Errors)-1])
	}
	if problem.MoreErrors != 80 || !strings.Contains(problem.Detail, "there are 80 more") {
		t.Errorf("problems that are only counted: got %d (%s), want 80", problem.MoreErrors, problem.Detail)
	}
	if strings.Contains(a.body, "123-45") {
		t.Error("a cell is sent back")
	}
}

func TestBadFormsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := piece{"attributes", "a.csv", someAttributes}
	for name, pieces := range map[string][]piece{
		"nothing":      {},
		"only a name":  {{"name", "", "Cards"}},
		"not chosen":   {{"attributes", "", ""}, {"name", "", "Cards"}},
		"unknown part": {good, {"gold", "g.csv", "x"}},
		"twice":        {good, good},
		"long name":    {good, {"name", "", strings.Repeat("x", 201)}},
		"strange name": {good, {"name", "", "Cards\x07"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			if p := refused(t, f.upload(pieces...), http.StatusUnprocessableEntity, "invalid"); len(p.Errors) != 1 {
				t.Errorf("%s: problem: got %+v, want one", name, p)
			}
		})
	}
	contentType, body := form(t, good)
	send := func(contentType, body string) answer {
		return f.do(
			call{
				method: http.MethodPost,
				path:   reportURL("/import"),
				body:   body,
				role:   api.Tester,
				header: map[string]string{"Content-Type": contentType},
			},
		)
	}
	refused(t, send("application/json", "{}"), http.StatusUnsupportedMediaType, "unknown-content-type")
	refused(t, send("multipart/form-data", body), http.StatusUnsupportedMediaType, "unknown-content-type")
	refused(t, send(contentType+"x", body), http.StatusBadRequest, "malformed")
	for _, key := range []string{"%20x", "a%2Fb", strings.Repeat("x", 101), "%07", "%2e%2e"} {
		refused(
			t,
			f.uploadTo("/api/v1/planning/cycles/"+key+"/reports/r/import", good),
			http.StatusUnprocessableEntity,
			"invalid",
		)
	}
	refused(
		t,
		f.do(
			call{
				method: http.MethodPost,
				path:   reportURL("/import"),
				body:   body,
				role:   api.Viewer,
				header: map[string]string{"Content-Type": contentType},
			},
		),
		http.StatusForbidden,
		"role-too-low",
	)
	if n := f.Count("select count(*) from reports"); n != 0 {
		t.Errorf("reports: got %d, want 0", n)
	}
}

func TestImport_TakesColumnsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct {
		name, content, source string
	}{
		{"core.sql", "create table crd.acct (bal numeric(14,2), -- owed\n opened date);", "core"},
		{"manifest.json", `{"nodes": {"model.a.b": {"resource_type": "model", "database": "dwh", "schema": "s",
			"name": "b", "columns": {"x": {"name": "x"}, "y": {"name": "y"}}}}}`, "dwh"},
		{"bank.yml", "models:\n- name: b\n  columns: [{name: x}, {name: y}]\n", "bank"},
		{"export.csv", "name*,entityType*,fullyQualifiedName\nx,column,om.d.s.t.x\ny,column,om.d.s.t.y\n", "om"},
	} {
		t.Run(c.name, func(t *testing.T) {
			done := must[api.Imported](t, f.upload(piece{"columns", c.name, c.content}), http.StatusOK)
			if done.Columns.Added != 2 || done.DataSources.Added != 1 || done.Files[0].Rows != 2 {
				t.Errorf("got %+v, want 2 columns of a new data source", done)
			}
			var name string
			err := f.DB.NewRaw("select name from data_sources order by id desc limit 1").Scan(t.Context(), &name)
			if err != nil || name != c.source {
				t.Errorf("got data source %q (%v), want %q", name, err, c.source)
			}
		})
	}
	p := refused(t, f.upload(piece{"columns", "core.sql", "create table crd.acct (\n bal not null);"}),
		http.StatusUnprocessableEntity, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].File != "core.sql" || p.Errors[0].Line != 2 ||
		p.Errors[0].Column != "acct.bal" {
		t.Errorf("got errors %+v, want one in line 2 of core.sql", p.Errors)
	}
}

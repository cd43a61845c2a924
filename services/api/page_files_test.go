package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// send sends a form with files as a browser does.
func (f *fixture) send(path string, role api.Role, pieces ...piece) answer {
	f.T.Helper()
	contentType, body := form(f.T, pieces...)
	return f.visitBody(http.MethodPost, path, strings.NewReader(body), role, map[string]string{
		"Content-Type": contentType,
	})
}

func TestDecisionsOnThePageAreCheckedFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	page := f.visit(http.MethodGet, pageURL("/files"), nil, api.Viewer, nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, "/export?format=xlsx") ||
		strings.Contains(page.body, `id="decisions"`) {
		t.Errorf("for a viewer: got %d, %s", page.status, page.body)
	}
	file := "id,version,data_steward,decision,comment\n" + ids[0] + ",1,Ada,,\n" + ids[1] + ",1,,approved,fine\n"
	const path = "/decisions"
	steward := func() int { return f.Count("select count(*) from pde_mappings where data_steward = 'Ada'") }

	a := f.send(pageURL(path), api.Tester, piece{"save", "", "yes"}, piece{"file", "d.csv", file})
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "needs the role manager") {
		t.Errorf("a decision by a tester: got %d, %s", a.status, a.body)
	}
	a = f.send(pageURL(path), api.Manager, piece{"save", "", "no"}, piece{"file", "d.csv", file})
	if a.status != http.StatusOK || !strings.Contains(a.body, "1 mappings would be edited and 1 decided") ||
		steward() != 0 {
		t.Errorf("a check: got %d with %d edits, %s", a.status, steward(), a.body)
	}
	wrong := strings.Replace(file, "approved", "perhaps", 1)
	a = f.send(pageURL(path), api.Manager, piece{"save", "", "yes"}, piece{"file", "d.csv", wrong})
	for _, want := range []string{"Nothing has been saved.", "d.csv", "<code>decision</code>", `line </span>3`} {
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, want) || steward() != 0 {
			t.Errorf("a wrong decision: got %d with %d edits, want %s in %s", a.status, steward(), want, a.body)
		}
	}
	a = f.send(pageURL(path), api.Manager, piece{"save", "", "yes"}, piece{"clean", "", "yes"},
		piece{"file", "d.csv", wrong})
	if a.status != http.StatusOK || !strings.Contains(a.body, "<b>Saved.</b>") || steward() != 1 {
		t.Errorf("only clean rows: got %d with %d edits, %s", a.status, steward(), a.body)
	}
	a = f.send(pageURL(path), api.Tester, piece{"save", "", "yes"})
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "choose the file") {
		t.Errorf("without a file: got %d, %s", a.status, a.body)
	}
}

func TestAnEarlierCycleOnThePageIsCarriedOverAfterItsCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	f.classified(ids...)
	must[api.DecidedMapping](t, f.act("mia", api.Manager, ids[0], "review", `{"decision": "approved"}`), http.StatusOK)
	f.importNext(schema.Attribute{AttributeName: "Attribute 0", LineItemNumber: "0"},
		schema.Attribute{AttributeName: "New <one>", LineItemNumber: "7"})
	next := strings.Replace(pageURL(""), cycle, nextCycle, 1)
	if a := f.visit(http.MethodGet, next+"/files", nil, api.Tester, nil); !strings.Contains(a.body,
		"<option>"+cycle+"</option>") {
		t.Errorf("the page lacks the earlier cycle: %s", a.body)
	}
	form := url.Values{"from_cycle_id": {cycle}}
	asked := f.visit(http.MethodPost, next+"/carry-over", form, api.Tester, nil)
	for _, want := range []string{
		"Carry over 1 mapping from 2026-Q3?",
		"With the decisions of 2026-Q3: 1 mapping.", "Only in 2026-Q3: 1 mapping.",
	} {
		if asked.status != http.StatusOK || !strings.Contains(asked.body, want) {
			t.Errorf("the question: got %d, want %s in %s", asked.status, want, asked.body)
		}
	}
	done := f.visit(http.MethodPost, next+"/carry-over", hidden(asked.body), api.Tester, nil)
	if done.status != http.StatusSeeOther || done.header.Get("Location") != next {
		t.Errorf("carry-over: got %d to %s, %s", done.status, done.header.Get("Location"), done.body)
	}
	if n := f.Count("select count(*) from pde_mappings where carried_from is not null"); n != 1 {
		t.Errorf("got %d carried mappings, want 1", n)
	}
	compared := f.visit(http.MethodGet, next+"/compare?with="+cycle, nil, api.Viewer, nil)
	for _, want := range []string{"Added", "New &lt;one&gt;", "Dropped", "Attribute 1"} {
		if compared.status != http.StatusOK || !strings.Contains(compared.body, want) {
			t.Errorf("the comparison: got %d, want %s in %s", compared.status, want, compared.body)
		}
	}
	if a := f.visit(http.MethodGet, next+"/compare?with=1999", nil, api.Viewer, nil); a.status != http.StatusNotFound {
		t.Errorf("an unknown cycle: got %d, want 404", a.status)
	}
}

func TestASlowImportOnThePageTakesNoSlot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 3 {
		conn := f.line()
		a := exchange(t, conn, "POST /import HTTP/1.1\r\nHost: x\r\nCookie: pdeflow_token="+
			f.token("tina", api.Tester)+"\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n"+
			"Expect: 100-continue\r\n\r\n")
		if a.status != http.StatusContinue { // the server has begun to read the body
			t.Fatalf("a slow import: got %d, want 100", a.status)
		}
	}
	if a := f.upload(piece{"attributes", "a.csv", someAttributes}); a.status != http.StatusOK {
		t.Errorf("an import during three slow ones: got %d %s, want 200", a.status, a.body)
	}
}

func TestAnImportOnThePageReadsADatabase(t *testing.T) {
	t.Parallel()
	f, _, at := liveFixture(t)
	pieces := func(save, at string) []piece {
		return []piece{
			{"cycle", "", cycle},
			{"report", "", "LIVE"},
			{"name", "", "Live"},
			{"save", "", save},
			{"attributes", "a.csv", someAttributes},
			{"source_url", "", at},
			{"source_name", "", "Loans"},
			{"source_ca", "", ""},
		}
	}
	checked := f.send("/import", api.Tester, pieces("no", at)...)
	if checked.status != http.StatusOK || !strings.Contains(checked.body, "<dt>Database</dt><dd>PostgreSQL") {
		t.Errorf("a check: got %d, %s", checked.status, checked.body)
	}
	if strings.Contains(checked.body, "postgres://reader") {
		t.Errorf("the page repeats the URL, which has a password: %s", checked.body)
	}
	wrong := f.send("/import", api.Tester, pieces("yes", "postgres://reader@%%")...)
	if wrong.status != http.StatusUnprocessableEntity || !strings.Contains(wrong.body, "source_url") {
		t.Errorf("a wrong URL: got %d, %s", wrong.status, wrong.body)
	}
	saved := f.send("/import", api.Tester, pieces("yes", at)...)
	if saved.status != http.StatusSeeOther {
		t.Errorf("an import: got %d, %s", saved.status, saved.body)
	}
	if n := f.Count("select count(*) from source_columns"); n == 0 {
		t.Error("got no columns of the database")
	}
}

func TestTheListOfReportsShowsWhatChangedSinceTheLastCycle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(3)
	f.importNext(schema.Attribute{AttributeName: "Attribute 0", LineItemNumber: "0"})
	page := f.visit(http.MethodGet, "/", nil, api.Viewer, nil)
	next := strings.Replace(pageURL(""), cycle, nextCycle, 1)
	want := `<a href="` + next + `/compare?with=` + cycle + `">since ` + cycle + `</a><span class="dim">: −2 lines, ` +
		`−2 without a column</span>`
	if page.status != http.StatusOK || !strings.Contains(page.body, want) ||
		strings.Contains(page.body, pageURL("/compare")) {
		t.Errorf("got %d, want %s in %s", page.status, want, page.body)
	}
}

package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

// hidden returns the fields of the form on a page that asks a question.
func hidden(page string) url.Values {
	fields := url.Values{}
	for _, field := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).
		FindAllStringSubmatch(page, -1) {
		fields.Add(field[1], field[2])
	}
	return fields
}

func TestADecisionAboutAllThatPassTheFilterIsAskedForWithItsCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(4)
	path := pageURL("/review")
	review := func(id string) {
		t.Helper()
		f.do(call{
			method: http.MethodPost, path: reportURL("/pde-mappings/" + id + "/review"), role: api.Manager,
			body: `{"decision": "needs_revision"}`,
		})
	}
	approved := func() int { return f.Count("select count(*) from pde_mappings where review_status = 'approved'") }
	form := url.Values{
		"decision": {"approved"}, "filter": {"yes"}, "review_status": {"pending"}, "expected": {"4"},
		"comment": {"All <fine>"}, "back": {pageURL("?review_status=pending")},
	}
	asked := f.visit(http.MethodPost, path, form, api.Manager, nil)
	for _, want := range []string{"Approve 4 mappings?", "Attribute 3", "All &lt;fine&gt;"} {
		if asked.status != http.StatusOK || !strings.Contains(asked.body, want) {
			t.Errorf("the question: got %d, want %s in %s", asked.status, want, asked.body)
		}
	}
	if strings.Contains(asked.body, "when the page was shown") || approved() != 0 {
		t.Errorf("the question: got %d approved and %s", approved(), asked.body)
	}

	review(ids[0])
	confirmed := hidden(asked.body)
	confirmed.Set("comment", "All fine")
	again := f.visit(http.MethodPost, path, confirmed, api.Manager, nil)
	for _, want := range []string{"Nothing was changed.", "The filter selects 3 mappings now", "Approve 3 mappings?"} {
		if again.status != http.StatusConflict || !strings.Contains(again.body, want) {
			t.Errorf("after a change: got %d, want 409 with %s in %s", again.status, want, again.body)
		}
	}
	if approved() != 0 {
		t.Errorf("after a change: got %d approved, want 0", approved())
	}

	done := f.visit(http.MethodPost, path, hidden(again.body), api.Manager, nil)
	if done.status != http.StatusSeeOther || done.header.Get("Location") != pageURL("?review_status=pending") {
		t.Errorf("the decision: got %d to %s", done.status, done.header.Get("Location"))
	}
	if approved() != 3 {
		t.Errorf("got %d approved, want 3", approved())
	}

	form.Set("review_status", "nothing")
	if a := f.visit(http.MethodPost, path, form, api.Manager, nil); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong filter: got %d, want 422", a.status)
	}
	if a := f.visit(http.MethodPost, path, url.Values{"decision": {"approved"}}, api.Manager, nil); a.status != 422 {
		t.Errorf("without a selection: got %d, want 422", a.status)
	}
}

func TestTheListRepeatsOnlyItsFilterForADecisionAboutAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	page := f.visit(http.MethodGet, pageURL("?review_status=pending&confirmed=yes&decision=rejected"), nil,
		api.Manager, nil)
	_, form, found := strings.Cut(page.body, `<form id="all"`)
	form, _, _ = strings.Cut(form, "</form>")
	fields := hidden(form)
	if !found || fields.Get("review_status") != "pending" || fields.Get("expected") != "2" || fields.Has("confirmed") ||
		fields.Has("decision") {
		t.Errorf("got the fields %v of %s", fields, form)
	}
	if !strings.Contains(page.body, "Approve 2…") {
		t.Error("the buttons lack the count")
	}
}

package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// pageURL returns the path of a page of the report of the tests.
func pageURL(path string) string { return "/cycles/" + cycle + "/reports/" + report + path }

// visit is a request of a browser, which does not follow redirects.
func (f *fixture) visit(method, path string, form url.Values, role api.Role, header map[string]string) answer {
	f.T.Helper()
	headers := map[string]string{}
	if form != nil {
		headers["Content-Type"] = "application/x-www-form-urlencoded"
	}
	maps.Copy(headers, header)
	return f.visitBody(method, path, strings.NewReader(form.Encode()), role, headers)
}

func (f *fixture) visitBody(
	method, path string, form io.Reader, role api.Role, header map[string]string,
) answer {
	f.T.Helper()
	ctx, cancel := context.WithTimeout(f.T.Context(), requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, f.url+path, form)
	if err != nil {
		f.T.Fatal(err)
	}
	if role != "" {
		r.AddCookie(&http.Cookie{Name: "pdeflow_token", Value: f.token("tina", role)})
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		f.T.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.T.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}

func TestEveryPageRequiresItsRole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mapping := f.imported(1)[0]
	job := f.finished()
	for route, needed := range map[string]api.Role{
		"GET /": api.Viewer, "GET " + pageURL(""): api.Viewer, "GET /jobs": api.Viewer, "GET /jobs/" + job: api.Viewer,
		"POST /jobs/" + job + "/pause": api.Tester, "POST /jobs/" + job + "/resume": api.Tester,
		"POST /jobs/" + job + "/cancel": api.Tester, "POST /jobs/" + job + "/retry": api.Tester,
		"POST " + pageURL("/mappings/"+mapping+"/review"): api.Manager,
		"POST " + pageURL("/mappings/"+mapping+"/undo"):   api.Tester,
		"POST " + pageURL("/review"):                      api.Manager,
		"GET " + pageURL("/mappings/"+mapping+"/edit"):    api.Tester,
		"POST " + pageURL("/mappings/"+mapping+"/edit"):   api.Tester,
		"POST " + pageURL("/mappings/"+mapping+"/accept"): api.Tester,
		"GET " + pageURL("/start/pde_regeneration"):       api.Tester,
		"GET /import": api.Tester, "POST /import": api.Tester,
		"GET " + pageURL("/files"): api.Viewer, "GET " + pageURL("/compare?with=x"): api.Viewer,
		"POST " + pageURL("/decisions"): api.Tester, "POST " + pageURL("/carry-over"): api.Tester,
		"GET " + pageURL("/lineage"): api.Viewer, "GET /audit": api.Viewer, "POST /audit/verify": api.Manager,
		"POST " + pageURL("/start/nothing"): api.Tester,
	} {
		t.Run(route, func(t *testing.T) {
			f := f.in(t)
			method, path, _ := strings.Cut(route, " ")
			var form url.Values
			if method == http.MethodPost {
				form = url.Values{}
			}
			a := f.visit(method, path, form, "", nil)
			if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/signin") {
				t.Errorf("without a token: got %d to %q, want 303 to /signin", a.status, a.header.Get("Location"))
			}
			for _, role := range api.Roles() {
				a := f.visit(method, path, form, role, nil)
				if may := a.status != http.StatusForbidden; may != role.Includes(needed) {
					t.Errorf("with the role %s: got %d", role, a.status)
				}
				policy, caching := a.header.Get("Content-Security-Policy"), a.header.Get("Cache-Control")
				if !strings.HasPrefix(policy, "default-src 'self';") || caching != "no-store" {
					t.Errorf("got Content-Security-Policy %q, Cache-Control %q", policy, caching)
				}
			}
		})
	}
}

func TestAFormOfAnotherSiteIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mapping := f.imported(1)[0]
	form := url.Values{"decision": {"approved"}, "token": {f.token("tina", api.Manager)}}
	for _, path := range []string{pageURL("/mappings/" + mapping + "/review"), "/signin", "/signout"} {
		for name, header := range map[string]map[string]string{
			"Sec-Fetch-Site": {"Sec-Fetch-Site": "cross-site"},
			"Origin":         {"Origin": "https://example.com"},
		} {
			if a := f.visit(http.MethodPost, path, form, api.Manager, header); a.status != http.StatusForbidden {
				t.Errorf("POST %s with %s: got %d, want 403", path, name, a.status)
			}
		}
	}
	if n := f.Count("select count(*) from pde_mappings where review_status <> 'pending'"); n != 0 {
		t.Errorf("got %d reviews", n)
	}
	if a := f.visit(http.MethodPost, pageURL("/mappings/"+mapping+"/review"), form, api.Manager,
		map[string]string{"Sec-Fetch-Site": "same-origin"}); a.status != http.StatusSeeOther {
		t.Errorf("a form of the page: got %d, want 303", a.status)
	}
}

func TestTheCookieIsAcceptedOnlyByRoutesThatRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	if a := f.visit(http.MethodGet, "/api/v1/jobs", nil, api.Manager, nil); a.status != http.StatusOK {
		t.Errorf("GET: got %d, want 200", a.status)
	}
	a := f.visit(http.MethodPost, reportURL("/pde-mappings/regenerate-all"), nil, api.Manager, nil)
	if a.status != http.StatusUnauthorized {
		t.Errorf("POST: got %d, want 401", a.status)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token("tina", api.Viewer)
	a := f.visit(http.MethodPost, "/signin", url.Values{"token": {token}, "next": {"/jobs"}}, "", nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/jobs" {
		t.Errorf("got %d to %q, want 303 to /jobs", a.status, a.header.Get("Location"))
	}
	cookie := a.header.Get("Set-Cookie")
	for _, want := range []string{"pdeflow_token=" + token, "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie lacks %s: %s", want, cookie)
		}
	}
	for _, next := range []string{"https://example.com/", "//example.com", `/\example.com`, "javascript:alert(1)"} {
		a := f.visit(http.MethodPost, "/signin", url.Values{"token": {token}, "next": {next}}, "", nil)
		if to := a.header.Get("Location"); to != "/" {
			t.Errorf("next %q: got %q, want /", next, to)
		}
	}
	a = f.visit(http.MethodPost, "/signin", url.Values{"token": {"nonsense"}}, "", nil)
	if a.status != http.StatusUnauthorized || !strings.Contains(a.body, "pdeflow token") ||
		a.header.Get("Set-Cookie") != "" {
		t.Errorf("a wrong token: got %d, %s", a.status, a.body)
	}
}

func TestAPageThatIsReadIgnoresABody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := errors.Join(form.WriteField("next", "/jobs"), form.Close()); err != nil {
		t.Fatal(err)
	}
	a := f.visitBody(http.MethodGet, "/signin", &body, "",
		map[string]string{"Content-Type": form.FormDataContentType()})
	if a.status != http.StatusOK || strings.Contains(a.body, `value="/jobs"`) {
		t.Errorf("got %d with a field of the body: %s", a.status, a.body)
	}
}

func TestAReviewOnThePageIsThatOfTheAPI(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(3)
	page := f.visit(http.MethodGet, pageURL(""), nil, api.Manager, nil)
	if page.status != http.StatusOK || strings.Count(page.body, `name="ids"`) != 3 {
		t.Fatalf("the page: got %d, %s", page.status, page.body)
	}
	back := pageURL("?sort=id")
	a := f.visit(http.MethodPost, pageURL("/mappings/"+ids[0]+"/review"), url.Values{
		"decision": {"approved"}, "comment": {"as in the handbook"}, "version": {"1"},
		"back": {back}, "after": {ids[1]},
	}, api.Manager, nil)
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if q := to.Query(); q.Get("m") != ids[1] || q.Get("done") != ids[0] || q.Get("sort") != "id" {
		t.Errorf("location: got %v", to)
	}
	m := must[api.Mapping](t, f.get(reportURL("/pde-mappings/"+ids[0])), http.StatusOK)
	if m.ReviewStatus != schema.ReviewStatusApproved || m.ReviewedBy == nil || *m.ReviewedBy != "tina" {
		t.Errorf("the mapping: got %+v", m)
	}
	// The version of the page is old now.
	a = f.visit(http.MethodPost, pageURL("/mappings/"+ids[0]+"/review"),
		url.Values{"decision": {"rejected"}, "version": {"1"}}, api.Manager, nil)
	if a.status != http.StatusPreconditionFailed || !strings.Contains(a.body, "version 2") {
		t.Errorf("an old version: got %d, %s", a.status, a.body)
	}
	a = f.visit(http.MethodPost, pageURL("/mappings/"+ids[0]+"/undo"), url.Values{}, api.Manager, nil)
	if m := must[api.Mapping](t, f.get(reportURL("/pde-mappings/"+ids[0])), http.StatusOK); a.status != 303 ||
		m.ReviewStatus != schema.ReviewStatusPending {
		t.Errorf("undo: got %d, %s", a.status, m.ReviewStatus)
	}
	// Several: first the question with the count, then the decision.
	form := url.Values{"ids": ids, "decision": {"approved"}}
	a = f.visit(http.MethodPost, pageURL("/review"), form, api.Manager, nil)
	if a.status != http.StatusOK || !strings.Contains(a.body, "Approve 3 mappings?") {
		t.Errorf("the question: got %d, %s", a.status, a.body)
	}
	form.Set("confirmed", "yes")
	a = f.visit(http.MethodPost, pageURL("/review"), form, api.Manager, nil)
	if n := f.Count("select count(*) from pde_mappings where review_status = 'approved'"); a.status != 303 || n != 3 {
		t.Errorf("the decision: got %d, %d approved", a.status, n)
	}
}

func TestAnEditOnThePageShowsWhatOthersHaveChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mapping := f.imported(1)[0]
	path := pageURL("/mappings/" + mapping + "/edit")
	if page := f.visit(http.MethodGet, path, nil, api.Tester, nil); page.status != http.StatusOK ||
		!strings.Contains(page.body, `name="was.criticality"`) {
		t.Fatalf("the form: got %d, %s", page.status, page.body)
	}
	edit := f.do(call{
		method: http.MethodPut, path: reportURL("/pde-mappings/" + mapping), role: api.Tester, user: "otto",
		body: `{"criticality": "High", "data_steward": "cards"}`, header: map[string]string{"If-Match": `"1"`},
	})
	if edit.status != http.StatusOK {
		t.Fatalf("the edit of another: got %d, %s", edit.status, edit.body)
	}
	form := url.Values{
		"version": {"1"}, "criticality": {"Low"}, "was.criticality": {""}, "business_owner": {"risk"},
		"was.business_owner": {""}, "data_steward": {""}, "was.data_steward": {""}, "comment": {"mine"},
	}
	a := f.visit(http.MethodPost, path, form, api.Tester, nil)
	if a.status != http.StatusPreconditionFailed {
		t.Fatalf("an edit of version 1: got %d, %s", a.status, a.body)
	}
	for _, want := range []string{
		"otto saved version 2", `<option value="Low" selected>`, `name="version" value="2"`, `value="risk"`, ">mine<",
		`name="was.data_steward" value="cards"`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the form after the conflict lacks %s: %s", want, a.body)
		}
	}
	// As the form has it now: the steward of the other person is kept.
	form.Set("version", "2")
	form.Set("was.criticality", "High")
	form.Set("data_steward", "cards")
	form.Set("was.data_steward", "cards")
	if a := f.visit(http.MethodPost, path, form, api.Tester, nil); a.status != http.StatusSeeOther {
		t.Fatalf("an edit of version 2: got %d, %s", a.status, a.body)
	}
	m := must[api.Mapping](t, f.get(reportURL("/pde-mappings/"+mapping)), http.StatusOK)
	if *m.Criticality != schema.LevelLow || *m.DataSteward != "cards" || *m.BusinessOwner != "risk" ||
		m.UpdatedBy != "tina" {
		t.Errorf("the mapping: got %s, %s, %s by %s", *m.Criticality, *m.DataSteward, *m.BusinessOwner, m.UpdatedBy)
	}
	// A column that no data source has is refused with the reason, and chosen by a form with nothing else.
	a = f.visit(http.MethodPost, path, url.Values{"version": {"3"}, "source_field": {"core.accounts.acct_nr"}},
		api.Tester, nil)
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "core.accounts.acct_nbr") {
		t.Errorf("an unknown column: got %d, %s", a.status, a.body)
	}
	a = f.visit(http.MethodPost, path, url.Values{"version": {"3"}, "source_field": {"core.accounts.acct_nbr"}},
		api.Tester, nil)
	if a.status != http.StatusSeeOther {
		t.Errorf("a column: got %d, %s", a.status, a.body)
	}
}

func TestAJobOnThePageIsStartedAfterItsCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(3)
	path := pageURL("/start/pde_regeneration")
	a := f.visit(http.MethodGet, path, nil, api.Tester, nil)
	if a.status != http.StatusOK || !strings.Contains(a.body, "Start, 3 mappings") {
		t.Errorf("the question: got %d, %s", a.status, a.body)
	}
	a = f.visit(http.MethodPost, path, url.Values{}, api.Tester, nil)
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/jobs/") {
		t.Errorf("the start: got %d to %s", a.status, a.header.Get("Location"))
	}
	a = f.visit(http.MethodPost, path, url.Values{}, api.Tester, nil)
	if a.status != http.StatusConflict {
		t.Errorf("a second job: got %d", a.status)
	}
}

func TestAnImportOnThePageIsCheckedFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	send := func(save, attributes string) answer {
		t.Helper()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for name, value := range map[string]string{"cycle": cycle, "report": report, "name": "Cards", "save": save} {
			if err := form.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
		part, err := form.CreateFormFile("attributes", "attributes.csv")
		if err == nil {
			_, err = io.WriteString(part, attributes)
		}
		if err := errors.Join(err, form.Close()); err != nil {
			t.Fatal(err)
		}
		return f.visitBody(http.MethodPost, "/import", &body, api.Tester,
			map[string]string{"Content-Type": form.FormDataContentType()})
	}
	reports := func() int { return f.Count("select count(*) from reports") }
	wrong := send("yes", "attribute_name,is_cde\nBalance,perhaps\n")
	if wrong.status != http.StatusUnprocessableEntity || !strings.Contains(wrong.body, "attributes.csv") ||
		!strings.Contains(wrong.body, "<code>is_cde</code>") || reports() != 0 {
		t.Errorf("a wrong file: got %d, %d reports, %s", wrong.status, reports(), wrong.body)
	}
	checked := send("no", "attribute_name\nBalance\nRate\n")
	if checked.status != http.StatusOK || !strings.Contains(checked.body, "2 new, 0 updated") || reports() != 0 {
		t.Errorf("a check: got %d, %d reports, %s", checked.status, reports(), checked.body)
	}
	saved := send("yes", "attribute_name\nBalance\nRate\n")
	if saved.status != http.StatusSeeOther || saved.header.Get("Location") != pageURL("") || reports() != 1 {
		t.Errorf("an import: got %d to %s", saved.status, saved.header.Get("Location"))
	}
}

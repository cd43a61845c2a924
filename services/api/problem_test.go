package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestABadRequestIsRefusedWithItsFieldAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(1)
	id := f.finished()
	regenerate, suggest := reportURL("/pde-mappings/regenerate-all"), reportURL("/pde-classifications/suggest-batch")
	tests := []struct {
		path, body string
		status     int
		kind       string
		// field is the location of the mistake; empty if it has none.
		field string
	}{
		{regenerate, `{"force": tr`, 400, "malformed", "body"},
		{regenerate, `{} {}`, 400, "malformed", "body"},
		{regenerate, `force=true`, 400, "malformed", "body"},
		{regenerate, `{"force": 1e999}`, 400, "malformed", "body"},
		{regenerate, `{"mapping_ids": ["a\u0000b"]}`, 400, "malformed", "body"},
		{regenerate, `[]`, 422, "invalid", "body"},
		{regenerate, `null`, 422, "invalid", "body"},
		{regenerate, `{"colour": "red"}`, 422, "invalid", "body.colour"},
		{regenerate, `{"force": "yes"}`, 422, "invalid", "body.force"},
		{regenerate, `{"classifier": "oracle"}`, 422, "invalid", "body.classifier"},
		{regenerate, `{"classifier": ""}`, 422, "invalid", "body.classifier"},
		{regenerate, `{"classifier": "llm"}`, 422, "invalid", "body.classifier"},
		{regenerate, `{"classifier": "hybrid", "dry_run": true}`, 422, "invalid", "body.classifier"},
		{regenerate, `{"max_cost_usd": 1}`, 422, "invalid", "body.max_cost_usd"},
		{regenerate, `{"mapping_ids": []}`, 422, "invalid", "body.mapping_ids"},
		{regenerate, `{"mapping_ids": "` + ids[0] + `"}`, 422, "invalid", "body.mapping_ids"},
		{regenerate, `{"mapping_ids": [7]}`, 422, "invalid", "body.mapping_ids[0]"},
		{regenerate, `{"mapping_ids": ["` + ids[0] + `", "078-05-1120"]}`, 422, "invalid", "body.mapping_ids[1]"},
		{regenerate, `{"pde_mapping_ids": ["` + ids[0] + `"]}`, 422, "invalid", "body.pde_mapping_ids"},
		{suggest, `{"pde_mapping_ids": ["078-05-1120"]}`, 422, "invalid", "body.pde_mapping_ids[0]"},
		{reportURL("/pde-mappings/auto-map"), `{"mapping_ids": ["x"]}`, 422, "invalid", "body.mapping_ids"},
		{jobURL(id, "/retry"), `{"error_code": "bad luck"}`, 422, "invalid", "body.error_code"},
		{jobURL(id, "/cancel"), `{"now": true}`, 422, "invalid", "body.now"},
		{jobURL(id, "/resume"), `{"max_cost_usd": "all of it"}`, 422, "invalid", "body.max_cost_usd"},
		{regenerate + "?force=true", ``, 422, "invalid", "query.force"},
		{regenerate + "/", ``, 404, "route-not-found", ""},
		{"/api/v1/planning/cycles//reports/x/pde-mappings/regenerate-all", ``, 422, "invalid", "path.cycle_id"},
		{"/api/v1/planning/cycles/a%00b/reports/x/pde-mappings/regenerate-all", ``, 400, "malformed", ""},
		{"/api/v1/planning/cycles/%ff/reports/x/pde-mappings/regenerate-all", ``, 400, "malformed", ""},
		{"/api/v1/planning/cycles/a%2Fb/reports/%27/pde-mappings/regenerate-all", ``, 404, "report-not-found", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.body, func(t *testing.T) {
			f := f.in(t)
			a := f.post(tt.path, tt.body)
			p := refused(t, a, tt.status, tt.kind)
			if p.Detail == "" {
				t.Error("the problem has no detail")
			}
			if tt.field != "" && (len(p.Errors) != 1 || p.Errors[0].Location != tt.field || p.Errors[0].Message == "") {
				t.Errorf("got errors %+v, want one at %s", p.Errors, tt.field)
			}
			for _, value := range []string{"red", "oracle", "078-05-1120", "bad luck", "all of it"} {
				t.Run(value, func(t *testing.T) {
					if strings.Contains(tt.body, value) && strings.Contains(a.body, value) {
						t.Errorf("got %s, want a response without the refused value", a.body)
					}
				})
			}
		})
	}
	if jobs, intents := f.Count("select count(*) from jobs"), f.Count("select count(*) from "+
		"job_intents"); jobs != 1 || intents != 1 {
		t.Errorf("jobs: got %d with %d intents, want one with one", jobs, intents)
	}
}

func TestAProblemHasTheRequirement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	fields := "the fields are classifier, dry_run, force, mapping_ids, max_cost_usd"
	for request, want := range map[string]string{
		"GET /api/v1/jobs?limit=many": "query.limit: must be a " +
			"whole number from 1 to 500",
		"GET /api/v1/jobs?limit=501": "query.limit: must be a " +
			"whole number from 1 to 500",
		"GET /api/v1/jobs?page=2": "query.page: there is no " +
			"such parameter; the parameters are limit, cursor, cycle_id, report_id, status, id_prefix",
		"GET /api/v1/jobs?status=lost": "query.status: must be " +
			"one of pending, running, paused, completed, failed, cancelled",
		"GET " + reportURL("/pde-mappings?unmapped=perhaps"): "query.unmapped: must be " +
			"true or false",
		"GET " + reportURL("/pde-mappings?q=") + strings.Repeat("x", 201): "query.q: must be a text " +
			"of at most 200 characters",
		"GET " + reportURL("/pde-mappings/") + id + "?limit=1": "query.limit: there is " +
			"no such parameter",
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"colour": 1}`: "body.colour: there is " +
			"no such field; " + fields,
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"a.b[1]": 1}`: "body.a.b[1]: there is " +
			"no such field; " + fields,
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` []`: "body: must be an object " +
			"with " + strings.Replace(fields, "the fields are", "the fields", 1),
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"force": "yes"}`: "body.force: must be " +
			"true or false",
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"classifier": 7}`: "body.classifier: must " +
			"be one of rules, llm, hybrid",
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"max_cost_usd": "much"}`: "body.max_cost_usd: must " +
			"be a number",
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"mapping_ids": []}`: "body.mapping_ids: must " +
			"be a list of 1 to 20000 items",
		"POST " + reportURL("/pde-mappings/regenerate-all") + ` {"mapping_ids": ["a", 7]}`: "body.mapping_ids[1]: " +
			"must be a text",
		"POST " + jobURL("x", "/cancel") + ` {"now": true}`: "body.now: there is no " +
			"such field",
		"POST " + reportURL("/attributes") + ` {}`: "body: needs the field " +
			"attribute_name",
	} {
		t.Run(request, func(t *testing.T) {
			f := f.in(t)
			method, rest, _ := strings.Cut(request, " ")
			path, body, _ := strings.Cut(rest, " ")
			p := refused(
				t,
				f.do(call{method: method, path: path, body: body, role: api.Tester}),
				http.StatusUnprocessableEntity,
				"invalid",
			)
			if p.Detail != want || len(p.Errors) == 0 || p.Errors[0].Location+": "+p.Errors[0].Message != want {
				t.Errorf("%s\ngot %q\nwant %q", request, p.Detail, want)
			}
		})
	}
}

func TestAnInvalidKeyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.finished()
	paths := []string{reportURL("/pde-mappings/regenerate-all"), jobURL(id, "/retry")}
	for name, key := range map[string]string{
		"long": strings.Repeat("k", 256), "not ascii": "schlüssel", "empty": "", "blank": " ",
		"twice": "a\r\nIdempotency-Key: b",
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			a := exchange(t, f.line(), "POST "+paths[len(key)%2]+" HTTP/1.1\r\nHost: x\r\nAuthorization: "+
				"Bearer "+f.token("tina", api.Tester)+
				"\r\nIdempotency-Key: "+key+"\r\n\r\n")
			p := refused(t, a, http.StatusUnprocessableEntity, "invalid")
			if len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" ||
				!strings.Contains(p.Errors[0].Message, "255 characters") {
				t.Errorf("%s: errors: got %v, want one of the header", name, p.Errors)
			}
		})
	}
}

func TestABodyWithAnotherContentTypeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	for _, kind := range []string{
		"text/csv", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/vnd.api+json",
		"json", "",
	} {
		t.Run(kind, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.do(call{
				method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), role: api.Tester, body: `{}`,
				header: map[string]string{"Content-Type": kind},
			}), http.StatusUnsupportedMediaType, "unknown-content-type")
			if !strings.Contains(p.Detail, "application/json") {
				t.Errorf("detail: got %s, want application/json", p.Detail)
			}
		})
	}
}

func TestAnUnknownRouteIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{
		"/metrics", "/docs/x", "/schemas/Problem.json", "/openapi-3.0.json", "/api/v1", "/api/v1/jobs/x",
	} {
		refused(t, f.get(path), http.StatusNotFound, "route-not-found")
	}
}

func TestAnUnsupportedMethodIsRefusedWithTheSupportedOnes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for route, want := range map[string]string{
		"DELETE /api/v1/jobs":           "GET, HEAD",
		"GET " + jobURL("x", "/cancel"): "POST",
		"PUT " + reportURL("/import"):   "POST",
		"POST /healthz":                 "GET, HEAD",
		"PUT /api/v1/planning/cycles/a%2Fb/reports/r/pde-classifications/suggest-batch": "POST",
	} {
		t.Run(route, func(t *testing.T) {
			f := f.in(t)
			method, path, _ := strings.Cut(route, " ")
			a := f.do(call{method: method, path: path, role: api.Manager})
			p := refused(t, a, http.StatusMethodNotAllowed, "method-not-allowed")
			if a.header.Get("Allow") != want || !strings.Contains(p.Detail, want) {
				t.Errorf("%s: Allow: got %q, want %q; %s", route, a.header.Get("Allow"), want, p.Detail)
			}
		})
	}
}

func TestAnUnknownMethodDoesNotMakeAPathARoute(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for path, want := range map[string]int{
		"/nothing": http.StatusNotFound, "/api/v1/jobs": http.StatusMethodNotAllowed,
	} {
		t.Run(path, func(t *testing.T) {
			f := f.in(t)
			if a := f.do(call{method: "BREW", path: path}); a.status != want ||
				(a.header.Get("Allow") != "") != (want == http.StatusMethodNotAllowed) {
				t.Errorf("%s: got %d with Allow %q, want %d and Allow for 405 only",
					path, a.status, a.header.Get("Allow"), want)
			}
		})
	}
}

func TestHeadIsGetWithoutTheBody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.finished()
	for _, path := range []string{"/healthz", jobURL(id, "/status"), "/openapi.json"} {
		t.Run(path, func(t *testing.T) {
			f := f.in(t)
			get := f.get(path)
			head := f.do(call{method: http.MethodHead, path: path, role: api.Viewer})
			if head.status != http.StatusOK || head.body != "" || head.header.Get("ETag") != get.header.Get("ETag") {
				t.Errorf("HEAD %s: got %d %q %v, want 200, the ETag of GET and no body",
					path, head.status, head.body, head.header)
			}
		})
	}
	head := f.do(call{method: http.MethodHead, path: jobURL("none", "/status"), role: api.Viewer})
	if head.status != http.StatusNotFound {
		t.Errorf("HEAD of an unknown job: got %d, want 404", head.status)
	}
}

// limit is what a body of JSON may have.
const limit = 1 << 20

func TestALargeBodyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	path := reportURL("/pde-mappings/regenerate-all")
	padded := func(n int) string { return `{"force":true` + strings.Repeat(" ", n-len(`{"force":true}`)) + `}` }

	p := refused(t, f.post(path, padded(limit+1)), http.StatusRequestEntityTooLarge, "body-too-large")
	if !strings.Contains(p.Detail, "1 MiB") {
		t.Errorf("got detail %s, want the maximum size", p.Detail)
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", limit+1, padded(limit+1))
	status, kind := f.raw(t, path, "Transfer-Encoding: chunked", chunk)
	if status != http.StatusRequestEntityTooLarge || kind != "body-too-large" {
		t.Errorf("chunked: got %d %s, want 413 body-too-large", status, kind)
	}
	if n := f.Count("select count(*) from jobs"); n != 0 {
		t.Errorf("jobs: got %d, want 0", n)
	}
	must[api.Accepted](t, f.post(path, padded(limit)), http.StatusAccepted)
}

func TestAWrongLengthIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	path := reportURL("/pde-mappings/regenerate-all")
	tests := map[string]struct {
		header, body string
		status       int
		kind         string
	}{
		"much too long":  {"Content-Length: 99999999999", "{}", 413, "body-too-large"},
		"a little more":  {"Content-Length: 20", `{"force":true}`, 400, "malformed"},
		"a little less":  {"Content-Length: 5", `{"force":true}`, 400, "malformed"},
		"a broken chunk": {"Transfer-Encoding: chunked", "zz\r\n{}\r\n", 400, "malformed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			if status, kind := f.raw(t, path, tt.header, tt.body); status != tt.status || kind != tt.kind {
				t.Errorf("got %d %s, want %d %s", status, kind, tt.status, tt.kind)
			}
		})
	}
	if n := f.Count("select count(*) from jobs"); n != 0 {
		t.Errorf("jobs: got %d, want 0", n)
	}
}

// raw posts a body unchanged, closes its side, and reads the response.
func (f *fixture) raw(t *testing.T, path, header, body string) (status int, kind string) {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		t.Fatal(err)
	}
	head := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: " +
		"Bearer " + f.token("tina", api.Tester) + "\r\n"
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, head+header+"\r\n\r\n"+body)
		// The server may have answered and hung up before it has read it all.
		sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("got no response: %v (sent: %v), want one", err, <-sent)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	p := must[api.Problem](t, answer{status: response.StatusCode, body: string(text)}, response.StatusCode)
	return response.StatusCode, strings.TrimPrefix(p.Type, "urn:pdeflow:problem:")
}

func TestWithoutTheDatabaseRequestsAreUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.finished()
	where, err := url.Parse(schematest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(where.Path, "/")
	where.Path = "/postgres"
	conn, err := pgx.Connect(t.Context(), where.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, statement := range []string{
		"alter database " + name + " allow_connections false",
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + name + "'",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}

	for range 3 { // the first ones meet connections that are broken, the rest gets none
		for i, a := range []answer{
			f.get(jobURL(id, "/status")), f.post(reportURL("/pde-mappings/regenerate-all"), ""), f.get("/api/v1/jobs"),
		} {
			p := refused(t, a, http.StatusServiceUnavailable, "database-unavailable")
			if i == 1 != strings.Contains(p.Detail, "Idempotency-Key") {
				t.Errorf("request %d: got %s, want Idempotency-Key in the detail of a POST only", i, p.Detail)
			}
			if a.header.Get("Retry-After") == "" || strings.Contains(a.body, name) {
				t.Errorf("got %s, headers %v, want Retry-After and no internal name", a.body, a.header)
			}
		}
	}
	ready := must[api.Readiness](t, f.get("/readyz"), http.StatusServiceUnavailable)
	if ready.Status != "not ready" || ready.Checks[0].Name != "postgres" || ready.Checks[0].State != api.Down {
		t.Errorf("readiness: got %+v, want postgres down", ready)
	}
	must[api.Health](t, f.get("/healthz"), http.StatusOK)

	if _, err := conn.Exec(t.Context(), "alter database "+name+" allow_connections true"); err != nil {
		t.Fatal(err)
	}
	must[events.JobStatus](t, f.get(jobURL(id, "/status")), http.StatusOK)
}

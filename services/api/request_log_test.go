package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

func TestARequestIsLoggedBeforeItFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	job := f.finished()
	regenerate := reportURL("/pde-mappings/regenerate-all")
	tests := map[string]struct {
		call
		status int
		ids    map[string]string
	}{
		"accepted": {
			call{method: "POST", path: reportURL("/pde-classifications/suggest-batch"), role: api.Tester},
			202,
			map[string]string{"cycle_id": cycle, "report_id": report},
		},
		"without token": {
			call{method: "POST", path: regenerate}, 401, map[string]string{"cycle_id": cycle, "report_id": report},
		},
		"role too low": {
			call{method: "POST", path: regenerate, role: api.Viewer},
			403,
			map[string]string{"cycle_id": cycle, "report_id": report},
		},
		"malformed": {
			call{method: "POST", path: regenerate, role: api.Tester, body: "{"},
			400,
			map[string]string{"cycle_id": cycle, "report_id": report},
		},
		"too large": {
			call{method: "POST", path: regenerate, role: api.Tester, body: strings.Repeat(" ", limit+1)},
			413,
			map[string]string{"cycle_id": cycle, "report_id": report},
		},
		"no such report": {
			call{
				method: "POST", path: "/api/v1/planning/cycles/c%2F1/reports/r%201/pde-mappings/auto-map",
				role: api.Tester,
			},
			404,
			map[string]string{"cycle_id": "c/1", "report_id": "r 1"},
		},
		"no such route": {
			call{method: "POST", path: reportURL("/nothing"), role: api.Tester},
			404,
			map[string]string{"cycle_id": cycle, "report_id": report},
		},
		"wrong method": {
			call{method: "DELETE", path: jobURL(job, "/status"), role: api.Tester},
			405,
			map[string]string{"job_id": job},
		},
		"no such job": {
			call{method: "GET", path: jobURL("none", "/status"), role: api.Viewer},
			404,
			map[string]string{"job_id": "none"},
		},
		"not a path": {
			call{method: "GET", path: "/api/v1/jobs/%00/status", role: api.Viewer},
			400,
			map[string]string{"job_id": "\x00"},
		},
		"a list": {call{method: "GET", path: "/api/v1/jobs/active", role: api.Viewer}, 200, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			a := f.do(tt.call)
			if a.status != tt.status {
				t.Fatalf("status: got %d, want %d: %s", a.status, tt.status, a.body)
			}
			lines := f.awaitLines(a.header.Get("X-Request-Id"), 2)
			first, last := lines[0], lines[len(lines)-1]
			if first["msg"] != "request" || last["msg"] != "response" {
				t.Fatalf("first and last line: got %v and %v, want a request and a response", first, last)
			}
			for _, line := range []map[string]any{first, last} {
				path, _, _ := strings.Cut(tt.path, "?")
				if line["method"] != tt.method || line["path"] != path {
					t.Errorf("line: got %v, want %s %s", line, tt.method, path)
				}
				for _, key := range []string{"cycle_id", "report_id", "job_id"} {
					if got, _ := line[key].(string); got != tt.ids[key] {
						t.Errorf("%s: got %q, want %q", key, got, tt.ids[key])
					}
				}
			}
			if last["status"] != float64(tt.status) || last["duration"] == nil {
				t.Errorf("last line: got %v, want status %d and a duration", last, tt.status)
			}
			if problem, _ := last["problem"].(string); (problem != "") != (tt.status >= 400) {
				t.Errorf("status %d: got problem %q, want one for an error only", tt.status, problem)
			}
		})
	}
}

func TestARequestThatPanicsIsLoggedAndAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.serve(f.JS, api.Options{Verify: func(context.Context, string) (api.Caller, error) {
		panic("the key is in the " +
			"other coat")
	}})

	a := f.get("/api/v1/jobs")
	p := refused(t, a, http.StatusInternalServerError, "internal")
	if strings.Contains(a.body, "coat") {
		t.Errorf("got %s, want a response without the panic's text", a.body)
	}
	lines := f.awaitLines(p.RequestID, 3)
	if len(lines) != 3 || lines[0]["msg"] != "request" || lines[1]["msg"] != "panic" || lines[2]["msg"] != "response" {
		t.Fatalf("lines: got %v, want request, panic and response", lines)
	}
	stack, _ := lines[1]["stack"].(string)
	if lines[1]["level"] != "ERROR" || lines[1]["panic"] != "the key is in the other "+
		"coat" || !strings.Contains(stack, "log_test.go") {
		t.Errorf("the panic's line: got %v, want an error with the text and the stack", lines[1])
	}
	if lines[2]["level"] != "ERROR" || lines[2]["status"] != float64(http.StatusInternalServerError) {
		t.Errorf("the last line: got %v, want an error with status 500", lines[2])
	}
	must[api.Health](t, f.get("/healthz"), http.StatusOK)
}

// broken is a client to which nothing can be sent but a status.
type broken struct{ http.ResponseWriter }

func (broken) Write([]byte) (int, error) { panic("the line is cut") }

func TestAPanicDuringAResponseIsLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
	r.Header.Set("X-Request-Id", "cut")
	func() {
		defer func() {
			if cause, _ := recover().(error); !errors.Is(cause, http.ErrAbortHandler) {
				t.Errorf("panic: got %v, want http.ErrAbortHandler", cause)
			}
		}()
		f.server.Handler().ServeHTTP(broken{httptest.NewRecorder()}, r)
	}()
	lines := f.lines("cut")
	last := lines[len(lines)-1]
	if duration, _ := last["duration"].(float64); last["msg"] != "response" ||
		last["status"] != float64(http.StatusInternalServerError) ||
		duration <= 0 {
		t.Errorf("the last line: got %v, want a response with status 500 and a duration", last)
	}
}

func TestAnInternalErrorIsLoggedAndNotInTheResponse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec("alter table jobs rename to stolen")
	a := f.get("/api/v1/jobs")
	p := refused(t, a, http.StatusInternalServerError, "internal")
	if strings.Contains(a.body, "relation") || strings.Contains(a.body, "SQLSTATE") {
		t.Errorf("got %s, want a response without the database's error", a.body)
	}
	lines := f.awaitLines(p.RequestID, 2)
	if text, _ := lines[len(lines)-1]["error"].(string); !strings.Contains(text, "42P01") {
		t.Errorf("lines: got %v, want SQLSTATE 42P01 in the last one", lines)
	}
}

func TestARequestKeepsItsIDIfItIsSafeToLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	fresh := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4`)
	for given, kept := range map[string]bool{
		"a1-B2_c3.d4:5": true, "": false, "two words": false, "slash/y": false, `quo"te`: false,
		strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
	} {
		t.Run(given, func(t *testing.T) {
			f := f.in(t)
			got := f.do(
				call{method: "GET", path: "/healthz", header: map[string]string{"X-Request-Id": given}},
			).header.Get(
				"X-Request-Id",
			)
			if kept && got != given || !kept && !fresh.MatchString(got) {
				t.Errorf("X-Request-Id %q: got id %q, want it kept if it is valid, and a new one otherwise", given, got)
			}
		})
	}
}

func TestTheLastLineHasTheUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.get("/api/v1/jobs")
	lines := f.awaitLines(a.header.Get("X-Request-Id"), 2)
	if lines[1]["user"] != "tina" {
		t.Errorf("the last line: got %v, want the user tina", lines[1])
	}
	ids := []any{lines[0]["trace_id"], lines[1]["trace_id"]}
	if slices.Contains(ids, nil) || ids[0] != ids[1] {
		t.Errorf("traces of the lines: got %v, want the same one", ids)
	}
}

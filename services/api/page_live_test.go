package api_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

func TestTheEventsOfAJobAreItsStatuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	job := f.started()
	stream := f.listen(jobURL(job, "/events"), "")
	first := stream.next()
	if !strings.Contains(first.data, `"status":"running"`) {
		t.Errorf("the first event: got %+v", first)
	}
	f.succeed(job)
	f.project(job)
	last := stream.next()
	for !strings.Contains(last.data, `"completed"`) {
		last = stream.next()
	}
	if _, err := stream.lines.ReadString('\n'); err != io.EOF {
		t.Errorf("after the final event: got %v, want the end", err)
	}
	if again := f.listen(jobURL(job, "/events"), first.id).next(); again != last {
		t.Errorf("with an old Last-Event-ID: got %+v, want %+v", again, last)
	}
	a := f.do(call{
		method: http.MethodGet, path: jobURL(job, "/events"), role: api.Viewer,
		header: map[string]string{"Last-Event-ID": last.id},
	})
	if a.status != http.StatusNoContent {
		t.Errorf("with the final Last-Event-ID: got %d, want 204", a.status)
	}
	refused(t, f.get(jobURL("nothing", "/events")), http.StatusNotFound, "job-not-found")
}

func TestTheEventsOfAReportFollowItsMappings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	stream := f.listen(pageURL("/events"), "")
	first := stream.next()
	f.do(call{
		method: http.MethodPost, path: reportURL("/pde-mappings/" + ids[0] + "/review"), role: api.Manager,
		body: `{"decision": "approved"}`,
	})
	if second := stream.next(); second.id == first.id {
		t.Errorf("after a review: got %+v again", second)
	}
}

func TestTheEventsOfTheListOfJobsFollowThem(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	stream := f.listen("/jobs/events?state=completed", "")
	none := stream.next()
	job := f.started()
	f.succeed(job)
	f.project(job)
	if ended := stream.next(); ended.id == none.id {
		t.Errorf("after the end of a job: got %+v again", ended)
	}
	page := f.visit(http.MethodGet, "/jobs?state=completed", nil, api.Viewer, nil)
	now := f.listen("/jobs/events?state=completed", "").next()
	if !strings.Contains(page.body, `data-events="/jobs/events?state=completed" data-seen="`+now.id+`"`) {
		t.Errorf("the page does not have the state %s: %s", now.id, page.body)
	}
}

// event is a server-sent event.
type event struct{ id, data string }

// listener reads a stream of events.
type listener struct {
	t     *testing.T
	lines *bufio.Reader
}

func (f *fixture) listen(path, last string) *listener {
	f.T.Helper()
	ctx, cancel := context.WithTimeout(f.T.Context(), requestTimeout)
	f.T.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+path, nil)
	if err != nil {
		f.T.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "pdeflow_token", Value: f.token("vera", api.Viewer)})
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(func() { _ = response.Body.Close() })
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "text/event-stream" {
		f.T.Fatalf("GET %s: got %d, %s", path, response.StatusCode, got)
	}
	return &listener{f.T, bufio.NewReader(response.Body)}
}

// next returns the next event.
func (l *listener) next() (e event) {
	l.t.Helper()
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			l.t.Fatalf("stream after %+v: %v", e, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if id, found := strings.CutPrefix(line, "id: "); found {
			e.id = id
		}
		if data, found := strings.CutPrefix(line, "data: "); found {
			e.data = data
		}
		if line == "" && e.data != "" {
			return e
		}
	}
}

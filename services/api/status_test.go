package api_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// statusCall requests the status of a job with the tag of an earlier response.
func statusCall(id, query, tag string) call {
	c := call{
		method: http.MethodGet,
		path:   jobURL(id, "/status"+query),
		role:   api.Viewer,
		header: map[string]string{"X-Request-Id": "waiting"},
	}
	if tag != "" {
		c.header["If-None-Match"] = tag
	}
	return c
}

func TestAKnownStatusIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	id := f.started()

	first := f.do(statusCall(id, "", ""))
	tag := first.header.Get("ETag")
	if first.status != http.StatusOK || tag == "" || first.header.Get("Retry-After") == "" {
		t.Fatalf("answer: got %d with headers %v, want 200, an ETag and Retry-After", first.status, first.header)
	}
	for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		again := f.do(statusCall(id, "", known))
		if again.status != http.StatusNotModified || again.body != "" || again.header.Get("ETag") != tag {
			t.Errorf("request with tag %s: got %d %q with tag %s, want 304 with the same tag",
				known, again.status, again.body, again.header.Get("ETag"))
		}
	}

	f.succeed(id)
	f.project(id)
	changed := f.do(statusCall(id, "", tag))
	status := must[events.JobStatus](t, changed, http.StatusOK)
	if changed.header.Get("ETag") == tag {
		t.Error("the tag has not changed with the status")
	}
	if status.Status != schema.StatusCompleted || status.Result == nil || status.Result.Succeeded != 2 {
		t.Errorf("status: got %+v, want completed, with two successes", status)
	}
	if after := changed.header.Get("Retry-After"); after != "" {
		t.Errorf("Retry-After of an ended job: got %s, want none", after)
	}
}

func TestAWaitingRequestGetsTheChange(t *testing.T) {
	t.Parallel()
	for _, knows := range []bool{true, false} {
		t.Run(fmt.Sprintf("knowing the status %v", knows), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.imported(2)
			id := f.started()
			tag := ""
			if knows {
				tag = f.do(statusCall(id, "", "")).header.Get("ETag")
			}
			c := statusCall(id, "?wait=60s", tag)
			c.header["X-Request-Id"] = "long"
			done := make(chan answer, 1)
			go func() {
				a, err := f.try(c)
				if err != nil {
					t.Error(err)
				}
				done <- a
			}()
			// Any change from now on is one that it waits for, or that it knows of from the start if it comes so early.
			f.awaitLines("long", 1)
			f.succeed(id)
			f.project(id)
			if status := must[events.JobStatus](t, <-done, http.StatusOK); status.Status != schema.StatusCompleted {
				t.Errorf("status: got %+v, want completed", status)
			}
		})
	}
}

func TestAWaitWithoutAChangeReturnsTheStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)
	id := f.started()
	tag := f.do(statusCall(id, "", "")).header.Get("ETag")
	if a := f.do(statusCall(id, "?wait=150ms", tag)); a.status != http.StatusNotModified ||
		a.header.Get("ETag") != tag {
		t.Errorf("request with the current tag: got %d, want 304", a.status)
	}
	if a := f.do(statusCall(id, "?wait=150ms", "")); a.status != http.StatusOK || a.header.Get("ETag") != tag {
		t.Errorf("request without a tag: got %d, want 200", a.status)
	}
	if a := f.do(statusCall(id, "?wait=60", `"older"`)); a.status != http.StatusOK || a.header.Get("ETag") != tag {
		t.Errorf("request with an older tag: got %d, want 200", a.status)
	}
}

func TestARequestDoesNotWaitForAnEndedJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.finished()
	a := f.do(statusCall(id, "?wait=60s", ""))
	must[events.JobStatus](t, a, http.StatusOK)
	if again := f.do(statusCall(id, "?wait=60s", a.header.Get("ETag"))); again.status != http.StatusNotModified {
		t.Errorf("request with the final tag: got %d, want 304", again.status)
	}
}

func TestAnInvalidWaitIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	for _, wait := range []string{"61", "61s", "2m", "-1s", "-1", "soon", "1e3", "30S", "70000"} {
		t.Run(wait, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.get(jobURL(id, "/status?wait="+wait)), http.StatusUnprocessableEntity, "invalid")
			if len(p.Errors) != 1 || p.Errors[0].Location != "query.wait" {
				t.Errorf("%s: errors: got %v, want one of query.wait", wait, p.Errors)
			}
		})
	}
}

func TestAStoppingServerEndsWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	listener := listening(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.server.Run(ctx, listener) }()
	f.url = "http://" + listener.Addr().String()

	done := make(chan answer, 1)
	go func() {
		a, err := f.try(statusCall(id, "?wait=60s", ""))
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	f.awaitLines("waiting", 1)
	stop()
	must[events.JobStatus](t, <-done, http.StatusOK)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	case <-time.After(requestTimeout):
		t.Error("the server does not end")
	}
}

func TestWaitingRequestsShareTheirStatements(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	tag := f.do(statusCall(id, "", "")).header.Get("ETag")
	statements := eventstest.NewLog(t)
	db, err := schema.Open(
		t.Context(),
		schematest.URL(t),
		schema.Options{LogSQL: statements.Logger()},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f.DB = db
	f.serve(f.JS, api.Options{Verify: verifier(t)})

	const requests = 200
	began := time.Now()
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			if a, err := f.try(statusCall(id, "?wait=2s", tag)); err != nil || a.status != http.StatusNotModified {
				t.Errorf("a request that waits in vain: got %d (%v), want 304", a.status, err)
			}
		})
	}
	all.Wait()
	reads := int(time.Since(began)/(100*time.Millisecond)) + 1
	if n := statements.Count("\n"); n > 2*reads {
		t.Errorf("statements of %d waiting requests: got %d in %s, want at most two for each tenth of a second",
			requests, n, time.Since(began))
	}
}

func TestAnEventWakesRequestsThatWait(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	id := f.started()
	f.serve(f.JS, api.Options{Verify: verifier(t), Events: f.JS.Conn()})
	f.server.SetPollEvery(time.Hour)
	tag := f.do(statusCall(id, "", "")).header.Get("ETag")
	done := make(chan answer, 1)
	go func() {
		a, err := f.try(statusCall(id, "?wait=60s", tag))
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	f.awaitLines("waiting", 3) // two lines of the first request, and one of this
	f.succeed(id)
	f.project(id)
	// Nothing shows that the request waits already, so the event is repeated.
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if err := f.JS.Conn().Publish(events.JobFinishedSubject(id).String(), nil); err != nil {
			t.Fatal(err)
		}
		select {
		case a := <-done:
			if status := must[events.JobStatus](t, a, http.StatusOK); status.Status != schema.StatusCompleted {
				t.Errorf("status: got %+v, want completed", status)
			}
			return
		case <-tick.C:
		}
	}
}

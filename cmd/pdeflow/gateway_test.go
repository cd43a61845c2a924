package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// gateway is a proxy that cuts off requests that wait for a change after some time, and reports the status of every
// response, or 0 for a dropped connection. A slow machine may need longer for the first response, which no client has
// reason to expect sooner.
func gateway(t *testing.T, server string, timeout time.Duration, drops bool) (address string, statuses chan int) {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	statuses = make(chan int, 1000)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		statuses <- r.StatusCode
		return nil
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		if drops {
			statuses <- 0
			panic(http.ErrAbortHandler)
		}
		statuses <- http.StatusGatewayTimeout
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusGatewayTimeout)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.URL.Query().Has("wait") {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(front.Close)
	return front.URL, statuses
}

func TestWatchingThroughAGatewayShortensItsWaits(t *testing.T) {
	t.Parallel()
	for name, drops := range map[string]bool{"that answers 504": false, "that drops the connection": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newIdleFixture(t, eventstest.Start(t))
			f.run(schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
			schematest.Report(t, f.db, 3)
			job := schematest.Job(t, f.db, 3)
			address, statuses := gateway(t, f.environment()["PDEFLOW_SERVER"], 2*time.Second, drops)

			w := f.watch(t.Context(), "jobs", "watch", job.ID, "--server", address)
			cutOff, unchanged := 0, 0
			for late := time.After(deadline); unchanged < 3; {
				select {
				case status := <-statuses:
					switch status {
					case http.StatusNotModified:
						unchanged++
					case 0, http.StatusGatewayTimeout:
						cutOff++
					}
				case <-late:
					t.Fatalf("got %d dropped requests and %d responses 304, want 3: %s",
						cutOff, unchanged, w.stderr.String())
				}
			}
			// net/http itself repeats a request whose connection was dropped.
			if cutOff == 0 || cutOff > 5 {
				t.Errorf("got %d dropped requests, want a few", cutOff)
			}
			f.run(schema.ServiceClassifier)
			w.exits(t, exitDone)
			if text := w.stderr.String(); strings.Contains(text, "trying again") {
				t.Errorf("got %s, want no error for an interruption", text)
			}
		})
	}
}

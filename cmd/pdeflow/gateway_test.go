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
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// gateway is a proxy that gives up on an answer after some time, and reports the status of every answer; 0 where it
// drops the connection.
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
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(front.Close)
	return front.URL, statuses
}

func TestWatchingBehindAGatewayAsksForShorterWaits(t *testing.T) {
	t.Parallel()
	for name, drops := range map[string]bool{"that answers 504": false, "that drops the connection": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newIdleStand(t, eventstest.Start(t))
			s.run(apiService, dispatcherService, projectorService)
			schematest.Report(t, s.db, 3)
			job := schematest.Job(t, s.db, 3)
			address, statuses := gateway(t, s.environment()["PDEFLOW_SERVER"], 2*time.Second, drops)

			w := s.watch(t.Context(), "jobs", "watch", job.ID, "--server", address)
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
					t.Fatalf("%d requests were cut off and %d answered that nothing has changed, want three: %s",
						cutOff, unchanged, w.stderr.String())
				}
			}
			// net/http itself repeats a request whose connection was dropped.
			if cutOff == 0 || cutOff > 5 {
				t.Errorf("%d requests were cut off, want a few before the wait is short enough", cutOff)
			}
			s.run(classifierService)
			w.exits(t, exitDone)
			if text := w.stderr.String(); strings.Contains(text, "trying again") {
				t.Errorf("an interruption is reported as a failure: %s", text)
			}
		})
	}
}

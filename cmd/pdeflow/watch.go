package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// statusWait is how long the server may wait for a change before it responds. A gateway may allow less.
	statusWait = 30 * time.Second
	// minWait is the shortest wait. A request that fails sooner did not fail because of the wait.
	minWait = 500 * time.Millisecond
	// pollEvery is the shortest interval between two requests. A busy job changes with every batch.
	pollEvery = 200 * time.Millisecond
	// patience is how long watching survives an unreachable server. A restart with database recovery takes less.
	patience = 2 * time.Minute
	// firstRetry and lastRetry are the shortest and the longest pause between attempts to reach a server.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watch follows the job to its end and, unless quiet, shows its progress on standard error. It survives restarts of the
// server. The error does not depend on the result of the job, which is in the status.
func (a *app) watch(ctx context.Context, c *client, jobID string, quiet bool) (events.JobStatus, error) {
	p := newProgress(a.stderr, a.drawsBars())
	defer p.end()
	defer p.refreshing()()
	w := watcher{client: c, jobID: jobID, progress: p, wait: statusWait}
	for {
		status, err := w.next(ctx)
		if err != nil {
			return status, err
		}
		if !quiet {
			p.show(status, time.Now())
		}
		if status.Status.IsFinal() {
			return status, nil
		}
		if err := sleep(ctx, pollEvery); err != nil {
			continue // the next request returns the reason
		}
	}
}

// watcher polls the status of a job.
type watcher struct {
	client   *client
	jobID    string
	progress *progress
	// etag belongs to the newest status. It is empty before the first.
	etag   string
	status events.JobStatus
	// wait is how long the server may wait for a change.
	wait time.Duration
}

// next returns the next status that differs from the newest one, however long that takes. It also waits for a server
// that is down, and shortens the waits if a gateway or firewall cuts off long requests.
func (w *watcher) next(ctx context.Context) (events.JobStatus, error) {
	var (
		downSince time.Time
		noted     bool
	)
	for pause := firstRetry; ; {
		asked := time.Now()
		changed, err := w.poll(ctx)
		if err == nil {
			if noted {
				w.progress.note("the server responds again")
			}
			if changed {
				return w.status, nil
			}
			downSince, noted, pause = time.Time{}, false, firstRetry
			continue
		}
		if ctx.Err() != nil || !isTemporary(err) || !w.client.answered {
			return w.status, err
		}
		if downSince.IsZero() {
			downSince = asked
		}
		if time.Since(downSince) > patience {
			return w.status, fmt.Errorf("gave up after %s: %w", patience, err)
		}
		if w.shortenWait(time.Since(asked)) {
			continue
		}
		if !noted {
			noted = true
			w.progress.note(err.Error() + "; trying again")
		}
		if err := sleep(ctx, pause); err != nil {
			return w.status, err
		}
		pause = min(2*pause, lastRetry)
	}
}

// shortenWait makes the next waits shorter than a request that was cut off after this time. It returns false if the
// wait was not the cause or cannot be shorter.
func (w *watcher) shortenWait(after time.Duration) bool {
	if w.etag == "" || after < minWait || w.wait <= minWait {
		return false
	}
	w.wait = max(min(w.wait, after)/2, minWait)
	return true
}

// poll sends one request. The first response comes at once, later ones when the status changes, or unchanged after the
// wait.
func (w *watcher) poll(ctx context.Context) (changed bool, err error) {
	r := request{method: http.MethodGet, path: "/jobs/" + url.PathEscape(w.jobID) + "/status"}
	if w.etag != "" {
		r.query = url.Values{"wait": {w.wait.String()}}
		r.header = http.Header{"If-None-Match": {w.etag}}
		r.extraTime = w.wait
	}
	got, err := w.client.do(ctx, r)
	if err != nil || got.code == http.StatusNotModified {
		return false, err
	}
	if err := json.Unmarshal(got.body, &w.status); err != nil {
		return false, fmt.Errorf("status of job %s: %w", w.jobID, err)
	}
	w.etag = got.header.Get("ETag")
	return true, nil
}

// isTemporary reports whether a later attempt may succeed.
func isTemporary(err error) bool {
	if _, ok := errors.AsType[*unreachableError](err); ok {
		return true
	}
	r, ok := errors.AsType[*apiError](err)
	return ok && (r.problem.Status >= http.StatusInternalServerError || r.problem.Status == http.StatusTooManyRequests)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// printOutcome prints the status of a job that has ended. The error ends the program with exit code 1 unless the job
// completed.
func (a *app) printOutcome(status events.JobStatus, asJSON bool) error {
	if asJSON {
		if err := a.printJSON(status); err != nil {
			return err
		}
	} else {
		printStatus(a.stdout, status)
	}
	return a.outcomeError(status)
}

// outcomeError returns the error of a job that has ended without completing.
func (a *app) outcomeError(status events.JobStatus) error {
	if status.Status != schema.StatusCompleted {
		return errReported
	}
	return nil
}

// followJob watches a job and prints its final status.
func (a *app) followJob(ctx context.Context, c *client, jobID string, asJSON bool) error {
	status, err := a.watch(ctx, c, jobID, asJSON)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped watching; job %s continues; follow it again with: pdeflow jobs watch%s %s", jobID,
			c.flags, shellQuote(jobID))
	}
	if err != nil {
		return a.problemJSON(asJSON, err)
	}
	return a.printOutcome(status, asJSON)
}

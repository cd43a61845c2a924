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
	// statusWait is how long the server waits with its answer for a change. A gateway in between may allow less.
	statusWait = 30 * time.Second
	// shortestWait is the least that the server is asked to wait. What fails sooner does not fail because of the wait.
	minWait = 500 * time.Millisecond
	// statusEvery is how often the status is asked for at most: a busy job changes with every batch.
	pollEvery = 200 * time.Millisecond
	// patience is how long a server may be away before watching it ends. A restart, with a database that recovers,
	// takes less.
	patience = 2 * time.Minute
	// firstRetry and lastRetry are the pauses between attempts to reach a server that is away.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watch follows the job to its end and shows its progress on standard error, unless it is to be quiet. It survives
// restarts of the server. The error is nil whatever the job came to: that stands in the status.
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
		if status.Status.Final() {
			return status, nil
		}
		if err := sleep(ctx, pollEvery); err != nil {
			continue // and the next request says why it ends
		}
	}
}

// watcher asks for a job's status again and again.
type watcher struct {
	client   *client
	jobID    string
	progress *progress
	// etag is that of the newest status; empty before the first.
	etag   string
	status events.JobStatus
	// wait is how long the server may wait for a change.
	wait time.Duration
}

// next waits for a status that is another than the newest one, for as long as that takes. It also waits for a server
// that is down, and asks for shorter waits where a gateway or a firewall cuts off long ones.
func (w *watcher) next(ctx context.Context) (events.JobStatus, error) {
	var (
		downSince time.Time
		noted     bool
	)
	for pause := firstRetry; ; {
		asked := time.Now()
		changed, err := w.ask(ctx)
		if err == nil {
			if noted {
				w.progress.note("the server answers again")
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

// shorten makes the next waits short enough for whatever cut off a request after this time. It reports false where the
// wait was not the cause, or cannot be shorter.
func (w *watcher) shortenWait(after time.Duration) bool {
	if w.etag == "" || after < minWait || w.wait <= minWait {
		return false
	}
	w.wait = max(min(w.wait, after)/2, minWait)
	return true
}

// ask asks once. The first answer comes at once, later ones when there is a change, or with none after a while.
func (w *watcher) ask(ctx context.Context) (changed bool, err error) {
	r := request{method: http.MethodGet, path: "/jobs/" + url.PathEscape(w.jobID) + "/status"}
	if w.etag != "" {
		r.query = url.Values{"wait": {w.wait.String()}}
		r.header = http.Header{"If-None-Match": {w.etag}}
		r.patience = w.wait
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

// isAway tells whether the server may answer later what it does not answer now.
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

// printOutcome prints what a watched job came to. Its error ends the program with exit code 1 where that is not
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

// outcome is the error of a job that has ended without completing.
func (a *app) outcomeError(status events.JobStatus) error {
	if status.Status != schema.Completed {
		return errReported
	}
	return nil
}

// follow watches a job and prints what it came to.
func (a *app) followJob(ctx context.Context, c *client, jobID string, asJSON bool) error {
	status, err := a.watch(ctx, c, jobID, asJSON)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped watching, and job %s goes on; follow it again with: pdeflow jobs watch%s %s", jobID,
			c.flags, shellQuote(jobID))
	}
	if err != nil {
		return a.problemJSON(asJSON, err)
	}
	return a.printOutcome(status, asJSON)
}

package classifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// maxAttempts is the number of counted errors after which an item fails.
	maxAttempts = 5
	// firstBackoff is the wait after the first counted error. Each further wait is four times as long.
	firstBackoff = time.Second
	// lockWait is the wait before an item that met a lock is retried.
	lockWait = 5 * time.Second
)

// judgeError counts against the item's attempts; an immediate retry would fail the same way.
type judgeError struct {
	code schema.ErrorCode
	// final fails the item without another attempt.
	final bool
	err   error
	// by is the classifier, and usage what all calls for the item have used; empty if no model was asked.
	by    string
	usage schema.Usage
}

func (e *judgeError) Error() string { return e.err.Error() }

func (e *judgeError) Unwrap() error { return e.err }

// counts reports whether an error counts against the item's attempts.
func counts(err error) bool {
	_, ok := errors.AsType[*judgeError](err)
	return ok
}

// handleUnread handles a message whose rows could not be read.
func (c *Classifier) handleUnread(ctx context.Context, m events.MappingRequested, err error) error {
	switch {
	case errors.Is(err, schema.ErrNotFound):
		return events.Reject(events.ReasonUnknown, err)
	case schema.IsRefused(err):
		return c.countUnreadable(ctx, m, err)
	default:
		return err
	}
}

// countUnreadable counts an error for an item whose rows cannot be read together, because one of them is damaged or
// has a value that does not fit its field.
func (c *Classifier) countUnreadable(ctx context.Context, m events.MappingRequested, cause error) error {
	item, err := schema.GetItem(ctx, c.db, m.JobID, m.MappingID)
	if err != nil {
		return err
	}
	if item.Outcome != "" {
		return c.publishItem(ctx, item)
	}
	return c.countFailure(ctx, item, &judgeError{code: schema.ErrorCodeClassifier, err: cause}, 0)
}

// countFailure records an error that counts. This is the only place that decides whether an item is retried or has
// failed.
func (c *Classifier) countFailure(ctx context.Context, item schema.Item, cause error, took time.Duration) error {
	code, final := schema.ErrorCodeClassifier, false
	if counted, ok := errors.AsType[*judgeError](cause); ok {
		code, final = counted.code, counted.final
	}
	attempt := item.Attempt + 1
	if final || attempt >= maxAttempts {
		return c.fail(ctx, item, code, cause, took)
	}
	saved := schema.ItemResult{Code: code, Error: cause.Error(), Attempt: attempt, Duration: took}
	due, err := schema.PostponeItem(ctx, c.db, item.JobID, item.MappingID, saved, backoff(attempt))
	if errors.Is(err, schema.ErrNotFound) {
		return nil // the item has an outcome by now, or another attempt was recorded
	}
	if err != nil {
		return err
	}
	c.recurring.Note(ctx, slog.LevelWarn, "mapping will be retried", cause,
		"job_id", item.JobID, "mapping_id", item.MappingID, "attempt", attempt, "due_at", due, "error_code", code)
	return c.publishBell(ctx, item.JobID)
}

// fail ends the item with an error; the mapping is not changed.
func (c *Classifier) fail(
	ctx context.Context, item schema.Item, code schema.ErrorCode, cause error, took time.Duration,
) error {
	saved := schema.ItemResult{
		Outcome: schema.OutcomeFailed, Code: code, Error: cause.Error(), Attempt: item.Attempt + 1, Duration: took,
	}
	if counted, ok := errors.AsType[*judgeError](cause); ok {
		saved.Classifier, saved.Usage = counted.by, counted.usage
	}
	if err := schema.FailItem(ctx, c.db, item.JobID, item.MappingID, saved); err != nil {
		return err
	}
	item, err := schema.GetItem(ctx, c.db, item.JobID, item.MappingID)
	if err != nil {
		return err
	}
	if item.Outcome == schema.OutcomeFailed {
		c.log.ErrorContext(ctx, "mapping failed", "job_id", item.JobID, "mapping_id", item.MappingID,
			"attempt", item.Attempt, "error_code", item.ErrorCode, "error", item.Error)
	}
	return c.publishItem(ctx, item)
}

// waitForLock makes the item wait for a lock that another transaction holds. If the item's own row is locked, the due
// time cannot be written, so the message waits in the stream instead.
func (c *Classifier) waitForLock(ctx context.Context, m events.MappingRequested, cause error) error {
	c.recurring.Note(ctx, slog.LevelWarn, "mapping waits for a lock", cause,
		"job_id", m.JobID, "mapping_id", m.MappingID)
	waitingFor, err := schema.DescribeLock(ctx, c.db, m.JobID, m.MappingID)
	if err != nil {
		return err
	}
	err = schema.PostponeLockedItem(ctx, c.db, m.JobID, m.MappingID, waitingFor, jitter(lockWait))
	switch {
	case errors.Is(err, schema.ErrNotFound):
		return nil // the item has an outcome by now
	case err == nil:
		return c.publishBell(ctx, m.JobID)
	case !schema.IsLockTimeout(err):
		return err
	}
	changed, err := schema.InsertItemLock(ctx, c.db, m.JobID, m.MappingID, waitingFor)
	if err == nil && changed {
		err = c.publishBell(ctx, m.JobID)
	}
	if err != nil {
		return err
	}
	return events.RetryAfter(jitter(lockWait), cause)
}

// pauseAtCap pauses the job because its next call could exceed its limit of cost.
func (c *Classifier) pauseAtCap(ctx context.Context, work schema.Work) error {
	err := schema.PauseAtCap(ctx, c.db, work.Item.JobID, work.MaxCostUSD, events.TraceparentFrom(ctx).String())
	if err != nil {
		return fmt.Errorf("pause job %s at its limit of cost: %w", work.Item.JobID, err)
	}
	c.log.WarnContext(ctx, "job is paused at its limit of cost", "job_id", work.Item.JobID, "limit", work.MaxCostUSD)
	return c.publishBell(ctx, work.Item.JobID)
}

// backoff returns the wait after the attempt, which counts from 1.
func backoff(attempt int) time.Duration {
	pause := firstBackoff
	for range attempt - 1 {
		pause *= 4
	}
	return jitter(pause)
}

// jitter lengthens or shortens a wait by up to a quarter.
func jitter(pause time.Duration) time.Duration {
	return pause*3/4 + rand.N(pause/2) //nolint:gosec // jitter is no secret
}

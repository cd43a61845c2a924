package classifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// maxAttempts is how many counted errors fail an item.
	maxAttempts = 5
	// firstWait is the pause after the first counted error; each further one is four times as long.
	firstWait = time.Second
	// lockWait is the pause before an item is tried again that met a lock.
	lockWait = 5 * time.Second
)

// errChanged says that a row is not what it was when it was read.
var errChanged = errors.New("the row has changed since it was read")

// judgement computes the mapping as it should be, and what to record of that.
type judgement func(context.Context, schema.Work) (schema.Mapping, schema.Saved, error)

// work judges the mapping and saves the outcome, as often as the row changes in between.
func (c *Classifier) work(ctx context.Context, work schema.Work, judge judgement) error {
	for {
		began := time.Now()
		after, saved, err := judge(ctx, work)
		saved.Duration = time.Since(began)
		if err == nil {
			err = c.save(ctx, work, after, saved)
		}
		switch {
		case err == nil:
			return c.tellSaved(ctx, work.Item, saved)
		case errors.Is(err, errChanged):
			if work, err = schema.ReadWork(ctx, c.db, work.Item.JobID, work.Item.MappingID); err != nil {
				return err
			}
			if work.Item.Outcome != "" {
				return c.tell(ctx, work.Item)
			}
			if work.Intent != schema.IntentRun {
				return nil
			}
		case counts(err):
			return c.count(ctx, work, err, saved.Duration)
		default:
			return err
		}
	}
}

// judge asks the policy. What breaks in there is an error of this mapping, and no reason for the process to end.
func (c *Classifier) judge(ctx context.Context, work schema.Work) (after schema.Mapping, saved schema.Saved, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &judgeError{code: schema.CodePanic, err: errors.New(schema.ErrorText(fmt.Sprintf("panic: %v", value)))}
			c.recurring.Note(ctx, slog.LevelError, "classifier panicked", err, "job_id", work.Item.JobID, "mapping_id", work.Item.MappingID,
				"stack", string(debug.Stack()))
		}
	}()
	from, err := c.indexes.of(ctx, work)
	if err != nil {
		return after, saved, err
	}
	after, saved = c.evaluate(from, work)
	saved.Attempt = work.Item.Attempt + 1
	return after, saved, nil
}

// save writes everything in one transaction, or nothing.
func (c *Classifier) save(ctx context.Context, work schema.Work, after schema.Mapping, saved schema.Saved) error {
	err := c.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		ok, err := schema.SaveWork(ctx, tx, work.Item.JobID, work.Mapping, after, saved)
		if err == nil && !ok {
			err = errChanged
		}
		return err
	})
	if schema.Refused(err) {
		return &judgeError{code: schema.CodeClassifier, err: err}
	}
	return err
}

// judgeError is an error that counts: trying again at once would bring it again.
type judgeError struct {
	code schema.ErrorCode
	// final fails the item without another attempt.
	final bool
	err   error
}

func (e *judgeError) Error() string { return e.err.Error() }

func (e *judgeError) Unwrap() error { return e.err }

func counts(err error) bool {
	_, ok := errors.AsType[*judgeError](err)
	return ok
}

// count records an error that counts: the item is tried again later, or has failed.
func (c *Classifier) count(ctx context.Context, work schema.Work, cause error, took time.Duration) error {
	code, final := schema.CodeClassifier, false
	if judge, ok := errors.AsType[*judgeError](cause); ok {
		code, final = judge.code, judge.final
	}
	attempt := work.Item.Attempt + 1
	if final || attempt >= maxAttempts {
		return c.fail(ctx, work, code, cause, took)
	}
	saved := schema.Saved{Code: code, Error: cause.Error(), Attempt: attempt, Duration: took}
	due, err := schema.PostponeItem(ctx, c.db, work.Item.JobID, work.Item.MappingID, saved, wait(attempt))
	if errors.Is(err, schema.ErrNotFound) {
		return nil // the item has moved on
	}
	if err != nil {
		return err
	}
	c.recurring.Note(ctx, slog.LevelWarn, "mapping will be tried again", cause, "job_id", work.Item.JobID, "mapping_id", work.Item.MappingID,
		"attempt", attempt, "due_at", due, "error_code", code)
	return c.tellWaiting(ctx, work.Item.JobID)
}

// countUnreadable records an attempt for an item whose rows cannot be read together: one of them is damaged, or holds what fits no field.
func (c *Classifier) countUnreadable(ctx context.Context, m events.MappingRequested, cause error) error {
	item, err := schema.ReadItem(ctx, c.db, m.JobID, m.MappingID)
	if err != nil {
		return err
	}
	if item.Outcome != "" {
		return c.tell(ctx, item)
	}
	return c.count(ctx, schema.Work{Item: item}, &judgeError{code: schema.CodeClassifier, err: cause}, 0)
}

// waitForLock makes the item wait for a lock that another transaction holds. Where the lock is on the item's own row, nothing can be
// written there, so the message waits instead.
func (c *Classifier) waitForLock(ctx context.Context, m events.MappingRequested, cause error) error {
	c.recurring.Note(ctx, slog.LevelWarn, "mapping waits for a lock", cause, "job_id", m.JobID, "mapping_id", m.MappingID)
	waitingFor, err := schema.DescribeLock(ctx, c.db, m.JobID, m.MappingID)
	if err != nil {
		return err
	}
	err = schema.WaitForLock(ctx, c.db, m.JobID, m.MappingID, waitingFor, jitter(lockWait))
	switch {
	case errors.Is(err, schema.ErrNotFound):
		return nil // the item has moved on
	case err == nil:
		return c.tellWaiting(ctx, m.JobID)
	case !schema.LockTimedOut(err):
		return err
	}
	changed, err := schema.NoteLockedItem(ctx, c.db, m.JobID, m.MappingID, waitingFor)
	if err == nil && changed {
		err = c.tellWaiting(ctx, m.JobID)
	}
	if err != nil {
		return err
	}
	return events.RetryAfter(jitter(lockWait), cause)
}

// wait is the pause after the attempt.
func wait(attempt int) time.Duration {
	pause := firstWait
	for range attempt - 1 {
		pause *= 4
	}
	return jitter(pause)
}

// jitter lengthens or shortens the pause by up to a quarter.
func jitter(pause time.Duration) time.Duration {
	return pause*3/4 + rand.N(pause/2) //nolint:gosec // jitter is no secret
}

// fail ends the item; the mapping stays as it is.
func (c *Classifier) fail(ctx context.Context, work schema.Work, code schema.ErrorCode, cause error, took time.Duration) error {
	saved := schema.Saved{Outcome: schema.ItemFailed, Code: code, Error: cause.Error(), Attempt: work.Item.Attempt + 1, Duration: took}
	if err := schema.FailItem(ctx, c.db, work.Item.JobID, work.Item.MappingID, saved); err != nil {
		return err
	}
	item, err := schema.ReadItem(ctx, c.db, work.Item.JobID, work.Item.MappingID)
	if err != nil {
		return err
	}
	if item.Outcome == schema.ItemFailed {
		c.log.ErrorContext(ctx, "mapping failed", "job_id", item.JobID, "mapping_id", item.MappingID,
			"attempt", item.Attempt, "error_code", item.ErrorCode, "error", item.Error)
	}
	return c.tell(ctx, item)
}

// tellSaved says what was just saved for the item.
func (c *Classifier) tellSaved(ctx context.Context, item schema.Item, saved schema.Saved) error {
	item.Outcome, item.Attempt, item.ErrorCode, item.Error = saved.Outcome, saved.Attempt, saved.Code, saved.Error
	item.Classifier, item.DurationMS = saved.Classifier, saved.Duration.Milliseconds()
	item.InputTokens, item.OutputTokens, item.CostUSD = saved.Usage.InputTokens, saved.Usage.OutputTokens, saved.Usage.CostUSD
	return c.tell(ctx, item)
}

// tell says what happened to an item that has an outcome. What the dispatcher cancelled is the job's news, not the item's.
func (c *Classifier) tell(ctx context.Context, item schema.Item) error {
	if item.Outcome == schema.ItemCancelled {
		return nil
	}
	return c.publish.Publish(ctx, events.JobItemOf(item))
}

// tellWaiting publishes the bell of the job whose item waits. Its status tells whether the whole job waits.
func (c *Classifier) tellWaiting(ctx context.Context, jobID string) error {
	return c.publish.Publish(ctx, events.JobBell(jobID))
}

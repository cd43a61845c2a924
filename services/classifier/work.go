package classifier

import (
	"context"
	"errors"
	"fmt"
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
)

// errChanged says that a row is not what it was when it was read.
var errChanged = errors.New("the row has changed since it was read")

// work judges the mapping and saves the outcome, as often as the row changes in between.
func (c *Classifier) work(ctx context.Context, work schema.Work) error {
	for {
		began := time.Now()
		after, saved, err := c.judge(ctx, work)
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
			c.log.ErrorContext(ctx, "classifier panicked", "job_id", work.Item.JobID, "mapping_id", work.Item.MappingID,
				"panic", value, "stack", string(debug.Stack()))
			err = &judgeError{code: schema.CodePanic, err: fmt.Errorf("panic: %v", value)}
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
	err  error
}

func (e *judgeError) Error() string { return e.err.Error() }

func (e *judgeError) Unwrap() error { return e.err }

func counts(err error) bool {
	_, ok := errors.AsType[*judgeError](err)
	return ok
}

// count records an error that counts: the item is tried again later, or has failed.
func (c *Classifier) count(ctx context.Context, work schema.Work, cause error, took time.Duration) error {
	code := schema.CodeClassifier
	if judge, ok := errors.AsType[*judgeError](cause); ok {
		code = judge.code
	}
	attempt := work.Item.Attempt + 1
	if attempt >= maxAttempts {
		return c.fail(ctx, work, code, cause, took)
	}
	saved := schema.Saved{Code: code, Error: cause.Error(), Attempt: attempt, Duration: took}
	due, err := schema.PostponeItem(ctx, c.db, work.Item.JobID, work.Item.MappingID, saved, wait(attempt))
	if errors.Is(err, schema.ErrNotFound) {
		return nil // somebody else has dealt with the item
	}
	if err != nil {
		return err
	}
	c.log.WarnContext(ctx, "mapping will be tried again", "job_id", work.Item.JobID, "mapping_id", work.Item.MappingID,
		"attempt", attempt, "due_at", due, "error_code", code, "error", cause)
	return c.tellPostponed(ctx, work.Item.JobID)
}

// wait is the pause after the attempt, with a quarter of jitter either way.
func wait(attempt int) time.Duration {
	pause := firstWait
	for range attempt - 1 {
		pause *= 4
	}
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

// tellPostponed rings the bell of the job whose item will be tried again. Whether the job waits for that, or goes on with other items
// meanwhile, its status says.
func (c *Classifier) tellPostponed(ctx context.Context, jobID string) error {
	return c.publish.Publish(ctx, events.JobBell(jobID))
}

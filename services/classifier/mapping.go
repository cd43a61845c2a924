package classifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// errChanged means that a row is no longer at the version that was read.
var errChanged = errors.New("the row has changed since it was read")

// handle processes one work message. Every statement gives up on a lock after a short time; the item then waits, not
// the worker.
func (c *Classifier) handle(ctx context.Context, d events.Delivery, m events.MappingRequested) error {
	ctx = schema.WithSubject(ctx, m.JobID, m.MappingID)
	err := c.take(ctx, d, m)
	if schema.IsLockTimeout(err) {
		return c.waitForLock(ctx, m, err)
	}
	return err
}

// take reads the rows of a message, decides whether there is work to do, judges the mapping and saves the result. If
// a row changes in between, it starts again.
func (c *Classifier) take(ctx context.Context, d events.Delivery, m events.MappingRequested) error {
	for {
		work, err := schema.GetWork(ctx, c.db, m.JobID, m.MappingID)
		if err != nil {
			return c.handleUnread(ctx, m, err)
		}
		if done, err := c.gate(ctx, m, work); done {
			return err
		}
		if err := c.attempt(ctx, d, work); !errors.Is(err, errChanged) {
			return err
		}
	}
}

// gate is the only place that decides whether an item is judged now. If not, done is true and err is the handler's
// result.
func (c *Classifier) gate(ctx context.Context, m events.MappingRequested, work schema.Work) (done bool, err error) {
	switch {
	case work.Classifier.Lane() != m.Lane:
		return true, events.Reject(events.ReasonUnknown, fmt.Errorf("job %s has no work in lane %s", m.JobID, m.Lane))
	case work.Item.Outcome != "":
		return true, c.publishItem(ctx, work.Item) // again: the first event may have been lost
	case work.Intent != schema.IntentRun:
		return true, nil
	case !work.Due:
		return true, c.publishBell(ctx, m.JobID) // again: the first bell may have been lost
	case work.Crashes:
		return true, c.fail(ctx, work.Item, schema.ErrorCodePoison, errBreaks, 0)
	default:
		return false, nil
	}
}

// errBreaks fails the remaining items of a job whose items crash the process one after the other.
var errBreaks = fmt.Errorf(
	"the process crashed while judging %d mappings of this job, and none succeeded", schema.PoisonLimit)

// attempt judges the mapping once and saves the result, or records the error if it counts. It returns [errChanged] if
// a row has changed since it was read.
func (c *Classifier) attempt(ctx context.Context, d events.Delivery, work schema.Work) error {
	if err := c.candidates.await(ctx, work.Item.JobID); err != nil {
		return err // before a start is marked
	}
	judge := c.judge
	switch {
	case work.Item.Starts > 0:
		release, err := c.acquireSuspectTurn(work.Classifier.Lane())
		if err != nil {
			return err
		}
		defer release()
		judge = c.judgeMarked
	case d.Deliveries >= markedDelivery:
		judge = c.judgeMarked
	}
	began := time.Now()
	after, saved, err := judge(ctx, work)
	saved.Duration = time.Since(began)
	if err == nil {
		err = c.save(ctx, work, after, saved)
	}
	switch {
	case err == nil:
		return c.publishSaved(ctx, work.Item, saved)
	case errors.Is(err, errStopped):
		return nil // the item stays queued, or is cancelled
	case errors.Is(err, schema.ErrCostCap):
		return c.pauseAtCap(ctx, work)
	case counts(err):
		return c.countFailure(ctx, work.Item, err, saved.Duration)
	default:
		return err
	}
}

// judge evaluates the mapping by the policy, or with the model, with no transaction open. A panic is returned as a
// [judgeError].
func (c *Classifier) judge(
	ctx context.Context, work schema.Work,
) (after schema.Mapping, saved schema.ItemResult, err error) {
	defer func() {
		if value := recover(); value != nil {
			text := schema.ErrorText(fmt.Sprintf("panic: %v", value))
			err = &judgeError{code: schema.ErrorCodePanic, err: errors.New(text)}
			c.recurring.Note(ctx, slog.LevelError, "classifier panicked", err,
				"job_id", work.Item.JobID, "mapping_id", work.Item.MappingID, "stack", string(debug.Stack()))
		}
	}()
	from, err := c.candidates.get(ctx, work)
	if err != nil {
		return after, saved, err
	}
	if work.Classifier == schema.ClassifierRules {
		after, saved = c.evaluate(from, work)
	} else if after, saved, err = c.evaluateWithModel(ctx, from, work); err != nil {
		return after, saved, err
	}
	saved.Attempt = work.Item.Attempt + 1
	return after, saved, nil
}

// save writes the mapping, the item's outcome and the history row in one transaction.
func (c *Classifier) save(ctx context.Context, work schema.Work, after schema.Mapping, saved schema.ItemResult) error {
	err := c.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var ok bool
		var err error
		if saved.Code == schema.ErrorCodeUnchanged {
			ok, err = schema.SkipWork(ctx, tx, work.Item.JobID, work.Mapping, saved)
		} else {
			ok, err = schema.SaveWork(ctx, tx, work.Item.JobID, work.Mapping, after, saved)
		}
		if err == nil && !ok {
			err = errChanged
		}
		return err
	})
	if schema.IsRefused(err) {
		return &judgeError{code: schema.ErrorCodeClassifier, err: err}
	}
	return err
}

// publishSaved publishes the item as the save has left it.
func (c *Classifier) publishSaved(ctx context.Context, item schema.Item, saved schema.ItemResult) error {
	item.Outcome, item.Attempt, item.ErrorCode, item.Error = saved.Outcome, saved.Attempt, saved.Code, saved.Error
	item.Classifier, item.DurationMS = saved.Classifier, saved.Duration.Milliseconds()
	usage := saved.Usage
	item.InputTokens, item.OutputTokens, item.CostUSD = usage.InputTokens, usage.OutputTokens, usage.CostUSD
	return c.publishItem(ctx, item)
}

// publishItem publishes the progress event of an item that has an outcome. A cancelled item has none: the dispatcher
// publishes one event for all cancelled items of the job.
func (c *Classifier) publishItem(ctx context.Context, item schema.Item) error {
	if item.Outcome == schema.OutcomeCancelled {
		return nil
	}
	return c.publish.Publish(ctx, events.JobItemOf(item))
}

// publishBell makes the projector update the status of a job, which shows whether all remaining items wait.
func (c *Classifier) publishBell(ctx context.Context, jobID string) error {
	return c.publish.Publish(ctx, events.JobBell(jobID))
}

package classifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
)

const (
	// endPause is the wait before the end of a call is recorded again.
	endPause = time.Second
	// endTimeout bounds the statement that records the end of a call after the handler's context has ended.
	endTimeout = 5 * time.Second
)

// errStopped ends the wait for a call, or the call, of a job that does not run any more.
var errStopped = errors.New("the job does not run any more")

// caller sends the requests for one item and records each call.
type caller struct {
	*Classifier
	work schema.Work
}

func (c *Classifier) caller(work schema.Work) caller { return caller{c, work} }

// send sends a request when the limiter gives it a turn, and again while the provider refuses it for a reason that
// passes. If the request already has a reply, because the result could not be saved, it returns that and makes no call.
// It records the call shortly before its first turn, so that the provider never waits for the database, and
// the reply. If the lane is paused, the job's status shows why and until when, and the message is redelivered then.
func (c caller) send(ctx context.Context, step schema.CallStep, r provider.Request) (provider.Reply, error) {
	item := c.work.Item
	call := schema.ModelCall{
		JobID: item.JobID, MappingID: item.MappingID, Attempt: item.Attempt + 1, Step: step, Model: c.model.Name(),
		PromptVersion: c.model.Prompt().Version(), RequestSHA256: c.model.Hash(r),
		RequestBytes: llm.Bytes(r), ReservedUSD: c.model.MaxCost(r),
	}
	switch stored, err := schema.GetReply(ctx, c.db, call); {
	case err == nil:
		return c.model.Decode([]byte(stored))
	case !errors.Is(err, schema.ErrNotFound):
		return provider.Reply{}, err
	}
	waiting, calling, done := c.intents.watch(ctx, item.JobID)
	defer done()
	release, err := c.acquireRecord(waiting)
	if err != nil {
		return provider.Reply{}, err
	}
	defer release()
	if paused := c.limiter.Paused(); paused != nil { // perhaps since the wait began
		return provider.Reply{}, c.noteWait(ctx, paused)
	}
	if call, err = schema.InsertModelCall(ctx, c.db, call, c.work.MaxCostUSD); err != nil {
		return provider.Reply{}, err
	}
	call.State = schema.CallStateFailed // until it is sent
	var reply provider.Reply
	err = c.limiter.Do(waiting, func(context.Context) (err error) {
		release()
		began := time.Now()
		reply, err = c.model.Complete(calling, r)
		call.State, call.DurationMS = stateOf(err), time.Since(began).Milliseconds()
		if call.State == schema.CallStateAborted && calling.Err() != nil {
			err = context.Cause(calling)
		}
		return err
	})
	call.RepliedModel, call.Reply = reply.Model, string(reply.Raw)
	call.InputTokens, call.CachedInputTokens = reply.Usage.InputTokens, reply.Usage.CachedTokens
	call.OutputTokens, call.CostUSD = reply.Usage.OutputTokens, c.model.Cost(reply.Usage)
	if err != nil {
		call.Error = err.Error()
	}
	return reply, c.noteWait(ctx, errors.Join(err, c.end(ctx, call)))
}

// acquireRecord waits until few recorded calls wait for their turn. A call that is recorded reserves its cost, and
// counts as lost if the process dies. The caller must call release, and may call it again.
func (c caller) acquireRecord(ctx context.Context) (release func(), err error) {
	select {
	case c.recorded <- struct{}{}:
		return sync.OnceFunc(func() { <-c.recorded }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("turn of a call: %w", context.Cause(ctx))
	}
}

// stateOf returns the state of a call whose last request has ended. A body that the connection cut off is no answer.
func stateOf(err error) schema.CallState {
	_, refused := errors.AsType[*provider.Error](err)
	switch {
	case err == nil || llm.IsUnusable(err):
		return schema.CallStateAnswered
	case refused:
		return schema.CallStateFailed
	default:
		return schema.CallStateAborted
	}
}

// noteWait records in the job's row what the provider makes it wait for, or that it does not any more. The status shows
// it. It returns the error of the call; if the lane is paused, one of [events.RetryAfter].
func (c caller) noteWait(ctx context.Context, err error) error {
	jobID := c.work.Item.JobID
	paused, isPaused := errors.AsType[*throttle.WaitError](err)
	_, replied := errors.AsType[*provider.Error](err)
	switch {
	case isPaused:
		wait := max(time.Until(paused.Until), 0)
		c.recurring.Note(ctx, slog.LevelWarn, "the provider of the model is not available", paused.Err,
			"job_id", jobID, "until", paused.Until)
		c.updateWait(ctx, schema.ErrorText(paused.Err.Error()), wait)
		return events.RetryAfter(wait, err)
	case (err == nil || replied) && c.work.ProviderWait != "":
		c.updateWait(ctx, "", 0)
	}
	return err
}

func (c caller) updateWait(ctx context.Context, reason string, wait time.Duration) {
	jobID := c.work.Item.JobID
	changed, err := schema.UpdateProviderWait(context.WithoutCancel(ctx), c.db, jobID, reason, wait)
	if err == nil && changed {
		err = c.publishBell(ctx, jobID)
	}
	if err != nil {
		c.recurring.Note(ctx, slog.LevelWarn, "cannot record the wait of a job", err, "job_id", jobID)
	}
}

// end records the end of a call. While the database is unreachable it tries again: without the record, the reply would
// be paid for twice. If the handler's context has ended, it tries once.
func (c caller) end(ctx context.Context, call schema.ModelCall) error {
	for {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		err := schema.EndModelCall(within, c.db, call)
		cancel()
		if err == nil || schema.IsRefused(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(endPause):
		}
	}
}

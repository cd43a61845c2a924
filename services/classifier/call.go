package classifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// firstPause and maxPause bound the wait before a call is tried again if the provider gives no hint.
	firstPause, maxPause = time.Second, 30 * time.Second
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

// send records a call, sends its request and records the reply. It waits while the provider is unavailable.
func (c caller) send(ctx context.Context, step schema.CallStep, r provider.Request) (provider.Reply, error) {
	item := c.work.Item
	call := schema.ModelCall{
		JobID: item.JobID, MappingID: item.MappingID, Attempt: item.Attempt + 1, Step: step, Model: c.model.Name(),
		PromptVersion: c.model.Prompt().Version(), RequestSHA256: requestHash(c.model.Name(), r),
		RequestBytes: llm.Bytes(r), ReservedUSD: c.model.MaxCost(r),
	}
	call, err := schema.InsertModelCall(ctx, c.db, call, c.work.MaxCostUSD)
	if err != nil {
		return provider.Reply{}, err
	}
	waiting, calling, done := c.intents.watch(ctx, item.JobID)
	defer done()
	began := time.Now()
	reply, err := c.complete(waiting, calling, r)
	call.DurationMS = time.Since(began).Milliseconds()
	call.RepliedModel, call.Reply = reply.Model, string(reply.Raw)
	call.InputTokens, call.CachedInputTokens = reply.Usage.InputTokens, reply.Usage.CachedTokens
	call.OutputTokens, call.CostUSD = reply.Usage.OutputTokens, c.model.Cost(reply.Usage)
	call.State = stateOf(reply, err)
	if err != nil {
		call.Error = err.Error()
	}
	return reply, errors.Join(err, c.end(ctx, call))
}

// stateOf returns the state of a call that has ended.
func stateOf(reply provider.Reply, err error) schema.CallState {
	_, refused := errors.AsType[*provider.Error](err)
	switch {
	case err == nil || refused && len(reply.Raw) > 0:
		return schema.CallStateAnswered
	case refused:
		return schema.CallStateFailed
	default:
		return schema.CallStateAborted
	}
}

// complete sends the request until the provider replies or refuses it. A provider that is unavailable is tried again
// when it asks for that.
func (c caller) complete(waiting, calling context.Context, r provider.Request) (provider.Reply, error) {
	pause, waited := firstPause, false
	defer func() {
		if waited {
			c.noteWait(calling, nil, 0)
		}
	}()
	for {
		reply, err := c.model.Complete(calling, r)
		failure, ok := errors.AsType[*provider.Error](err)
		if !ok || !failure.Passes() {
			if calling.Err() != nil {
				err = context.Cause(calling)
			}
			return reply, err
		}
		wait := max(failure.RetryAfter, jitter(pause))
		pause = min(2*pause, maxPause)
		c.recurring.Note(calling, slog.LevelWarn, "the provider of the model is not available", failure,
			"job_id", c.work.Item.JobID, "wait", wait)
		c.noteWait(calling, failure, wait)
		waited = true
		select {
		case <-waiting.Done():
			return provider.Reply{}, context.Cause(waiting)
		case <-time.After(wait):
		}
	}
}

// noteWait records in the job's row what the provider makes it wait for, or, without a failure, that it does not. The
// status shows it.
func (c caller) noteWait(ctx context.Context, failure *provider.Error, wait time.Duration) {
	reason := ""
	if failure != nil {
		reason = schema.ErrorText(failure.Error())
	}
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
		case <-time.After(firstPause):
		}
	}
}

// requestHash identifies everything that a request sends.
func requestHash(model string, r provider.Request) string {
	text, err := json.Marshal([]any{model, r})
	if err != nil {
		panic(fmt.Sprintf("request of a model: %v", err)) // not possible: every field can be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

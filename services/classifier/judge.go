package classifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/pdeflow/pdeflow/schema"
)

// judgeError counts against the item's attempts; an immediate retry would fail the same way.
type judgeError struct {
	code schema.ErrorCode
	// final fails the item without another attempt.
	final bool
	err   error
}

func (e *judgeError) Error() string { return e.err.Error() }

func (e *judgeError) Unwrap() error { return e.err }

// counts reports whether an error counts against the item's attempts.
func counts(err error) bool {
	_, ok := errors.AsType[*judgeError](err)
	return ok
}

// judge evaluates the mapping by the policy, with no transaction open. A panic is returned as a [judgeError].
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
	from, err := c.columns.get(ctx, work)
	if err != nil {
		return after, saved, err
	}
	after, saved = c.evaluate(from, work)
	saved.Attempt = work.Item.Attempt + 1
	return after, saved, nil
}

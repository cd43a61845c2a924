package events

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

const (
	retryMin = 250 * time.Millisecond
	// retryMax is also how long a message may wait after an outage has ended.
	retryMax = 5 * time.Second
)

// settle does with a delivery what its verdict asks for. While the connection is away it waits, because what is done would only be done
// again; once the runner has been told to stop it does not.
//
// An acknowledgement is sent and not waited for: one that is lost brings the message again, to a handler that bears that, and waiting
// for each would cost a way to the server and back per message.
func (r *Runner) settle(stop context.Context, d *delivery) {
	ours := d.session.valid(stop)
	err := d.verdict
	if end, ok := errors.AsType[*terminate](err); ok && ours && end.reason != "" && r.consumer.Stream == StreamWork {
		if publishErr := r.publishRejected(stop, d, end); publishErr != nil {
			err = publishErr
		}
	}
	if !r.tracker.release(d) || !ours {
		return
	}
	r.logVerdict(stop, d, err)
	if err := acknowledge(d, err); err != nil {
		r.recurring.Note(stop, slog.LevelWarn, "a settled message may come again", err, "subject", d.msg.Subject())
	}
}

func acknowledge(d *delivery, verdict error) error {
	if verdict == nil {
		return d.msg.Ack()
	}
	if _, ok := errors.AsType[*terminate](verdict); ok {
		return d.msg.Term()
	}
	if later, ok := errors.AsType[*retryLater](verdict); ok {
		return d.msg.NakWithDelay(later.delay)
	}
	return d.msg.NakWithDelay(backoff(int(min(d.deliveries, 100)), retryMin, retryMax))
}

func (r *Runner) logVerdict(ctx context.Context, d *delivery, err error) {
	if err == nil {
		return
	}
	attrs := []any{"subject", d.msg.Subject(), "deliveries", d.deliveries}
	if _, ok := errors.AsType[*retryLater](err); ok {
		r.log.DebugContext(ctx, "a message will come later", append(attrs, "error", err)...)
		return
	}
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		r.recurring.Note(ctx, slog.LevelError, "a handler panicked, the message will come again", err,
			append(attrs, "stack", string(panicked.Stack))...)
		return
	}
	condition := "a message will come again"
	if _, ok := errors.AsType[*terminate](err); ok {
		condition = "a message is ended"
	}
	r.recurring.Note(ctx, slog.LevelWarn, condition, err, attrs...)
}

// publishRejected publishes a message that could not be understood, whole. An event needs no such thing: it stays in its stream for anybody
// to look at.
func (r *Runner) publishRejected(stop context.Context, d *delivery, end *terminate) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), publishTimeout)
	defer cancel()
	m := d.message()
	trace, _ := ParseTraceparent(d.msg.Headers().Get(headerTraceparent))
	return r.reject.Publish(WithTraceparent(ctx, trace), MappingRejected{
		RejectedSubject: m.Subject,
		Headers:         m.Header,
		Data:            m.Data,
		Reason:          end.reason,
		Error:           schema.ErrorText(end.Error()),
	})
}

// returnUnstarted returns a delivery that nobody has begun with, for somebody else to get at once.
func (r *Runner) returnUnstarted(stop context.Context, d *delivery) {
	ours := d.session.valid(stop)
	if !r.tracker.release(d) || !ours {
		return
	}
	if err := d.msg.Nak(); err != nil {
		r.recurring.Note(stop, slog.LevelWarn, "a message that was not started comes again late", err, "subject", d.msg.Subject())
	}
}

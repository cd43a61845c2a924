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
	// retryMax is also the longest wait of a message after an outage has ended.
	retryMax = 5 * time.Second
)

// settle acknowledges, terminates or returns a delivery according to its verdict. It waits for a lost
// connection, since the message would otherwise be handled again, unless the runner is stopping.
//
// Acknowledgements are not confirmed: a lost one has the message redelivered, which handlers accept, and a
// confirmation would cost a round trip for each message.
func (r *Runner) settle(stopping context.Context, d *delivery) {
	valid := d.session.valid(stopping)
	err := d.verdict
	if end, ok := errors.AsType[*terminated](err); ok && valid && end.reason != "" && r.consumer.Stream == StreamWork {
		if publishErr := r.publishRejected(stopping, d, end); publishErr != nil {
			err = publishErr
		}
	}
	if !r.tracker.release(d) || !valid {
		return
	}
	r.logVerdict(stopping, d, err)
	if err := acknowledge(d, err); err != nil {
		r.recurring.Note(
			stopping,
			slog.LevelWarn,
			"acknowledgement failed, message may be redelivered",
			err,
			"subject",
			d.msg.Subject(),
		)
	}
}

func acknowledge(d *delivery, verdict error) error {
	if verdict == nil {
		return d.msg.Ack()
	}
	if _, ok := errors.AsType[*terminated](verdict); ok {
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
		r.log.DebugContext(ctx, "message will be retried later", append(attrs, "error", err)...)
		return
	}
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		r.recurring.Note(ctx, slog.LevelError, "handler panicked, message will be redelivered", err,
			append(attrs, "stack", string(panicked.Stack))...)
		return
	}
	condition := "handler failed, message will be redelivered"
	if _, ok := errors.AsType[*terminated](err); ok {
		condition = "message terminated"
	}
	r.recurring.Note(ctx, slog.LevelWarn, condition, err, attrs...)
}

// publishRejected publishes a rejected work message. A rejected event stays in its stream.
func (r *Runner) publishRejected(stopping context.Context, d *delivery, end *terminated) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stopping), publishTimeout)
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

// returnUnstarted has a delivery that no handler has started redelivered at once.
func (r *Runner) returnUnstarted(stopping context.Context, d *delivery) {
	valid := d.session.valid(stopping)
	if !r.tracker.release(d) || !valid {
		return
	}
	if err := d.msg.Nak(); err != nil {
		r.recurring.Note(
			stopping,
			slog.LevelWarn,
			"returning an unstarted message failed, it is redelivered after AckWait",
			err,
			"subject",
			d.msg.Subject(),
		)
	}
}

package events

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Delivery tells a handler about the message that it got.
type Delivery struct {
	Envelope
	// Subject is where the message was published.
	Subject string
	// Deliveries counts how often it has been delivered, this time included. Restarts, outages and errors count too, so it proves
	// nothing about the message.
	Deliveries uint64
	// Stored is when the stream took it, by the server's clock.
	Stored time.Time
}

// Handler works on one message, and what it returns decides what becomes of the message: nil acknowledges it, [Discard] and [Reject] end
// it, and any other error, a panic too, has it delivered again later, for ever, after a growing delay or that of [RetryAfter]. It has to bear being called twice for one message. The
// context belongs to the trace of the message; it ends when the message is no longer ours, or when a shutdown has lasted too long.
type Handler[T Body] func(ctx context.Context, d Delivery, body T) error

// Body is what a handler can ask for: an event, or the [Message] itself, for whoever wants everything as it came, understood or not.
type Body interface {
	RegenerateRequested | MappingRequested | MappingChanged | PlanningChanged | MappingRejected | JobProgress | JobFinished | Message
}

// BatchHandler works on several messages at once, in the order in which they came. What it returns decides for all of them, as with
// [Handler], unless it returns [Verdicts]. The context belongs to no trace: each message has its own.
type BatchHandler[T Body] func(ctx context.Context, batch []Received[T]) error

// Verdicts are the results of a batch message by message: each decides for the message at its index, as the error of a [Handler] does.
type Verdicts []error

func (v Verdicts) Error() string { return errors.Join(v...).Error() }

// Received is a message of a batch.
type Received[T Body] struct {
	Delivery
	Body T
}

// Discard ends a message that can never be worked on, for the reason in err: it is not delivered again.
func Discard(err error) error { return &terminate{err: err} }

// Reject ends a message that cannot be understood. If it is a work message, it is first published whole to mapping.rejected.<reason>.
func Reject(reason Reason, err error) error { return &terminate{err: err, reason: reason} }

// RetryAfter has the message delivered again after the delay, for the reason in err. It is for what a handler expects to wait for, so it
// is not logged as a problem. A message that waits this way keeps its place in MaxAckPending; what may take long belongs into a row.
func RetryAfter(delay time.Duration, err error) error { return &retryLater{err: err, delay: delay} }

// retryLater is the error of a message that is delivered again after a delay.
type retryLater struct {
	err   error
	delay time.Duration
}

func (l *retryLater) Error() string { return l.err.Error() }

func (l *retryLater) Unwrap() error { return l.err }

// terminate is the error of a message that is not delivered again.
type terminate struct {
	err    error
	reason Reason
}

func (e *terminate) Error() string { return e.err.Error() }

func (e *terminate) Unwrap() error { return e.err }

// PanicError is what a handler's panic becomes.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// safely turns a panic of f into an error.
func safely(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return f()
}

// handle works on the deliveries of one group and sets what becomes of each.
type handle func(ctx context.Context, group []*delivery)

// perMessage calls the handler with the only delivery of the group.
func perMessage[T Body](h Handler[T]) handle {
	return func(ctx context.Context, group []*delivery) {
		for _, d := range group {
			d.verdict = safely(func() error {
				info, body, err := decodeDelivery[T](d)
				if err != nil {
					return err
				}
				return h(WithTraceparent(ctx, info.Traceparent), info, body)
			})
		}
	}
}

// perBatch calls the handler once, with those deliveries of the group that are understood.
func perBatch[T Body](h BatchHandler[T]) handle {
	return func(ctx context.Context, group []*delivery) {
		var (
			received   []Received[T]
			understood []*delivery
		)
		for _, d := range group {
			d.verdict = safely(func() error {
				info, body, err := decodeDelivery[T](d)
				if err == nil {
					received, understood = append(received, Received[T]{Delivery: info, Body: body}), append(understood, d)
				}
				return err
			})
		}
		if len(received) == 0 {
			return
		}
		err := safely(func() error { return h(ctx, received) })
		verdicts, each := err.(Verdicts) //nolint:errorlint // wrapped, it would be an error of the whole batch
		for i, d := range understood {
			if d.verdict = err; each {
				d.verdict = verdicts[i]
			}
		}
	}
}

// decodeDelivery decodes a delivery as T. The error ends it.
func decodeDelivery[T Body](d *delivery) (Delivery, T, error) {
	var (
		body     T
		envelope Envelope
		err      error
	)
	switch into := any(&body).(type) {
	case *Message:
		*into = d.message()
		// What is wrong with it is for the handler to judge, who has the message itself.
		envelope, _ = parseEnvelope(into.Header)
	case Event:
		envelope, err = decode(d.message(), into)
	}
	info := Delivery{Envelope: envelope, Subject: d.msg.Subject(), Deliveries: d.deliveries, Stored: d.stored}
	if wrong, ok := errors.AsType[*DecodeError](err); ok {
		return info, body, Reject(wrong.Reason, wrong)
	}
	return info, body, err
}

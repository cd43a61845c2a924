package events

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Delivery describes the message that a handler receives.
type Delivery struct {
	Envelope
	// Subject is where the message was published.
	Subject string
	// Deliveries is the number of deliveries so far, including this one. Restarts and outages count too, so it
	// is no evidence against the message.
	Deliveries uint64
}

// Handler handles one message, and its result settles the message: nil acknowledges it; [Discard] and [Reject]
// terminate it; any other error, and a panic, has it redelivered after a growing delay or after that of
// [RetryAfter], without a limit. A handler must be safe to call twice for one message. Its context carries the
// trace of the message, and ends when another process may have the message or when the grace period of a
// shutdown is over.
type Handler[T Body] func(ctx context.Context, d Delivery, body T) error

// Body is the type of a handler's message: an event, or [Message] for a handler that takes every message,
// decodable or not.
type Body interface {
	RegenerateRequested | MappingRequested | MappingChanged | PlanningChanged | MappingRejected | JobProgress |
		JobFinished | Message
}

// BatchHandler handles several messages at once, in stream order. Its error settles all of them as with
// [Handler], unless it is [Verdicts]. Its context carries no trace, because each message has its own.
type BatchHandler[T Body] func(ctx context.Context, batch []Received[T]) error

// Verdicts are the results for the messages of a batch, by index; each settles its message as the error of a
// [Handler] does.
type Verdicts []error

func (v Verdicts) Error() string { return errors.Join(v...).Error() }

// Received is a message of a batch.
type Received[T Body] struct {
	Delivery
	Body T
}

// Discard terminates a message that can never be handled, for the reason err.
func Discard(err error) error { return &terminated{err: err} }

// Reject terminates a message that cannot be decoded or names no row, for the reason err. A work message is first
// published to mapping.rejected.<reason>.
func Reject(reason Reason, err error) error { return &terminated{err: err, reason: reason} }

// RetryAfter has the message redelivered after the delay, for the reason err. It is for an expected wait and
// is not logged as a problem. The message counts against MaxAckPending while it waits, so long waits belong in
// a row.
func RetryAfter(delay time.Duration, err error) error { return &retryLater{err: err, delay: delay} }

// retryLater is the error of a message that is redelivered after a delay.
type retryLater struct {
	err   error
	delay time.Duration
}

func (l *retryLater) Error() string { return l.err.Error() }

func (l *retryLater) Unwrap() error { return l.err }

// terminated is the error of a message that is not redelivered.
type terminated struct {
	err    error
	reason Reason
}

func (e *terminated) Error() string { return e.err.Error() }

func (e *terminated) Unwrap() error { return e.err }

// PanicError is the panic of a handler as an error.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// safely calls f and returns its panic as an error.
func safely(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return f()
}

// handle calls a handler with the deliveries of one group and sets their verdicts.
type handle func(ctx context.Context, group []*delivery)

// perMessage calls the handler once for each delivery of the group.
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

// perBatch calls the handler once, with the deliveries of the group that can be decoded.
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
					received, understood = append(
						received,
						Received[T]{Delivery: info, Body: body},
					), append(
						understood,
						d,
					)
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

// decodeDelivery decodes a delivery as T. Its error terminates the message.
func decodeDelivery[T Body](d *delivery) (Delivery, T, error) {
	var (
		body     T
		envelope Envelope
		err      error
	)
	switch into := any(&body).(type) {
	case *Message:
		*into = d.message()
		// The handler has the whole message, so it decides about a wrong envelope.
		envelope, _ = parseEnvelope(into.Header)
	case Event:
		envelope, err = decode(d.message(), into)
	}
	info := Delivery{Envelope: envelope, Subject: d.msg.Subject(), Deliveries: d.deliveries}
	if wrong, ok := errors.AsType[*DecodeError](err); ok {
		return info, body, Reject(wrong.Reason, wrong)
	}
	return info, body, err
}

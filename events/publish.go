package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/schema"
)

var (
	// ErrOutstanding reports that the stream refused a work message because one for the same mapping and job
	// is still in it. That is the normal case for a message that is published again.
	ErrOutstanding = errors.New("already outstanding")
	// ErrDisconnected reports that there is no connection. A message that was being published may or may not
	// be stored.
	ErrDisconnected = errors.New("nats is not connected")
	// ErrNoStream reports that no stream has the subject: it was deleted, or the server lost its store.
	// [Topology.Declare] creates it again.
	ErrNoStream = errors.New("no stream takes the message")
	// ErrNoAnswer reports that the server did not acknowledge the message in time. It may have been stored.
	ErrNoAnswer = errors.New("the server does not answer in time")
)

// Publisher publishes events for one service. It is safe for concurrent use.
type Publisher struct {
	js      jetstream.Publisher
	service schema.Service
	now     func() time.Time
}

// NewPublisher returns a publisher for the service of this name, such as classifier.
func NewPublisher(js jetstream.Publisher, service schema.Service) *Publisher {
	return &Publisher{js: js, service: service, now: time.Now}
}

// Publish publishes the event and waits until the stream has stored it, until ctx ends, or for five seconds if
// ctx has no deadline. The event continues the trace of ctx or begins one. After an error the event may or may
// not be stored; publishing it again is safe.
func (p *Publisher) Publish(ctx context.Context, e Event) error {
	msg, err := p.message(ctx, e)
	if err != nil {
		return err
	}
	ack, err := p.js.PublishMsg(ctx, msg)
	if err == nil {
		err = storedIn(ack, StreamEvents)
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", e.ID(), publishError(err, StreamEvents))
	}
	return nil
}

// storedIn returns an error if another stream stored the message, which means that it has our subject.
func storedIn(ack *jetstream.PubAck, stream string) error {
	if ack.Stream != stream {
		return fmt.Errorf("%w: stream %s has its subject", ErrNoStream, ack.Stream)
	}
	return nil
}

// Probe publishes a bell for an existing job, to find out whether NATS stores events. A bell reports no
// change, so it is not audited.
func (p *Publisher) Probe(ctx context.Context, jobID string) error {
	return p.Publish(ctx, JobBell(jobID))
}

func (p *Publisher) message(ctx context.Context, e Event) (*nats.Msg, error) {
	m, err := Encode(e, p.service, p.now(), TraceparentFrom(ctx).Next())
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}, nil
}

// PublishState is the result of publishing a work message.
type PublishState int

const (
	// NotPublished means an error, or that the result is unknown. The message has to be published again.
	NotPublished PublishState = iota
	// Published means that the stream stored the message.
	Published
	// Outstanding means that the stream still has the message for this mapping and job.
	Outstanding
)

// WorkResult is the result of publishing one work message. Err is set if State is NotPublished.
type WorkResult struct {
	State PublishState
	Err   error
}

// inFlight is the number of unacknowledged work messages. It hides the round trip to the server and bounds how
// many results a lost connection leaves unknown.
const inFlight = 256

// PublishWork publishes work messages in a pipeline and returns their results in the same order. If the
// connection is lost, all unacknowledged messages count as not published. After the first error it sends no
// more, since the stream would refuse the rest too; they get the same error. It returns at the latest when ctx
// ends.
func (p *Publisher) PublishWork(ctx context.Context, work []MappingRequested) []WorkResult {
	results := make([]WorkResult, len(work))
	futures := make([]jetstream.PubAckFuture, len(work))
	var failed error
	settle := func(i int) {
		if results[i] = await(ctx, futures[i], results[i]); failed == nil {
			failed = results[i].Err
		}
	}
	sent := 0
	for ; sent < len(work) && failed == nil; sent++ {
		if sent >= inFlight {
			settle(sent - inFlight)
		}
		futures[sent], results[sent].Err = p.send(ctx, work[sent])
		failed = cmp.Or(failed, results[sent].Err)
	}
	for i := max(0, sent-inFlight); i < sent; i++ {
		settle(i)
	}
	for i := sent; i < len(work); i++ {
		results[i].Err = failed
	}
	return results
}

func (p *Publisher) send(ctx context.Context, work MappingRequested) (jetstream.PubAckFuture, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	msg, err := p.message(ctx, work)
	if err != nil {
		return nil, err
	}
	future, err := p.js.PublishMsgAsync(msg)
	if err != nil {
		return nil, publishError(err, StreamWork)
	}
	return future, nil
}

func await(ctx context.Context, future jetstream.PubAckFuture, result WorkResult) WorkResult {
	if future == nil {
		return result
	}
	select {
	case ack := <-future.Ok():
		if err := storedIn(ack, StreamWork); err != nil {
			return WorkResult{Err: err}
		}
		return WorkResult{State: Published}
	case err := <-future.Err():
		err = publishError(err, StreamWork)
		if errors.Is(err, ErrOutstanding) {
			return WorkResult{State: Outstanding}
		}
		return WorkResult{Err: err}
	case <-ctx.Done():
		return WorkResult{Err: ctx.Err()}
	}
}

// RefusedError is the error of a server that does not store a message.
type RefusedError struct {
	// Stream is the stream that should have stored it.
	Stream string
	// Reason is the server's text and Code its error code.
	Reason string
	Code   jetstream.ErrorCode
}

// Error names the limit that was reached and the remedy. The text is the same for every message that is
// refused for this reason.
func (r *RefusedError) Error() string {
	return fmt.Sprintf("NATS refuses messages for %s: %s%s", r.Stream, r.Reason, r.remedy())
}

func (r *RefusedError) remedy() string {
	switch {
	case r.OfStream():
		return "; raise the limits of the stream, or remove messages from it"
	case r.Code == accountFull:
		return "; raise the JetStream limits of the account, or remove streams or messages from it"
	case r.Code == serverFull, r.Code == serverStorageFull, r.Code == storeFailed:
		return "; free disk space or raise max_file_store, and restart nats-server, which refuses after a full " +
			"disk until then"
	default:
		return ""
	}
}

// OfStream reports whether a limit of the stream itself was reached, which ends when messages leave it.
func (r *RefusedError) OfStream() bool {
	return r.Code == storeFailed && strings.HasPrefix(r.Reason, "maximum ")
}

// Error codes of a server that cannot store a message. Only the text of storeFailed names the limit.
const (
	storeFailed       = 10077
	accountFull       = 10002
	serverFull        = 10023
	serverStorageFull = 10047

	maxPerSubject = "maximum messages per subject exceeded"
)

// publishError maps errors to those that a caller can act on.
func publishError(err error, stream string) error {
	api, fromServer := errors.AsType[*jetstream.APIError](err)
	switch {
	case fromServer && api.ErrorCode == storeFailed && strings.Contains(api.Description, maxPerSubject):
		return ErrOutstanding
	case fromServer:
		return &RefusedError{Stream: stream, Reason: api.Description, Code: api.ErrorCode}
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		// Connect disables the buffer, so this error only means that there is no connection.
		return ErrDisconnected
	case errors.Is(err, nats.ErrDisconnected):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", ErrNoStream, err)
	case errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, nats.ErrTimeout),
		errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	default:
		return err
	}
}

// BlockedReason describes to the user of a job why its messages could not be published. The text is the same for the
// same reason.
func BlockedReason(err error) string {
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		return refusal.Error()
	}
	for _, known := range []error{ErrDisconnected, ErrNoStream, ErrNoAnswer} {
		if errors.Is(err, known) {
			return "NATS takes no messages: " + known.Error()
		}
	}
	return "NATS takes no messages: " + rootCause(err)
}

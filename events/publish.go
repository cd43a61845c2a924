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
)

var (
	// ErrOutstanding says that the stream refused a work message because the mapping's first one is still outstanding. That is as it
	// should be.
	ErrOutstanding = errors.New("outstanding already")
	// ErrDisconnected says that there was no connection. What was being said may have been heard or not.
	ErrDisconnected = errors.New("nats is not connected")
	// ErrNoStream says that no stream takes the message: it was deleted, or the server has just lost its store. [Topology.Declare] makes
	// it again.
	ErrNoStream = errors.New("no stream takes the message")
	// ErrNoAnswer reports that the server did not acknowledge the message in time. It may have been stored.
	ErrNoAnswer = errors.New("the server does not answer in time")
)

// Publisher says events in the name of one service. It may be used by many goroutines at once.
type Publisher struct {
	js      jetstream.Publisher
	service string
	now     func() time.Time
}

// NewPublisher returns a publisher for the service of this name.
func NewPublisher(js jetstream.Publisher, service string) *Publisher {
	return &Publisher{js: js, service: service, now: time.Now}
}

// Publish says the event and waits until the stream has it, at most until the context ends, and five seconds where it has no end. The
// event joins the trace of the context, or begins one. After an error it may have been heard or not; say it again.
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

// storedIn reports a message that a stream of another name has stored, which has its subject instead of ours.
func storedIn(ack *jetstream.PubAck, stream string) error {
	if ack.Stream != stream {
		return fmt.Errorf("%w: stream %s has its subject", ErrNoStream, ack.Stream)
	}
	return nil
}

// Probe publishes a bell for a job that exists, to find out whether NATS takes events. A bell is not something that happened, so nothing is
// recorded of it.
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

// PublishState is what became of a work message.
type PublishState int

// The answers.
const (
	// NotPublished means that it failed, or that nobody knows. It has to be sent again.
	NotPublished PublishState = iota
	// Published means that the stream has it.
	Published
	// Outstanding means that the stream refused it, because the mapping's message is still there.
	Outstanding
)

// WorkResult is what became of one work message; Err says why it was not said.
type WorkResult struct {
	State PublishState
	Err   error
}

// inFlight is how many work messages are on their way at once. It hides the way to the server and back, and bounds what a lost
// connection leaves in doubt.
const inFlight = 256

// PublishWork publishes many work messages, without waiting for one before it sends the next, and returns the results in their order. When
// the connection is lost, everything in flight counts as not published. After the first error it sends nothing more, because the stream
// would refuse that as well: the remaining messages get the same error. It returns when the context ends at the latest.
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

// Refusal is the answer of a NATS server that does not take a message.
type Refusal struct {
	// Stream is where the message should have gone.
	Stream string
	// Reason is the server's own text, and Code its number.
	Reason string
	Code   jetstream.ErrorCode
}

// Error returns what is full and what to do about it. The text is the same for every message that is refused for this reason.
func (r *Refusal) Error() string {
	return fmt.Sprintf("NATS refuses messages for %s: %s%s", r.Stream, r.Reason, r.remedy())
}

func (r *Refusal) remedy() string {
	switch {
	case r.OfStream():
		return "; raise the limits of the stream, or remove messages from it"
	case r.Code == accountFull:
		return "; raise the JetStream limits of the account, or remove streams or messages from it"
	case r.Code == serverFull, r.Code == serverStorageFull, r.Code == storeFailed:
		return "; free disk space or raise max_file_store, and restart nats-server, which refuses after a full disk until then"
	default:
		return ""
	}
}

// OfStream reports whether the message did not fit the limits of the stream itself, which ends as soon as messages leave it.
func (r *Refusal) OfStream() bool {
	return r.Code == storeFailed && strings.HasPrefix(r.Reason, "maximum ")
}

// The codes with which a server refuses a message that it cannot store. Only the text names the limit that was reached.
const (
	storeFailed       = 10077
	accountFull       = 10002
	serverFull        = 10023
	serverStorageFull = 10047

	maxPerSubject = "maximum messages per subject exceeded"
)

// publishError gives the errors that a caller can do something about their names.
func publishError(err error, stream string) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode == storeFailed && strings.Contains(api.Description, maxPerSubject):
		return ErrOutstanding
	case errors.As(err, &api):
		return &Refusal{Stream: stream, Reason: api.Description, Code: api.ErrorCode}
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		// There is no buffer to exceed (see Connect), so this only ever means that there is no connection.
		return ErrDisconnected
	case errors.Is(err, nats.ErrDisconnected):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", ErrNoStream, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	default:
		return err
	}
}

// Blocked describes to the user of a job why a message about it could not be published: the same text for the same reason.
func Blocked(err error) string {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Error()
	}
	for _, known := range []error{ErrDisconnected, ErrNoStream, ErrNoAnswer} {
		if errors.Is(err, known) {
			return "NATS takes no messages: " + known.Error()
		}
	}
	return "NATS takes no messages: " + rootCause(err)
}

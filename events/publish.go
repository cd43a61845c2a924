package events

import (
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
	if _, err := p.js.PublishMsg(ctx, msg); err != nil {
		return fmt.Errorf("publish %s: %w", e.ID(), publishError(err))
	}
	return nil
}

func (p *Publisher) message(ctx context.Context, e Event) (*nats.Msg, error) {
	m, err := Encode(e, p.service, p.now(), TraceparentFrom(ctx).Next())
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}, nil
}

// Answer is what became of a work message.
type Answer int

// The answers.
const (
	// NotSaid means that it failed, or that nobody knows. It has to be sent again.
	NotSaid Answer = iota
	// Accepted means that the stream has it.
	Accepted
	// Outstanding means that the stream refused it, because the mapping's message is still there.
	Outstanding
)

// WorkResult is what became of one work message; Err says why it was not said.
type WorkResult struct {
	Answer Answer
	Err    error
}

// inFlight is how many work messages are on their way at once. It hides the way to the server and back, and bounds what a lost
// connection leaves in doubt.
const inFlight = 256

// PublishWork says many work messages, without waiting for one before it says the next, and returns what became of each, in their order.
// When the connection is lost, all that was on its way counts as not said. It returns when the context ends at the latest.
func (p *Publisher) PublishWork(ctx context.Context, work []MappingRequested) []WorkResult {
	results := make([]WorkResult, len(work))
	futures := make([]jetstream.PubAckFuture, len(work))
	for i := range work {
		if i >= inFlight {
			results[i-inFlight] = await(ctx, futures[i-inFlight], results[i-inFlight])
		}
		futures[i], results[i].Err = p.send(ctx, work[i])
	}
	for i := max(0, len(work)-inFlight); i < len(work); i++ {
		results[i] = await(ctx, futures[i], results[i])
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
		return nil, publishError(err)
	}
	return future, nil
}

func await(ctx context.Context, future jetstream.PubAckFuture, result WorkResult) WorkResult {
	if future == nil {
		return result
	}
	select {
	case <-future.Ok():
		return WorkResult{Answer: Accepted}
	case err := <-future.Err():
		err = publishError(err)
		if errors.Is(err, ErrOutstanding) {
			return WorkResult{Answer: Outstanding}
		}
		return WorkResult{Err: err}
	case <-ctx.Done():
		return WorkResult{Err: ctx.Err()}
	}
}

// storeFailed is the code with which a stream refuses a message that does not fit its limits; which of them, only the text says.
const (
	storeFailed   = 10077
	maxPerSubject = "maximum messages per subject exceeded"
)

// publishError gives the errors that a caller can do something about their names.
func publishError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode == storeFailed && strings.Contains(api.Description, maxPerSubject):
		return ErrOutstanding
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		// There is no buffer to exceed (see Connect), so this only ever means that there is no connection.
		return ErrDisconnected
	case errors.Is(err, nats.ErrDisconnected):
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", ErrNoStream, err)
	default:
		return err
	}
}

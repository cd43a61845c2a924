package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// answerWithin is how long NATS may take to tell what it has.
	answerWithin = 2 * time.Second
	// looks is how often it is looked whether anybody asks for messages, lookEvery apart, since between two requests nobody does.
	looks     = 10
	lookEvery = 100 * time.Millisecond
)

// witness tells from NATS why a job does not move, where the rows only say which step is not done. Without a URL it has seen nothing.
type witness struct{ url string }

// sees says what there is to see of the job.
func (w witness) sees(ctx context.Context, job schema.StuckJob) string {
	if w.url == "" {
		return ""
	}
	nc, err := events.Connect(w.url, "pdeflow-check", "", slog.New(slog.DiscardHandler), nats.Timeout(answerWithin))
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	if !nc.IsConnected() {
		return "NATS does not answer at " + redacted(w.url)
	}
	js, err := events.JetStream(nc)
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*answerWithin)
	defer cancel()
	switch {
	case job.DueMapping != "" && job.Intent == schema.IntentRun:
		return w.message(ctx, js, job)
	case !job.ListedAt.IsZero() && job.Queued == 0:
		return w.reader(ctx, js, events.Projector())
	default:
		return ""
	}
}

// message says whether the mapping that is due has a message, and if it has, whether anybody takes it.
func (w witness) message(ctx context.Context, js jetstream.JetStream, job schema.StuckJob) string {
	stream, err := js.Stream(ctx, events.StreamWork)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return "the stream " + events.StreamWork + " is not there, and no dispatcher makes it"
	}
	if err != nil {
		return "NATS does not tell: " + err.Error()
	}
	subject := events.MappingRequestedSubject(job.Classifier.Lane(), job.ID, job.DueMapping)
	_, err = stream.GetLastMsgForSubject(ctx, subject.String())
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Sprintf("mapping %s has no message in %s: no dispatcher sends it", job.DueMapping, events.StreamWork)
	case err != nil:
		return "NATS does not tell: " + err.Error()
	}
	return fmt.Sprintf("the message of mapping %s is in %s, and %s", job.DueMapping, events.StreamWork, w.reader(ctx, js, events.ClassifierRules()))
}

// reader says whether anybody reads what the consumer has.
func (w witness) reader(ctx context.Context, js jetstream.JetStream, c events.Consumer) string {
	for range looks {
		consumer, err := js.Consumer(ctx, c.Stream, c.Name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Sprintf("its consumer %s is not there: no %s runs", c.Name, c.Service)
		}
		if err != nil {
			return "NATS does not tell: " + err.Error()
		}
		if info := consumer.CachedInfo(); info.NumWaiting > 0 || info.NumAckPending > 0 {
			return fmt.Sprintf("a %s reads its consumer %s", c.Service, c.Name)
		}
		if err := sleep(ctx, lookEvery); err != nil {
			break
		}
	}
	return fmt.Sprintf("nobody reads its consumer %s: no %s runs", c.Name, c.Service)
}

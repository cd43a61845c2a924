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
	natsTimeout = 2 * time.Second
	// looks is how often it is looked whether anybody asks for messages, lookEvery apart, since between two requests
	// nobody does.
	consumerProbes = 10
	probeEvery     = 100 * time.Millisecond
)

// witness tells from NATS why jobs do not move, where the rows only say which step is not done. Without a server it has
// seen nothing.
type natsProbe struct {
	server natsServer

	js jetstream.JetStream
	// trouble is why it cannot see anything.
	trouble string
	// readers is what was seen of a consumer by its name: one look serves all jobs.
	readers map[string]string
}

// open connects, once for all that is to be looked at. What keeps it from seeing it says of every job.
func (w *natsProbe) open() (end func()) {
	end = func() {}
	if w.server.url == "" {
		return end
	}
	w.readers = map[string]string{}
	nc, err := w.server.connect("pdeflow-check", slog.New(slog.DiscardHandler), nats.Timeout(natsTimeout))
	if err != nil {
		w.trouble = err.Error()
		return end
	}
	if !nc.IsConnected() {
		w.trouble = "NATS does not answer at " + redacted(w.server.url)
		return nc.Close
	}
	if w.js, err = (events.Topology{Domain: w.server.domain}).JetStream(nc); err != nil {
		w.trouble = err.Error()
	}
	return nc.Close
}

// sees says what there is to see of the job.
func (w *natsProbe) explain(ctx context.Context, job schema.StuckJob) string {
	if w.js == nil {
		return w.trouble
	}
	ctx, cancel := context.WithTimeout(ctx, 2*natsTimeout)
	defer cancel()
	switch {
	case job.DueMapping != "" && job.Intent == schema.IntentRun:
		return w.message(ctx, job)
	case !job.ListedAt.IsZero() && job.Queued == 0:
		return w.reader(ctx, events.Projector())
	default:
		return ""
	}
}

// message says whether the mapping that is due has a message, and if it has, whether anybody takes it.
func (w *natsProbe) message(ctx context.Context, job schema.StuckJob) string {
	stream, err := w.js.Stream(ctx, events.StreamWork)
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
	return fmt.Sprintf("the message of mapping %s is in %s, and %s", job.DueMapping, events.StreamWork,
		w.reader(ctx, events.ClassifierRules()))
}

// reader says whether anybody reads what the consumer has.
func (w *natsProbe) reader(ctx context.Context, c events.Consumer) string {
	if _, looked := w.readers[c.Name]; !looked {
		w.readers[c.Name] = w.look(ctx, c)
	}
	return w.readers[c.Name]
}

func (w *natsProbe) look(ctx context.Context, c events.Consumer) string {
	for range consumerProbes {
		consumer, err := w.js.Consumer(ctx, c.Stream, c.Name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Sprintf("its consumer %s is not there: no %s runs", c.Name, c.Service)
		}
		if err != nil {
			return "NATS does not tell: " + err.Error()
		}
		if isRead(consumer.CachedInfo()) {
			return fmt.Sprintf("a %s reads its consumer %s", c.Service, c.Name)
		}
		if err := sleep(ctx, probeEvery); err != nil {
			break
		}
	}
	return fmt.Sprintf("nobody reads its consumer %s: no %s runs", c.Name, c.Service)
}

// isRead says whether somebody asks for messages, or works on some. What a dead reader held counts as out until
// somebody else asks for it, so it is no sign of life where nothing was delivered or acknowledged for as long as a
// message may be silent. A reader that lives, even one that hangs, says of what it holds that it is alive, and NATS
// counts that as delivered.
func isRead(info *jetstream.ConsumerInfo) bool {
	lately := func(at *time.Time) bool { return at != nil && info.TimeStamp.Sub(*at) < info.Config.AckWait }
	return info.NumWaiting > 0 || info.NumAckPending > 0 && (lately(info.Delivered.Last) || lately(info.AckFloor.Last))
}

// refused publishes a bell, and returns why NATS does not take it. A server that cannot be reached refuses nothing.
func (w *natsProbe) refused(ctx context.Context, jobID string) string {
	if w.js == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	err := events.NewPublisher(w.js, "check").Probe(ctx, jobID)
	if apiError, ok := errors.AsType[*events.Refusal](err); ok {
		return apiError.Error()
	}
	return ""
}

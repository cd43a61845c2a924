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
	// natsTimeout limits one request to NATS.
	natsTimeout = 2 * time.Second
	// A consumer is probed several times, because a reader is not waiting between two of its requests.
	consumerProbes = 10
	probeEvery     = 100 * time.Millisecond
)

// natsProbe explains from the state of NATS why jobs make no progress. Without a server it has no explanation.
type natsProbe struct {
	server natsServer

	js jetstream.JetStream
	// trouble is why NATS cannot be inspected.
	trouble string
	// readers caches the state of each consumer by name, so that it is probed once for all jobs.
	readers map[string]string
}

// open connects once for all probes. If that fails, every explanation is the failure.
func (p *natsProbe) open() (end func()) {
	end = func() {}
	if p.server.url == "" {
		return end
	}
	p.readers = map[string]string{}
	nc, err := p.server.connect("pdeflow-check", slog.New(slog.DiscardHandler), nats.Timeout(natsTimeout))
	if err != nil {
		p.trouble = err.Error()
		return end
	}
	if !nc.IsConnected() {
		p.trouble = "NATS does not respond at " + redacted(p.server.url)
		return nc.Close
	}
	if p.js, err = (events.Topology{Domain: p.server.domain}).JetStream(nc); err != nil {
		p.trouble = err.Error()
	}
	return nc.Close
}

// explain describes what NATS holds for the job, or returns "".
func (p *natsProbe) explain(ctx context.Context, job schema.StuckJob) string {
	if p.js == nil {
		return p.trouble
	}
	ctx, cancel := context.WithTimeout(ctx, 2*natsTimeout)
	defer cancel()
	switch {
	case job.DueMapping != "" && job.Intent == schema.IntentRun:
		return p.message(ctx, job)
	case !job.ListedAt.IsZero() && job.Queued == 0:
		return p.reader(ctx, events.Projector())
	default:
		return ""
	}
}

// message reports whether the due mapping has a message and whether the message's consumer is read.
func (p *natsProbe) message(ctx context.Context, job schema.StuckJob) string {
	stream, err := p.js.Stream(ctx, events.StreamWork)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return "stream " + events.StreamWork + " does not exist; is a dispatcher running?"
	}
	if err != nil {
		return "NATS: " + err.Error()
	}
	subject := events.MappingRequestedSubject(job.Classifier.Lane(), job.ID, job.DueMapping)
	_, err = stream.GetLastMsgForSubject(ctx, subject.String())
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Sprintf("mapping %s has no message in %s; is a dispatcher running?", job.DueMapping,
			events.StreamWork)
	case err != nil:
		return "NATS: " + err.Error()
	}
	return fmt.Sprintf("the message of mapping %s is in %s, and %s", job.DueMapping, events.StreamWork,
		p.reader(ctx, events.ClassifierRules()))
}

// reader reports whether a service reads from the consumer.
func (p *natsProbe) reader(ctx context.Context, c events.Consumer) string {
	if _, probed := p.readers[c.Name]; !probed {
		p.readers[c.Name] = p.probe(ctx, c)
	}
	return p.readers[c.Name]
}

func (p *natsProbe) probe(ctx context.Context, c events.Consumer) string {
	for range consumerProbes {
		consumer, err := p.js.Consumer(ctx, c.Stream, c.Name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Sprintf("consumer %s does not exist; is a %s running?", c.Name, c.Service)
		}
		if err != nil {
			return "NATS: " + err.Error()
		}
		if reason := events.Paused(consumer.CachedInfo()); reason != "" {
			return reason
		}
		if isRead(consumer.CachedInfo()) {
			return fmt.Sprintf("a %s reads from consumer %s", c.Service, c.Name)
		}
		if err := sleep(ctx, probeEvery); err != nil {
			break
		}
	}
	return fmt.Sprintf("nothing reads from consumer %s; is a %s running?", c.Name, c.Service)
}

// isRead reports whether a service is reading from the consumer. Messages of a dead reader count as pending until
// another reader requests them, so pending messages are a sign of life only if one was delivered or acknowledged within
// AckWait: a live reader, even one that hangs, sends in-progress acknowledgements, which NATS counts as deliveries.
func isRead(info *jetstream.ConsumerInfo) bool {
	lately := func(at *time.Time) bool { return at != nil && info.TimeStamp.Sub(*at) < info.Config.AckWait }
	return info.NumWaiting > 0 || info.NumAckPending > 0 && (lately(info.Delivered.Last) || lately(info.AckFloor.Last))
}

// refused publishes a resync event (bell) and returns why NATS refuses it, or "". An unreachable server refuses
// nothing.
func (p *natsProbe) refused(ctx context.Context, jobID string) string {
	if p.js == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	err := events.NewPublisher(p.js, "check").Probe(ctx, jobID)
	if refusal, ok := errors.AsType[*events.RefusedError](err); ok {
		return refusal.Error()
	}
	return ""
}

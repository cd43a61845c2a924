package faults

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func (r *run) jetStream() jetstream.JetStream {
	r.t.Helper()
	js, err := events.JetStream(r.nats.Conn(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

// gone fails the run for any error but that the stream or consumer does not exist: another fault may have deleted it.
func (r *run) gone(err error) {
	r.t.Helper()
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrConsumerNotFound) &&
		!errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, jetstream.ErrNoStreamResponse) &&
		!errors.Is(err, events.ErrNoStream) {
		r.t.Fatal(err)
	}
}

func (r *run) deleteStream() {
	streams := []string{events.StreamWork, events.StreamEvents}
	r.gone(r.jetStream().DeleteStream(r.t.Context(), streams[r.random.IntN(len(streams))]))
}

func (r *run) deleteConsumer() {
	at := []struct{ stream, consumer string }{
		{events.StreamWork, "classifier-rules"}, {events.StreamEvents, "projector"}, {events.StreamEvents, "auditor"},
	}[r.random.IntN(3)]
	r.gone(r.jetStream().DeleteConsumer(r.t.Context(), at.stream, at.consumer))
}

// refuse makes PDE_EVENTS refuse messages for a while.
func (r *run) refuse() {
	r.limit(1, jetstream.DiscardNew)
	r.lasts(r.upTo(2 * time.Second))
	r.limit(-1, jetstream.DiscardOld)
}

func (r *run) limit(most int64, discard jetstream.DiscardPolicy) {
	r.t.Helper()
	js := r.jetStream()
	stream, err := js.Stream(r.t.Context(), events.StreamEvents)
	if r.gone(err); err != nil {
		return
	}
	config := stream.CachedInfo().Config
	config.MaxMsgs, config.Discard = most, discard
	_, err = js.UpdateStream(r.t.Context(), config)
	r.gone(err)
}

// repeatEvents publishes copies of events that the stream has, in a random order.
func (r *run) repeatEvents() {
	r.t.Helper()
	js := r.jetStream()
	stream, err := js.Stream(r.t.Context(), events.StreamEvents)
	if r.gone(err); err != nil {
		return
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 {
		return
	}
	for range 100 {
		n := state.FirstSeq + r.random.Uint64N(state.LastSeq-state.FirstSeq+1)
		message, err := stream.GetMsg(r.t.Context(), n)
		if r.gone(err); err != nil {
			continue
		}
		message.Header.Del(nats.MsgIdHdr)
		copied := &nats.Msg{Subject: message.Subject, Header: message.Header, Data: message.Data}
		_, err = js.PublishMsg(r.t.Context(), copied)
		r.gone(err)
	}
}

// forge publishes events of things that did not happen, and messages that cannot be read.
func (r *run) forge() {
	r.t.Helper()
	js := r.jetStream()
	publisher := events.NewPublisher(js, "forger")
	var items []schema.Item
	if err := r.db.NewSelect().Model(&items).Where("job_id = ?", r.job).OrderExpr("random()").Limit(20).
		Scan(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	forged := []events.Event{events.JobListed(r.job, 3), events.JobBell("no-such-job"), events.JobStarted(r.job)}
	for _, item := range items {
		item.Outcome = schema.OutcomeFailed
		forged = append(forged, events.JobItemOf(item))
	}
	for _, event := range forged {
		r.gone(publisher.Publish(r.t.Context(), event))
	}
	for _, garbled := range []*nats.Msg{
		{Subject: "job.progress." + r.job, Data: []byte(`{"job_id":`)},
		{Subject: "mapping.requested.rules." + r.job + ".no-such-mapping", Data: []byte("not JSON at all")},
	} {
		_, err := js.PublishMsg(r.t.Context(), garbled)
		r.gone(err)
	}
}

package events_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema"
)

// A subscriber of its own, such as one for an alert, needs a connection, a consumer and a handler.
func ExampleConsume() {
	dir, err := os.MkdirTemp("", "nats")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := localnats.Start(ctx, localnats.Options{StoreDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()

	nc, err := events.Connect(server.URL(), "alerts", "", slog.New(slog.DiscardHandler))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	js, err := events.JetStream(nc)
	if err != nil {
		log.Fatal(err)
	}

	alerts := events.Consumer{
		Name: "alerts", Service: "alerts", Stream: events.StreamEvents, Filter: events.TopicJobProgress.Filter(),
		MaxAckPending: 100,
	}
	handler := func(_ context.Context, d events.Delivery, e events.JobProgress) error {
		fmt.Println(d.Subject, d.ID)
		if e.Kind == events.KindListed {
			fmt.Println(e.Listed.TotalSteps, "mappings")
			cancel()
		}
		return nil // acknowledges the message
	}
	if err := (events.Topology{}).Declare(ctx, js); err != nil {
		log.Fatal(err)
	}
	publisher := events.NewPublisher(js, "dispatcher")
	for _, e := range []events.Event{events.JobStarted("job-1"), events.JobListed("job-1", 118)} {
		if err := publisher.Publish(ctx, e); err != nil {
			log.Fatal(err)
		}
	}
	if err := events.Consume(js, alerts, handler, events.Options{}).Run(ctx); err != nil {
		log.Fatal(err)
	}

	// Output:
	// job.progress.job-1 started/job-1
	// job.progress.job-1 listed/job-1
	// 118 mappings
}

func ExampleEncode() {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	m, err := events.Encode(events.JobListed("job-1", 118), "dispatcher", at, events.Traceparent{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Subject)
	fmt.Println(m.Header["ce-id"][0], m.Header["ce-type"][0], m.Header["ce-source"][0])
	fmt.Println(string(m.Data))
	// Output:
	// job.progress.job-1
	// listed/job-1 io.pdeflow.job.progress.v1 /pdeflow/dispatcher
	// {"job_id":"job-1","kind":"listed","total_steps":118}
}

func ExampleDecode() {
	m := events.Message{
		Subject: "job.progress.job-1",
		Header: map[string][]string{
			"ce-specversion": {"1.0"}, "ce-id": {"started/job-1"}, "ce-source": {"/pdeflow/dispatcher"},
			"ce-type": {"io.pdeflow.job.progress.v1"},
		},
		Data: []byte(`{"job_id":"job-1","kind":"started"}`),
	}
	envelope, event, err := events.Decode[events.JobProgress](m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(envelope.Source, event.Kind, event.JobID)

	m.Data = []byte(`{"job_id":"job-2","kind":"started"}`)
	_, _, err = events.Decode[events.JobProgress](m)
	var invalid *events.DecodeError
	fmt.Println(errors.As(err, &invalid), invalid.Reason, err)
	// Output:
	// /pdeflow/dispatcher started job-1
	// true body body belongs to subject job.progress.job-2, not job.progress.job-1
}

func ExampleParseSubject() {
	s, err := events.ParseSubject("mapping.requested.rules.job-1.mapping-7")
	fmt.Println(s.Topic, s.Lane, s.JobID, s.MappingID, err)
	_, err = events.ParseSubject("mapping.requested.rules.job-1")
	fmt.Println(err)
	// Output:
	// mapping.requested rules job-1 mapping-7 <nil>
	// subject "mapping.requested.rules.job-1" has 2 tokens after its topic, want 3
}

func ExampleTopic_Filter() {
	fmt.Println(events.TopicJobProgress.Filter())
	fmt.Println(events.TopicMappingRequested.Filter())
	// Output:
	// job.progress.*
	// mapping.requested.*.*.*
}

func ExampleMappingRequestedSubject() {
	fmt.Println(events.MappingRequestedSubject(schema.Lanes()[0], "job-1", "mapping-7"))
	// Output: mapping.requested.rules.job-1.mapping-7
}

func ExampleServers() {
	servers, err := events.Servers("nats://a:4222,b:4222")
	fmt.Println(servers, err)
	_, err = events.Servers("nats://user:secret@")
	fmt.Println(err)
	// Output:
	// [nats://a:4222 nats://b:4222] <nil>
	// the NATS URL is not of the form nats://host:port or nats://user:password@host:port
}

func ExampleCheckID() {
	fmt.Println(events.CheckID("01a21e47-1197-77c8-8530-7af1bb823e30"))
	fmt.Println(events.CheckID("a.b"))
	// Output:
	// <nil>
	// id "a.b" contains '.'
}

func ExampleTraceparent_Next() {
	t, err := events.ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if err != nil {
		log.Fatal(err)
	}
	next := t.Next()
	fmt.Println(next.TraceID(), next != t)
	// Output: 4bf92f3577b34da6a3ce929d0e0e4736 true
}

func ExampleBlockedReason() {
	err := fmt.Errorf("publish started/job-1: %w", events.ErrDisconnected)
	fmt.Println(events.BlockedReason(err))
	// Output: NATS takes no messages: nats is not connected
}

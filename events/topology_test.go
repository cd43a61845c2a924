package events_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestTopology_Streams(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	news := f.streamConfig(t, events.StreamEvents)
	want := []string{
		"job.finished.*", "job.progress.*", "mapping.changed.*", "mapping.rejected.*", "planning.changed.*",
		"regenerate.requested.*",
	}
	if got := slices.Sorted(slices.Values(news.Subjects)); !slices.Equal(got, want) {
		t.Errorf("subjects of the events: got %q, want %q", got, want)
	}
	if news.Retention != jetstream.LimitsPolicy || news.Discard != jetstream.DiscardOld ||
		news.MaxAge != 30*24*time.Hour ||
		news.Storage != jetstream.FileStorage || news.MaxMsgs != -1 ||
		news.MaxMsgsPerSubject != -1 ||
		news.Replicas != 1 {
		t.Errorf("stream of the events: got %+v, want 30 days in files with the old ones discarded", news)
	}
	queue := f.streamConfig(t, events.StreamWork)
	want = []string{"mapping.requested.llm.*.*", "mapping.requested.rules.*.*"}
	if got := slices.Sorted(slices.Values(queue.Subjects)); !slices.Equal(got, want) {
		t.Errorf("subjects of the work: got %q, want %q", got, want)
	}
	if queue.Retention != jetstream.WorkQueuePolicy || queue.Discard != jetstream.DiscardNew ||
		!queue.DiscardNewPerSubject ||
		queue.MaxMsgsPerSubject != 1 ||
		queue.MaxAge != 24*time.Hour ||
		queue.Storage != jetstream.FileStorage {
		t.Errorf("stream of the work: got %+v, want a queue with one message for each subject", queue)
	}
}

func TestTopology_Consumers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := (events.Topology{}).Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		stream, name, filter string
		start                jetstream.DeliverPolicy
	}{
		{events.StreamWork, "classifier-rules", "mapping.requested.rules.>", jetstream.DeliverAllPolicy},
		{events.StreamWork, "classifier-llm", "mapping.requested.llm.>", jetstream.DeliverAllPolicy},
		{events.StreamEvents, "projector", "job.progress.*", jetstream.DeliverNewPolicy},
	} {
		t.Run(want.name, func(t *testing.T) {
			have := f.consumerConfig(t, want.stream, want.name)
			if have.Durable != want.name || have.FilterSubject != want.filter || have.DeliverPolicy != want.start ||
				have.AckPolicy != jetstream.AckExplicitPolicy || have.MaxDeliver != -1 || have.InactiveThreshold != 0 ||
				have.AckWait != 6*time.Second || have.MaxAckPending < 500 {
				t.Errorf("%s: got %+v, want %+v", want.name, have, want)
			}
		})
	}
	for _, missing := range []string{"auditor"} {
		for _, stream := range []string{events.StreamWork, events.StreamEvents} {
			if _, err := f.js.Consumer(t.Context(), stream, missing); !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Errorf("Consumer(%s, %s): got %v, want %v", stream, missing, err, jetstream.ErrConsumerNotFound)
			}
		}
	}
}

func TestDeclare_SeveralProcessesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const processes = 8
	connections := make([]jetstream.JetStream, processes)
	for i := range connections {
		js, err := events.JetStream(connect(t, f.URL(), f.log.Logger()))
		if err != nil {
			t.Fatal(err)
		}
		connections[i] = js
	}
	atOnce := func(declare func(i int, js jetstream.JetStream) error) {
		t.Helper()
		errs := make([]error, processes)
		var all sync.WaitGroup
		start := make(chan struct{})
		for i, js := range connections {
			all.Go(func() {
				<-start
				errs[i] = declare(i, js)
			})
		}
		close(start)
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	atOnce(func(_ int, js jetstream.JetStream) error { return events.Topology{}.Declare(t.Context(), js) })

	// Every process finds that the consumer is missing before any of them creates it.
	var missing sync.WaitGroup
	missing.Add(processes)
	atOnce(func(i int, js jetstream.JetStream) error {
		_, err := events.Topology{}.DeclareConsumer(
			t.Context(),
			js,
			events.Auditor(func(context.Context) (time.Time, error) {
				missing.Done()
				missing.Wait()
				return time.Now().Add(time.Duration(i) * time.Second), nil
			}),
		)
		return err
	})
}

func TestDeclare_AgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	f.send(t, work("j", "m"))
	changes, err := f.nc.SubscribeSync("$JS.API.*.UPDATE.>")
	if err != nil {
		t.Fatal(err)
	}
	created := f.created(t)
	if err := eventstest.Topology().Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	if err := f.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := changes.Pending(); n != 0 {
		t.Errorf("updates: got %d, want none", n)
	}
	if again := f.created(t); !slices.Equal(created, again) {
		t.Errorf("times of creation: got %v, want %v", again, created)
	}
	if !f.holds(t, events.StreamWork, "mapping.requested.rules.j.m") {
		t.Error("the work is gone")
	}
}

func (f *fixture) created(t *testing.T) []time.Time {
	t.Helper()
	var at []time.Time
	for _, name := range []string{events.StreamWork, events.StreamEvents} {
		stream, err := f.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, stream.CachedInfo().Created)
		for consumer := range stream.ListConsumers(t.Context()).Info() {
			at = append(at, consumer.Created)
		}
	}
	return at
}

func TestDeclare_UpdatesDifferencesAndKeepsOtherSettings(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	news := f.streamConfig(t, events.StreamEvents)
	news.MaxAge, news.MaxBytes, news.Metadata = time.Hour, 1<<30, map[string]string{"owner": "ops"}
	news.Subjects = []string{"job.progress.*"}
	if _, err := f.js.UpdateStream(t.Context(), news); err != nil {
		t.Fatal(err)
	}
	projector := f.consumerConfig(t, events.StreamEvents, "projector")
	projector.MaxDeliver, projector.MaxAckPending = 3, 1
	if _, err := f.js.UpdateConsumer(t.Context(), events.StreamEvents, projector); err != nil {
		t.Fatal(err)
	}
	if err := (events.Topology{}).Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	news = f.streamConfig(t, events.StreamEvents)
	if news.MaxAge != 30*24*time.Hour || len(news.Subjects) != len((events.Topology{}).Streams()[0].Subjects) {
		t.Errorf("declared again: got %+v, want the declared age and subjects", news)
	}
	if news.MaxBytes != 1<<30 || news.Metadata["owner"] != "ops" {
		t.Errorf("declared again: got %+v, want the size and metadata of the operator", news)
	}
	if c := f.consumerConfig(t, events.StreamEvents, "projector"); c.MaxDeliver != -1 || c.MaxAckPending < 500 {
		t.Errorf("declared again: got %+v, want the declared limits", c)
	}
}

func TestDeclare_NamesASettingThatCannotChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.js.CreateStream(
		t.Context(), jetstream.StreamConfig{Name: events.StreamWork, Subjects: []string{"mapping.requested.rules.*.*"}},
	); err != nil {
		t.Fatal(err)
	}
	err := (events.Topology{}).Declare(t.Context(), f.js)
	if err == nil || !strings.Contains(err.Error(), events.StreamWork) || !strings.Contains(err.Error(), "retention") {
		t.Errorf("Declare: got %v, want an error with the stream and its retention", err)
	}
}

func TestDeclareConsumer_AuditorBeginsAtItsLastRow(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	for _, job := range []string{"early", "late"} {
		if err := f.pub.Publish(t.Context(), events.JobStarted(job)); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := f.js.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	late, err := stream.GetLastMsgForSubject(t.Context(), "job.progress.late")
	if err != nil {
		t.Fatal(err)
	}
	lastRow := time.Time{}
	auditor := events.Auditor(func(context.Context) (time.Time, error) { return lastRow, nil })
	heard := func() []string {
		var jobs []string
		c, err := (events.Topology{}).DeclareConsumer(t.Context(), f.js, auditor)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := c.FetchNoWait(10)
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			jobs = append(jobs, strings.TrimPrefix(m.Subject(), "job.progress."))
		}
		return jobs
	}
	if got, want := heard(), []string{"early", "late"}; !slices.Equal(got, want) {
		t.Errorf("without a row: got %v, want %v", got, want)
	}
	// Once it exists its start no longer counts.
	lastRow = late.Time
	if jobs := heard(); len(jobs) != 0 {
		t.Errorf("declared again: got %v, want none", jobs)
	}
	if err := f.js.DeleteConsumer(t.Context(), events.StreamEvents, auditor.Name); err != nil {
		t.Fatal(err)
	}
	if got, want := heard(), []string{"late"}; !slices.Equal(got, want) {
		t.Errorf("after a row of that time: got %v, want %v", got, want)
	}
	if err := f.js.DeleteConsumer(t.Context(), events.StreamEvents, auditor.Name); err != nil {
		t.Fatal(err)
	}
	auditor = events.Auditor(func(context.Context) (time.Time, error) { return time.Time{}, errors.New("no database") })
	if _, err := (events.Topology{}).DeclareConsumer(t.Context(), f.js, auditor); err == nil ||
		!strings.Contains(err.Error(), "no database") {
		t.Errorf("DeclareConsumer: got %v, want an error with %q", err, "no database")
	}
}

func TestDeclareConsumer_DeletedProjectorReadsNewEventsOnly(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	heard := make(chan string, 10)
	run(
		t,
		events.Consume(
			f.js,
			events.Projector(),
			func(_ context.Context, _ events.Delivery, p events.JobProgress) error {
				heard <- p.JobID
				return nil
			},
			f.options(),
		),
	)
	say := func(job string) {
		if err := f.pub.Publish(t.Context(), events.JobStarted(job)); err != nil {
			t.Fatal(err)
		}
	}
	say("old")
	next(t, heard)
	made := f.made(t, "projector")
	if err := f.js.DeleteConsumer(t.Context(), events.StreamEvents, "projector"); err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(
		t,
		"the consumer is created again",
		func() bool { at := f.made(t, "projector"); return !at.IsZero() && at.After(made) },
	)
	say("new")
	if job := next(t, heard); job != "new" {
		t.Errorf("got an event of job %s, want one of new", job)
	}
}

// made is the creation time of the consumer; the zero time if it does not exist.
func (f *fixture) made(t *testing.T, consumer string) time.Time {
	t.Helper()
	c, err := f.js.Consumer(t.Context(), events.StreamEvents, consumer)
	if err != nil {
		return time.Time{}
	}
	return c.CachedInfo().Created
}

func (f *fixture) streamConfig(t *testing.T, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := f.js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

func (f *fixture) consumerConfig(t *testing.T, stream, name string) jetstream.ConsumerConfig {
	t.Helper()
	c, err := f.js.Consumer(t.Context(), stream, name)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo().Config
}

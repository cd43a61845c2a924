package events_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// inspecting runs a runner of the classifiers' consumer that checks it several times a second, and has it receive a
// message.
func (f *fixture) inspecting(t *testing.T) (runner *events.Runner, received chan string) {
	t.Helper()
	received = make(chan string, 100)
	o := f.options()
	o.Topology.AckWait = 600 * time.Millisecond
	runner = events.Consume(f.js, events.ClassifierRules(),
		func(_ context.Context, _ events.Delivery, work events.MappingRequested) error {
			received <- work.MappingID
			return nil
		}, o)
	run(t, runner)
	f.send(t, work("j", "first"))
	next(t, received)
	return runner, received
}

func TestRunner_RestoresAnEditedConsumer(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	_, received := f.inspecting(t)
	for name, edit := range map[string]func(*jetstream.ConsumerConfig){
		"MaxAckPending": func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 1 },
		"MaxDeliver":    func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 3 },
		"BackOff":       func(c *jetstream.ConsumerConfig) { c.BackOff = []time.Duration{time.Hour} },
		"HeadersOnly":   func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true },
		"FilterSubject": func(c *jetstream.ConsumerConfig) { c.FilterSubject = "mapping.requested.rules.none.*" },
		"PriorityPolicy": func(c *jetstream.ConsumerConfig) {
			c.PriorityPolicy, c.PriorityGroups = jetstream.PriorityPolicyOverflow, []string{"jobs"}
		},
		"InactiveThreshold": func(c *jetstream.ConsumerConfig) { c.InactiveThreshold = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			declared := f.consumerConfig(t, events.StreamWork, events.ClassifierRules().Name)
			edited := declared
			edit(&edited)
			if _, err := f.js.UpdateConsumer(t.Context(), events.StreamWork, edited); err != nil {
				t.Fatal(err)
			}
			var now jetstream.ConsumerConfig
			eventstest.Eventually(t, "it is changed back", func() bool {
				now = f.consumerConfig(t, events.StreamWork, events.ClassifierRules().Name)
				return reflect.DeepEqual(now, declared)
			})
			eventstest.Eventually(t, "the difference is logged", func() bool { return f.log.Count(name) > 0 })
			f.send(t, work("j", name))
			if mapping := next(t, received); mapping != name {
				t.Errorf("received mapping: got %s, want %s", mapping, name)
			}
		})
	}
}

func TestRunner_ReportsAPause(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	runner, received := f.inspecting(t)
	until := time.Now().Add(time.Hour)
	name := events.ClassifierRules().Name
	if _, err := f.js.PauseConsumer(t.Context(), events.StreamWork, name, until); err != nil {
		t.Fatal(err)
	}
	want := "consumer " + name + " is paused until " + until.UTC().Format(time.RFC3339)
	eventstest.Eventually(t, "the pause is reported", func() bool {
		err := runner.Ready()
		return err != nil && strings.Contains(err.Error(), want)
	})
	_, consumers, err := events.Topology{AckWait: 600 * time.Millisecond}.Compare(t.Context(), f.js)
	if err != nil || !strings.Contains(consumers[0].Paused, want) || len(consumers[0].Differences) > 0 {
		t.Errorf("Compare: got %+v, %v, want paused without differences", consumers[0], err)
	}
	f.send(t, work("j", "second"))
	if _, err := f.js.ResumeConsumer(t.Context(), events.StreamWork, name); err != nil {
		t.Fatal(err)
	}
	if mapping := next(t, received); mapping != "second" {
		t.Errorf("received mapping: got %s, want second", mapping)
	}
	eventstest.Eventually(t, "the end of the pause is reported", func() bool { return runner.Ready() == nil })
}

func TestRunner_KeepsADeclaredMaxAckPending(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	topology := events.Topology{MaxAckPending: 7}
	if err := topology.Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	for _, c := range []events.Consumer{events.ClassifierRules(), events.Projector()} {
		if now := f.consumerConfig(t, c.Stream, c.Name); now.MaxAckPending != 7 {
			t.Errorf("MaxAckPending of %s: got %d, want 7", c.Name, now.MaxAckPending)
		}
	}
}

func TestRunner_RecreatesAConsumerAheadOfItsStream(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	_, received := f.inspecting(t)
	name := events.ClassifierRules().Name
	answer, err := f.nc.Request(
		"$JS.API.CONSUMER.RESET."+events.StreamWork+"."+name,
		fmt.Append(nil, `{"seq": 1000000}`),
		eventstest.Patience,
	)
	if err != nil {
		t.Fatal(err)
	}
	f.send(t, work("j", "second"))
	if mapping := next(t, received); mapping != "second" {
		t.Errorf("received mapping: got %s, want second (%s)", mapping, answer.Data)
	}
	consumer, err := f.js.Consumer(t.Context(), events.StreamWork, name)
	if err != nil {
		t.Fatal(err)
	}
	if info := consumer.CachedInfo(); info.Delivered.Stream >= 1000 ||
		info.Config.DeliverPolicy != jetstream.DeliverAllPolicy {
		t.Errorf("consumer position: got %d, want the start of the stream", info.Delivered.Stream)
	}
	if f.log.Count("is ahead of its stream") == 0 {
		t.Error("nothing is logged")
	}
}

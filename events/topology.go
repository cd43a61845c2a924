package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/schema"
)

// The streams.
const (
	// StreamEvents keeps the news for thirty days.
	StreamEvents = "PDE_EVENTS"
	// StreamWork holds the work messages that are outstanding.
	StreamWork = "PDE_WORK"
)

const (
	keepEvents = 30 * 24 * time.Hour
	// keepWork bounds how long a message stays that no consumer takes, such as a forged one on a lane without a classifier. A message that
	// is still needed after that is published again.
	keepWork = 24 * time.Hour
	// maxWorkMessage is many times what a work message needs, and little enough for a rejected one to fit into another message whole.
	maxWorkMessage = 64 << 10
	// noDedup is the smallest window that a server takes. No message carries an id for it, so it never looks at anything.
	noDedup = 100 * time.Millisecond
	// defaultAckWait is how long the server waits for a sign of life before it delivers a message to another process. It is how long the
	// messages of a killed process lie idle.
	defaultAckWait = 6 * time.Second
)

// Topology is what the streams and consumers have in common. The zero value is the one to use on a single server.
type Topology struct {
	// Replicas is on how many servers of a cluster each stream is kept; zero leaves it as it is, which is one for a new stream.
	Replicas int
	// AckWait is how long a message may go without a sign of life before another process gets it; six seconds if zero.
	AckWait time.Duration
	// MaxBytes is how much PDE_EVENTS may hold before it discards its oldest events; zero leaves that to pdeflow, which takes 8 GiB or,
	// where the server or the account has less, what there is.
	MaxBytes int64
	// MaxWorkBytes is how much PDE_WORK may hold before it refuses messages; zero is 64 MiB, or a third of PDE_EVENTS if that is less.
	MaxWorkBytes int64
	// MaxAckPending, if not zero, is a lower limit for how many messages of each consumer may be out at once, for accounts that have one.
	MaxAckPending int
	// Domain is the JetStream domain of the streams; empty for the server's own.
	Domain string
}

// Streams are the two streams as they must be. What is not said here is the operator's to set: placement, further limits.
func (t Topology) Streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name:        StreamEvents,
			Description: "pdeflow: what happened",
			Subjects: []string{
				TopicRegenerateRequested.Filter(), TopicJobProgress.Filter(), TopicJobFinished.Filter(),
				TopicMappingChanged.Filter(), TopicPlanningChanged.Filter(), TopicMappingRejected.Filter(),
			},
			Retention:  jetstream.LimitsPolicy,
			Discard:    jetstream.DiscardOld,
			MaxAge:     keepEvents,
			MaxBytes:   cmp.Or(t.MaxBytes, defaultEventsBytes),
			Storage:    jetstream.FileStorage,
			Duplicates: noDedup,
			Replicas:   t.Replicas,
		},
		{
			Name:        StreamWork,
			Description: "pdeflow: mappings to classify, at most one message each",
			// Not the topic's own filter: nothing but the two lanes' subjects may get in.
			Subjects:             []string{laneFilter("rules") + ".*.*", laneFilter("llm") + ".*.*"},
			Retention:            jetstream.WorkQueuePolicy,
			Discard:              jetstream.DiscardNew,
			DiscardNewPerSubject: true,
			MaxMsgsPerSubject:    1,
			MaxMsgSize:           maxWorkMessage,
			MaxAge:               keepWork,
			MaxBytes:             t.workBytes(cmp.Or(t.MaxBytes, defaultEventsBytes)),
			MaxMsgs:              maxWorkMessages,
			Storage:              jetstream.FileStorage,
			Duplicates:           noDedup,
			Replicas:             t.Replicas,
		},
	}
}

// Consumer is a durable consumer: a reader of a stream of whom the server remembers what it has acknowledged. Any number of processes
// share one.
type Consumer struct {
	Name   string
	Stream string
	// Service is who reads it.
	Service string
	// Lane is the lane of a classifier's consumer; empty for the others.
	Lane schema.Lane
	// Filter is which subjects it reads; all of the stream if empty.
	Filter string
	// MaxAckPending is how many messages may be out at once, over all processes. A [Runner] never asks for more.
	MaxAckPending int
	// Start is where it begins when it does not exist, or no longer: [jetstream.DeliverAllPolicy] or [jetstream.DeliverNewPolicy].
	Start jetstream.DeliverPolicy
	// StartTime, if set, is asked instead, each time the consumer has to be made: the oldest message to read. The zero time is all.
	StartTime func(context.Context) (time.Time, error)
}

// ClassifierRules reads the work of the rules lane.
func ClassifierRules() Consumer {
	return Consumer{
		Name: "classifier-rules", Service: "classifier", Stream: StreamWork, Lane: schema.RulesLane, Filter: laneFilter("rules") + ".>", MaxAckPending: 1000,
		Start: jetstream.DeliverAllPolicy,
	}
}

// Classifiers lists the consumers of the lanes.
func Classifiers() []Consumer { return []Consumer{ClassifierRules()} }

// Projector reads what happens in jobs. When somebody deletes it, it goes on with what is new: thirty days of old events would only hold
// back the bells that bring each job's status up to its rows.
func Projector() Consumer {
	return Consumer{
		Name: "projector", Service: "projector", Stream: StreamEvents, Filter: TopicJobProgress.Filter(), MaxAckPending: 4000,
		Start: jetstream.DeliverNewPolicy,
	}
}

// Auditor reads every event. When somebody deletes it, it goes on at the time of its last row, which the caller knows.
func Auditor(lastRow func(context.Context) (time.Time, error)) Consumer {
	return Consumer{Name: "auditor", Service: "auditor", Stream: StreamEvents, MaxAckPending: 4000, StartTime: lastRow}
}

func laneFilter(lane string) string { return string(TopicMappingRequested) + "." + lane }

// Declare makes the streams and the consumers of the classifier and the projector what they must be: those that are missing are made,
// those that differ are changed where NATS allows it, and where it does not the error says what is in the way. It may be called at any
// time, by any number of processes at once. The auditor's consumer is declared by whoever runs it.
func (t Topology) Declare(ctx context.Context, js jetstream.JetStream) error {
	for _, stream := range t.Streams() {
		if err := t.declareStream(ctx, js, stream); err != nil {
			return err
		}
	}
	for _, consumer := range []Consumer{ClassifierRules(), Projector()} {
		if _, err := t.DeclareConsumer(ctx, js, consumer); err != nil {
			return err
		}
	}
	return nil
}

// declareStream declares one stream. Its error is a [NotDeclared].
func (t Topology) declareStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	err := t.setStream(ctx, js, want)
	if err == nil {
		return nil
	}
	refused := &NotDeclared{Name: "stream " + want.Name, Domain: t.Domain, Err: err}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == subjectsOverlap {
		refused.Other = overlapping(ctx, js, want)
	}
	return refused
}

func (t Topology) setStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if err := t.createStream(ctx, js, want); !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		// Another process created it first, with a limit that differs while it finds out how much room there is.
		stream, err = js.Stream(ctx, want.Name)
	}
	if err != nil {
		return err
	}
	have := stream.CachedInfo().Config
	merged := have
	merged.Description, merged.Subjects, merged.Retention, merged.Storage = want.Description, want.Subjects, want.Retention, want.Storage
	merged.Discard, merged.DiscardNewPerSubject = want.Discard, want.DiscardNewPerSubject
	merged.MaxMsgsPerSubject = cmp.Or(want.MaxMsgsPerSubject, -1)
	merged.MaxAge, merged.Duplicates = want.MaxAge, want.Duplicates
	merged.MaxMsgSize = cmp.Or(want.MaxMsgSize, have.MaxMsgSize)
	merged.Replicas = cmp.Or(want.Replicas, have.Replicas)
	t.limits(&have, &merged, want)
	if sameStream(have, merged) {
		return nil
	}
	if err := updateStream(ctx, js, have, merged); err != nil {
		return fmt.Errorf("change what is there: %w", err)
	}
	return nil
}

// sameStream compares without regard to the order of the subjects.
func sameStream(a, b jetstream.StreamConfig) bool {
	a.Subjects, b.Subjects = slices.Sorted(slices.Values(a.Subjects)), slices.Sorted(slices.Values(b.Subjects))
	return reflect.DeepEqual(a, b)
}

// DeclareConsumer creates one consumer, or changes it where it differs from what it must be, and returns it. Its start is fixed when it is
// created. The error is a [NotDeclared].
func (t Topology) DeclareConsumer(ctx context.Context, js jetstream.JetStream, c Consumer) (jetstream.Consumer, error) {
	consumer, err := t.declareConsumer(ctx, js, c)
	if err != nil {
		return nil, t.notDeclared("consumer "+c.Name, err)
	}
	return consumer, nil
}

func (t Topology) declareConsumer(ctx context.Context, js jetstream.JetStream, c Consumer) (jetstream.Consumer, error) {
	consumer, err := js.Consumer(ctx, c.Stream, c.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		fresh, err := t.freshConsumer(ctx, c)
		if err != nil {
			return nil, err
		}
		consumer, err = js.CreateConsumer(ctx, c.Stream, fresh)
		if !isConsumerExists(err) {
			return consumer, err
		}
		// Another process was faster, and made it to begin elsewhere.
		consumer, err = js.Consumer(ctx, c.Stream, c.Name)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	have := consumer.CachedInfo().Config
	merged := t.declared(c, have)
	if reflect.DeepEqual(have, merged) {
		return consumer, nil
	}
	consumer, err = js.UpdateConsumer(ctx, c.Stream, merged)
	if err != nil {
		return nil, fmt.Errorf("change what is there: %w", err)
	}
	return consumer, nil
}

// declared sets what is ours to set in the configuration of a consumer.
func (t Topology) declared(c Consumer, cfg jetstream.ConsumerConfig) jetstream.ConsumerConfig {
	cfg.FilterSubject, cfg.FilterSubjects = c.Filter, nil
	cfg.AckPolicy = jetstream.AckExplicitPolicy
	cfg.AckWait = cmp.Or(t.AckWait, defaultAckWait)
	cfg.BackOff = nil
	// A server that gives up on a message leaves it in the stream, undelivered, for ever.
	cfg.MaxDeliver = -1
	cfg.MaxAckPending = t.maxAckPending(c)
	// A consumer must not vanish because its service was down for a while.
	cfg.InactiveThreshold = 0
	return cfg
}

func (t Topology) maxAckPending(c Consumer) int {
	if t.MaxAckPending > 0 {
		return min(t.MaxAckPending, c.MaxAckPending)
	}
	return c.MaxAckPending
}

func (t Topology) freshConsumer(ctx context.Context, c Consumer) (jetstream.ConsumerConfig, error) {
	cfg := t.declared(c, jetstream.ConsumerConfig{Durable: c.Name, DeliverPolicy: c.Start})
	if c.StartTime == nil {
		return cfg, nil
	}
	from, err := c.StartTime(ctx)
	if err != nil {
		return cfg, fmt.Errorf("start time: %w", err)
	}
	if from.IsZero() {
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
		return cfg, nil
	}
	cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &from
	return cfg, nil
}

// isConsumerExists reports whether a consumer could not be made because there is one of that name with another configuration.
func isConsumerExists(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeConsumerExists || api.ErrorCode == jetstream.JSErrCodeConsumerAlreadyExists)
}

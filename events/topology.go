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

const (
	// StreamEvents stores events for 30 days.
	StreamEvents = "PDE_EVENTS"
	// StreamWork stores work messages until they are acknowledged.
	StreamWork = "PDE_WORK"
)

const (
	keepEvents = 30 * 24 * time.Hour
	// keepWork bounds the life of a message that no consumer takes, such as a forged one on a lane without a
	// classifier. A message that is still needed is published again.
	keepWork = 24 * time.Hour
	// maxWorkMessage is many times the size of a work message, and small enough for a rejected one to fit into
	// an event.
	maxWorkMessage = 64 << 10
	// noDedup is the smallest deduplication window that a server accepts. No message has a Nats-Msg-Id, so
	// none is ever dropped.
	noDedup = 100 * time.Millisecond
	// defaultAckWait is how long the messages of a killed process stay idle.
	defaultAckWait = 6 * time.Second
)

// Topology configures the streams and consumers. The zero value is right for a single server.
type Topology struct {
	// Replicas is the number of servers that store each stream; 0 leaves it unchanged, which is 1 for a new
	// stream.
	Replicas int
	// AckWait is the time without an in-progress acknowledgement after which a message is redelivered; 0 means
	// 6 s.
	AckWait time.Duration
	// MaxBytes is the size at which PDE_EVENTS discards its oldest events; 0 means 8 GiB, or less if the
	// server or the account has less room.
	MaxBytes int64
	// MaxWorkBytes is the size at which PDE_WORK refuses messages; 0 means 64 MiB, or a third of PDE_EVENTS if
	// that is less.
	MaxWorkBytes int64
	// MaxAckPending, if not zero, is a lower limit for how many messages of each consumer may be out at once, for
	// accounts that have one.
	MaxAckPending int
	// Domain is the JetStream domain of the streams; empty for the server's own.
	Domain string
}

// Streams returns the declared configuration of the two streams. Settings that are not in it, such as
// placement, belong to the operator.
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
			// Narrower than the filter of the topic: only subjects of the two lanes.
			Subjects:             []string{laneFilter(schema.LaneRules) + ".*.*", laneFilter(schema.LaneLLM) + ".*.*"},
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

// Consumer is a durable consumer, shared by all processes of a service.
type Consumer struct {
	Name   string
	Stream string
	// Service is the service that reads it.
	Service schema.Service
	// Lane is the lane of a classifier's consumer; empty for the others.
	Lane schema.Lane
	// Filter is the subject filter; empty for the whole stream.
	Filter string
	// MaxAckPending is how many messages may be outstanding, over all processes. A [Runner] never requests more.
	MaxAckPending int
	// Start is where a new consumer begins: [jetstream.DeliverAllPolicy] or [jetstream.DeliverNewPolicy].
	Start jetstream.DeliverPolicy
	// StartTime overrides Start. It is called whenever the consumer is created and returns the time of the
	// oldest message to read; the zero time means all.
	StartTime func(context.Context) (time.Time, error)
}

// ClassifierRules is the consumer of the rules lane.
func ClassifierRules() Consumer {
	return Consumer{
		Name: "classifier-rules", Service: schema.ServiceClassifier, Stream: StreamWork, Lane: schema.LaneRules,
		Filter: laneFilter(schema.LaneRules) + ".>",
		// More than the dispatcher's window, so that the lane goes on if all messages of a job wait to be redelivered.
		MaxAckPending: 4000,
		Start:         jetstream.DeliverAllPolicy,
	}
}

// ClassifierLLM is the consumer of the llm lane. Its messages wait while it has no reader: only processes with a model
// read from it.
func ClassifierLLM() Consumer {
	return Consumer{
		Name: "classifier-llm", Service: schema.ServiceClassifier, Stream: StreamWork, Lane: schema.LaneLLM,
		Filter:        laneFilter(schema.LaneLLM) + ".>",
		MaxAckPending: 4000,
		Start:         jetstream.DeliverAllPolicy,
	}
}

// Classifiers returns the consumers of all lanes.
func Classifiers() []Consumer { return []Consumer{ClassifierRules(), ClassifierLLM()} }

// Projector is the consumer of job.progress. If it is deleted, it continues with new events: 30 days of old
// ones would only delay the bells, which repair every status.
func Projector() Consumer {
	return Consumer{
		Name: "projector", Service: schema.ServiceProjector, Stream: StreamEvents, Filter: TopicJobProgress.Filter(),
		MaxAckPending: 4000,
		Start:         jetstream.DeliverNewPolicy,
	}
}

// Auditor is the consumer of every event. If it is deleted, it continues from the time that lastEvent returns.
func Auditor(lastEvent func(context.Context) (time.Time, error)) Consumer {
	return Consumer{
		Name: "auditor", Service: schema.ServiceAuditor, Stream: StreamEvents, MaxAckPending: 4000,
		StartTime: lastEvent,
	}
}

func laneFilter(lane schema.Lane) string { return string(TopicMappingRequested) + "." + string(lane) }

// Declare creates the streams and the consumers of the classifier and the projector, or updates those that
// differ. The error names the setting that prevents it. Declare is safe to call at any time and from several
// processes at once. The auditor's consumer is declared by the auditor.
func (t Topology) Declare(ctx context.Context, js jetstream.JetStream) error {
	for _, stream := range t.Streams() {
		if err := t.declareStream(ctx, js, stream); err != nil {
			return err
		}
	}
	for _, consumer := range append(Classifiers(), Projector()) {
		if _, err := t.DeclareConsumer(ctx, js, consumer); err != nil {
			return err
		}
	}
	return nil
}

// declareStream declares one stream. The error is a [NotDeclaredError].
func (t Topology) declareStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	err := t.setStream(ctx, js, want)
	if err == nil {
		return nil
	}
	refused := &NotDeclaredError{Name: "stream " + want.Name, Domain: t.Domain, Err: err}
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
	merged.Description, merged.Subjects, merged.Retention, merged.Storage = want.Description, want.Subjects,
		want.Retention, want.Storage
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
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

// sameStream compares two configurations and ignores the order of subjects.
func sameStream(a, b jetstream.StreamConfig) bool {
	a.Subjects, b.Subjects = slices.Sorted(slices.Values(a.Subjects)), slices.Sorted(slices.Values(b.Subjects))
	return reflect.DeepEqual(a, b)
}

// DeclareConsumer creates a consumer or updates it, and returns it. Its start is fixed when it is created. The
// error is a [NotDeclaredError].
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
		// Another process created it first, with another start.
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
		return nil, fmt.Errorf("update: %w", err)
	}
	return consumer, nil
}

// declared returns the configuration with the settings that pdeflow declares.
func (t Topology) declared(c Consumer, cfg jetstream.ConsumerConfig) jetstream.ConsumerConfig {
	cfg.FilterSubject, cfg.FilterSubjects = c.Filter, nil
	cfg.AckPolicy = jetstream.AckExplicitPolicy
	cfg.AckWait = cmp.Or(t.AckWait, defaultAckWait)
	cfg.BackOff = nil
	// With a limit, the server would leave a message in the stream for ever without delivering it.
	cfg.MaxDeliver = -1
	cfg.MaxAckPending = t.maxAckPending(c)
	// The server would deliver messages without their bodies.
	cfg.HeadersOnly = false
	// The server would refuse the requests of a [Runner], which name no group.
	cfg.PriorityPolicy, cfg.PriorityGroups, cfg.PinnedTTL = jetstream.PriorityPolicyNone, nil, 0
	// With a threshold, the server would delete the consumer while its service is down.
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

// isConsumerExists reports whether a consumer of this name exists with another configuration.
func isConsumerExists(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && slices.Contains([]jetstream.ErrorCode{
		jetstream.JSErrCodeConsumerExists, jetstream.JSErrCodeConsumerAlreadyExists,
	}, api.ErrorCode)
}

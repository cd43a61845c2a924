package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamState is a stream as the server has it, for the diagnosis of an installation.
type StreamState struct {
	Name string
	// Missing reports that the stream does not exist.
	Missing bool
	// Differences are the names of the settings that differ from the topology. Limits, replicas and the deduplication
	// window are not compared.
	Differences []string
	// Bytes and Messages are the size of its contents. MaxBytes is its limit; 0 or less means none.
	Bytes, MaxBytes int64
	Messages        uint64
	// Clock is the server's time. Skew is how far it is ahead of this process's.
	Clock time.Time
	Skew  time.Duration
}

// ConsumerState is a consumer as the server has it.
type ConsumerState struct {
	Name, Stream string
	Missing      bool
	Differences  []string
	// Paused is the reason that [Paused] returns.
	Paused string
	// Pending is the number of messages that are not delivered yet. Waiting is the number of open pull
	// requests: 0 if no service reads.
	Pending uint64
	Waiting int
}

// Compare reads the streams and consumers and compares them with the topology. It changes nothing.
func (t Topology) Compare(ctx context.Context, js jetstream.JetStream) ([]StreamState, []ConsumerState, error) {
	var streams []StreamState
	for _, want := range t.Streams() {
		state, err := compareStream(ctx, js, want)
		if err != nil {
			return nil, nil, fmt.Errorf("stream %s: %w", want.Name, err)
		}
		streams = append(streams, state)
	}
	var consumers []ConsumerState
	for _, want := range append(Classifiers(), Projector(), Auditor(nil)) {
		state, err := t.compareConsumer(ctx, js, want)
		if err != nil {
			return nil, nil, fmt.Errorf("consumer %s: %w", want.Name, err)
		}
		consumers = append(consumers, state)
	}
	return streams, consumers, nil
}

func compareStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (StreamState, error) {
	state := StreamState{Name: want.Name}
	before := time.Now()
	stream, err := js.Stream(ctx, want.Name)
	after := time.Now()
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		state.Missing = true
		return state, nil
	}
	if err != nil {
		return state, err
	}
	info := stream.CachedInfo()
	have := info.Config
	state.Bytes = int64(info.State.Bytes) //nolint:gosec // far below 2^63
	state.Messages, state.MaxBytes = info.State.Msgs, have.MaxBytes
	if state.Clock = info.TimeStamp; !state.Clock.IsZero() {
		state.Skew = state.Clock.Sub(before.Add(after.Sub(before) / 2))
	}
	sorted := func(subjects []string) []string { return slices.Sorted(slices.Values(subjects)) }
	for _, setting := range []struct {
		name string
		same bool
	}{
		{"subjects", slices.Equal(sorted(have.Subjects), sorted(want.Subjects))},
		{"retention", have.Retention == want.Retention},
		{"storage", have.Storage == want.Storage},
		{"discard", have.Discard == want.Discard && have.DiscardNewPerSubject == want.DiscardNewPerSubject},
		{"messages per subject", have.MaxMsgsPerSubject == cmp.Or(want.MaxMsgsPerSubject, -1)},
		{"age", have.MaxAge == want.MaxAge},
	} {
		if !setting.same {
			state.Differences = append(state.Differences, setting.name)
		}
	}
	return state, nil
}

func (t Topology) compareConsumer(ctx context.Context, js jetstream.JetStream, want Consumer) (ConsumerState, error) {
	state := ConsumerState{Name: want.Name, Stream: want.Stream}
	consumer, err := js.Consumer(ctx, want.Stream, want.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		state.Missing = true
		return state, nil
	}
	if err != nil {
		return state, err
	}
	info := consumer.CachedInfo()
	state.Pending, state.Waiting, state.Paused = info.NumPending, info.NumWaiting, Paused(info)
	state.Differences = differences(info.Config, t.declared(want, info.Config))
	return state, nil
}

package events

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// probeTimeout is how long a server may take to refuse a probe. A server does not respond to a publish that the user
// has no permission for.
const probeTimeout = 2 * time.Second

// Unpublishable is a subject that the user cannot publish to, and the reason.
type Unpublishable struct {
	Subject string
	Err     error
}

// Unpublishable returns the subjects of the streams that the user of js cannot publish to. Nothing is stored: each
// message expects a last sequence that no stream has, and so a stream that would take it refuses it for that reason.
func (t Topology) Unpublishable(ctx context.Context, js jetstream.Publisher) []Unpublishable {
	var probes []*Unpublishable
	var all sync.WaitGroup
	for _, stream := range t.Streams() {
		for _, subject := range stream.Subjects {
			p := &Unpublishable{Subject: subject}
			probes = append(probes, p)
			all.Go(func() { p.Err = probe(ctx, js, subject, stream.Name) })
		}
	}
	all.Wait()
	var refused []Unpublishable
	for _, p := range probes {
		if p.Err != nil {
			refused = append(refused, *p)
		}
	}
	return refused
}

func probe(ctx context.Context, js jetstream.Publisher, filter, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	subject := strings.NewReplacer("*", "probe", ">", "probe").Replace(filter)
	ack, err := js.Publish(ctx, subject, nil, jetstream.WithExpectLastSequence(math.MaxInt64))
	refusal, refused := errors.AsType[*jetstream.APIError](err)
	switch {
	case refused && (refusal.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refusal.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return nil
	case err == nil:
		return storedIn(ack, stream)
	}
	return fmt.Errorf("probe %s: %w", subject, publishError(err, stream))
}

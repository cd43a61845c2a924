package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// probeEvery is the interval of the bells that find out whether NATS accepts events again.
const probeEvery = 2 * time.Second

// stream publishes, and remembers why publishing fails.
type stream struct {
	publish   *events.Publisher
	connected func() bool
	// silent is the error of a server that did not answer in this turn. Each further publish would time out too.
	silent error
	// refused is the error of the last event, if it was not published. It stands until the next attempt, which may be
	// in a later turn.
	refused error
	// undeclared is the reason why the streams cannot be declared.
	undeclared error
	// published is the time of the last published event, and probed that of the last probe.
	published, probed time.Time
	// measured is the time at which the streams were last measured, and full are those that were nearly full then.
	measured time.Time
	full     map[string]bool
}

// unpublishedError is a publish error. Its text is for users, and does not differ between errors with the same reason.
type unpublishedError struct {
	reason string
	cause  error
}

func (e *unpublishedError) Error() string { return e.reason }

func (e *unpublishedError) Unwrap() error { return e.cause }

func (s *stream) begin() { s.silent = nil }

// event publishes one event.
func (s *stream) event(ctx context.Context, e events.Event) error {
	err := s.silent
	if err == nil {
		err = s.publish.Publish(ctx, e)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.refused = s.unpublished(err); s.refused != nil {
		return s.refused
	}
	s.published, s.undeclared = time.Now(), nil
	return nil
}

// work publishes work messages.
func (s *stream) work(ctx context.Context, work []events.MappingRequested) []events.WorkResult {
	if s.silent != nil {
		results := make([]events.WorkResult, len(work))
		for i := range results {
			results[i].Err = s.silent
		}
		return results
	}
	return s.publish.PublishWork(ctx, work)
}

// unpublished wraps a publish error in an [unpublishedError].
func (s *stream) unpublished(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, events.ErrNoAnswer) {
		s.silent = err
	}
	if !s.connected() {
		// The error itself may differ, for example if the connection was never open.
		return &unpublishedError{events.BlockedReason(events.ErrDisconnected), errors.Join(events.ErrDisconnected, err)}
	}
	reason := events.BlockedReason(err)
	if errors.Is(err, events.ErrNoStream) && s.undeclared != nil {
		reason += ", and the streams cannot be declared: " + s.undeclared.Error()
	}
	return &unpublishedError{reason, err}
}

// probe publishes a bell to find out whether NATS accepts events: while it rejects them, and while work messages are
// outstanding and none is acknowledged, because a classifier acknowledges a message only after publishing its event.
func (d *Dispatcher) probe(ctx context.Context, jobs []schema.Job, due map[string][]schema.DueItem) error {
	now := time.Now()
	for _, job := range jobs {
		if len(due[job.ID]) == 0 || now.Sub(d.stream.probed) < probeEvery {
			continue
		}
		lane := d.lanes[job.Classifier.Lane()]
		stuck := lane != nil && lane.info != nil && lane.info.NumAckPending > 0 &&
			now.Sub(later(lane.acked, d.stream.published)) >= d.options.Silence
		if d.stream.refused != nil || stuck {
			d.stream.probed = now
			return d.stream.event(ctx, events.JobBell(job.ID))
		}
	}
	return nil
}

package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// probeEvery is how often a bell is published to find out whether NATS takes events again.
const probeEvery = 2 * time.Second

// stream publishes, and remembers why that does not work.
type stream struct {
	publish   *events.Publisher
	connected func() bool
	// silent is the error of a server that did not answer in this turn. Each further publish would wait as long for nothing.
	silent error
	// refused is why the last event was not published; empty if it was.
	refused string
	// undeclared is why the streams cannot be declared.
	undeclared error
	// published and probed are when an event was published last, and when one was to find out whether that works.
	published, probed time.Time
	// measured is when the streams were last measured, and full are those that were nearly full then.
	measured time.Time
	full     map[string]bool
}

// unpublishedError is an error of NATS. Its text is for users, and the same for the same reason.
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
	if err = s.unpublished(err); err != nil {
		s.refused = err.Error()
		return err
	}
	s.refused, s.published, s.undeclared = "", time.Now(), nil
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

// unpublished gives an error of publishing its text for users.
func (s *stream) unpublished(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, events.ErrNoAnswer) {
		s.silent = err
	}
	if !s.connected() {
		// Whatever it failed with: a connection that was never open has errors of its own.
		return &unpublishedError{events.Blocked(events.ErrDisconnected), errors.Join(events.ErrDisconnected, err)}
	}
	reason := events.Blocked(err)
	if errors.Is(err, events.ErrNoStream) && s.undeclared != nil {
		reason += ", and the streams cannot be declared: " + s.undeclared.Error()
	}
	return &unpublishedError{reason, err}
}

// probe publishes a bell while events are refused, to find out when that is over, and while messages are outstanding and none is
// acknowledged, because classifiers acknowledge a message only after its event.
func (d *Dispatcher) probe(ctx context.Context, jobs []schema.Job, due map[string][]schema.DueItem) error {
	now := time.Now()
	for _, job := range jobs {
		if len(due[job.ID]) == 0 || now.Sub(d.stream.probed) < probeEvery {
			continue
		}
		w := d.lanes[job.Classifier.Lane()]
		stands := w != nil && w.info != nil && w.info.NumAckPending > 0 && now.Sub(later(w.acked, d.stream.published)) >= d.options.Silence
		if d.stream.refused != "" || stands {
			d.stream.probed = now
			return d.stream.event(ctx, events.JobBell(job.ID))
		}
	}
	return nil
}

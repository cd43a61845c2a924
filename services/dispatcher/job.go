package dispatcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// advanceJob does the next steps of a job. more reports that pages are left.
func (d *Dispatcher) advanceJob(ctx context.Context, t *task) (more bool, err error) {
	listed := t.job.Listed
	if t.job, err = schema.GetJob(ctx, d.db, t.job.ID); err != nil {
		return false, err
	}
	if t.job.EndedAt.IsZero() {
		if t.job, more, err = d.advanceRows(ctx, t.job); err != nil {
			return false, err
		}
	}
	ctx = events.WithTrace(ctx, t.job.Traceparent)
	// Also for a job that has ended: it ends with its last item, before its other events may be published.
	if err := d.announce(ctx, t.job); err != nil {
		return more, err
	}
	switch {
	case !t.job.EndedAt.IsZero():
		return more, nil
	case t.job.Intent == schema.IntentRun:
		if t.job.Listed > listed {
			if err := d.reloadDue(ctx, t); err != nil {
				return more, err
			}
		}
		return more, d.dispatch(ctx, *t)
	case t.job.Intent == schema.IntentCancel && more:
		// No other event reports a cancelled item.
		return more, d.stream.event(ctx, events.JobBell(t.job.ID))
	default:
		return more, nil
	}
}

// reloadDue reads the due items again after this turn has listed a page.
func (d *Dispatcher) reloadDue(ctx context.Context, t *task) error {
	now := time.Now()
	due, err := schema.ListDueItems(ctx, d.db, map[string]int{t.job.ID: t.window}, d.positions.known(now))
	t.due = due[t.job.ID]
	t.send = d.unsent(t.job, t.due, now)
	return err
}

// advanceRows starts a job, lists a page and cancels a page, whichever is next, and returns the job's current row.
func (d *Dispatcher) advanceRows(ctx context.Context, job schema.Job) (_ schema.Job, more bool, err error) {
	if job.StartedAt.IsZero() && job.Intent == schema.IntentRun {
		if job, err = d.start(ctx, job); err != nil {
			return job, false, err
		}
	}
	if job, more, err = d.list(ctx, job); err != nil {
		return job, false, err
	}
	if job.Intent != schema.IntentCancel {
		return job, more, nil
	}
	n, next, err := schema.CancelItems(ctx, d.db, job.ID, d.positions[job.ID].mappingID, d.options.CancelPage)
	if err == nil {
		d.positions.set(job.ID, next, time.Now())
	}
	return job, more || n > 0, err
}

func (d *Dispatcher) start(ctx context.Context, job schema.Job) (schema.Job, error) {
	if err := schema.MarkStarted(ctx, d.db, job.ID); err != nil {
		return job, err
	}
	job, err := schema.GetJob(ctx, d.db, job.ID)
	if err == nil && !job.StartedAt.IsZero() {
		d.log.InfoContext(ctx, "job started", "job_id", job.ID, "job_type", job.JobType, "mapping_count",
			job.MappingCount)
	}
	return job, err
}

// list writes the next page of the work list. A paused job gets none, because it may be cancelled. Neither does a job
// that is to run and has not started, because no item may end before the start.
func (d *Dispatcher) list(ctx context.Context, job schema.Job) (schema.Job, bool, error) {
	if !job.ListedAt.IsZero() || job.Intent == schema.IntentPause ||
		job.Intent == schema.IntentRun && job.StartedAt.IsZero() {
		return job, false, nil
	}
	err := d.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		job, err = schema.InsertItems(ctx, tx, job.ID, d.options.Page)
		return err
	})
	if err != nil {
		return job, false, err
	}
	if !job.ListedAt.IsZero() {
		d.log.InfoContext(ctx, "job listed", "job_id", job.ID, "total_steps", job.Listed)
	}
	return job, job.ListedAt.IsZero(), nil
}

// announcement is an event that has not been published yet, and the update that records its publication.
type announcement struct {
	happened time.Time
	event    events.Event
	trace    string
	record   func(ctx context.Context) error
}

// announce publishes the unpublished events of the job, in the order in which they happened.
func (d *Dispatcher) announce(ctx context.Context, job schema.Job) error {
	unpublished := d.milestones(job)
	if job.PublishedIntent < job.IntentVersion {
		intents, err := schema.ListUnpublishedIntents(ctx, d.db, job)
		if err != nil {
			return err
		}
		for _, intent := range intents {
			record := func(ctx context.Context) error {
				return schema.MarkIntentPublished(ctx, d.db, job.ID, intent.Version)
			}
			unpublished = append(unpublished,
				announcement{intent.CreatedAt, events.JobIntentOf(intent), intent.Traceparent, record})
		}
	}
	slices.SortStableFunc(unpublished, func(a, b announcement) int { return a.happened.Compare(b.happened) })
	for _, a := range unpublished {
		if err := d.stream.event(events.WithTrace(ctx, a.trace), a.event); err != nil {
			return err
		}
		if err := a.record(ctx); err != nil {
			return err
		}
		d.log.InfoContext(ctx, "published", "job_id", job.ID, "event", a.event.ID())
	}
	return nil
}

// milestones returns the unpublished events of the job other than those of intents.
func (d *Dispatcher) milestones(job schema.Job) (unpublished []announcement) {
	for _, m := range []struct {
		column    schema.JobEvent
		published bool
		happened  time.Time
		event     events.Event
	}{
		{schema.JobEventRequested, job.PublishedRequested, job.CreatedAt, events.RegenerateRequestedOf(job)},
		{schema.JobEventStarted, job.PublishedStarted, job.StartedAt, events.JobStarted(job.ID)},
		{schema.JobEventListed, job.PublishedListed, job.ListedAt, events.JobListed(job.ID, job.Listed)},
	} {
		if m.published || m.happened.IsZero() {
			continue
		}
		record := func(ctx context.Context) error {
			return schema.MarkPublished(ctx, d.db, job.ID, m.column, source)
		}
		unpublished = append(unpublished, announcement{m.happened, m.event, job.Traceparent, record})
	}
	return unpublished
}

// dispatch publishes the due items without a valid hint.
func (d *Dispatcher) dispatch(ctx context.Context, t task) error {
	if len(t.send) == 0 {
		return nil
	}
	now := time.Now()
	until := now.Add(d.options.HintLife)
	work := make([]events.MappingRequested, len(t.send))
	for i, item := range t.send {
		work[i] = events.MappingRequested{Lane: t.job.Classifier.Lane(), JobID: t.job.ID, MappingID: item.MappingID}
	}
	var failed error
	outstanding := len(t.due) > len(t.send)
	for i, result := range d.stream.work(ctx, work) {
		key := hintOf(t.job, t.send[i])
		switch {
		case result.Err != nil:
			failed = result.Err
			continue
		case result.State == events.Published:
			d.hints.accepted(key, until)
		default:
			d.hints.outstanding(key, now, until)
		}
		outstanding = true
	}
	if refusal, ok := errors.AsType[*events.RefusedError](failed); ok && refusal.OfStream() && outstanding {
		return nil // the stream has space when the job's own messages are acknowledged
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.stream.unpublished(failed)
}

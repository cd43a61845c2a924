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

// work is a job's turn: whatever is next in its life. More reports that pages are left.
func (d *Dispatcher) work(ctx context.Context, t *task) (more bool, err error) {
	listed := t.job.Listed
	if t.job, err = schema.ReadJob(ctx, d.db, t.job.ID); err != nil {
		return false, err
	}
	if t.job.EndedAt.IsZero() {
		if t.job, more, err = d.advance(ctx, t.job); err != nil {
			return false, err
		}
	}
	ctx = events.WithTrace(ctx, t.job.Traceparent)
	// Events of a job that has ended may be missing too: it ends with its last item, whatever is published by then.
	if err := d.announce(ctx, t.job); err != nil {
		return more, err
	}
	switch {
	case !t.job.EndedAt.IsZero():
		return more, nil
	case t.job.Intent == schema.IntentRun:
		if t.job.Listed > listed {
			if err := d.lookAgain(ctx, t); err != nil {
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

// lookAgain lists what is due after a page was listed in this turn.
func (d *Dispatcher) lookAgain(ctx context.Context, t *task) error {
	now := time.Now()
	due, err := schema.DueItems(ctx, d.db, map[string]int{t.job.ID: t.window}, d.positions.known(now))
	t.due = due[t.job.ID]
	t.send = d.unsent(t.job, t.due, now)
	return err
}

// advance does what is next in the rows of a job that has not ended, and returns the job as it stands then.
func (d *Dispatcher) advance(ctx context.Context, job schema.Job) (_ schema.Job, more bool, err error) {
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
	job, err := schema.ReadJob(ctx, d.db, job.ID)
	if err == nil && !job.StartedAt.IsZero() {
		d.log.InfoContext(ctx, "job started", "job_id", job.ID, "job_type", job.JobType, "mapping_count", job.MappingCount)
	}
	return job, err
}

// list writes the next page of the work list. A paused job gets none: while nobody knows whether it goes on, its list is of no use.
func (d *Dispatcher) list(ctx context.Context, job schema.Job) (schema.Job, bool, error) {
	if !job.ListedAt.IsZero() || job.Intent == schema.IntentPause {
		return job, false, nil
	}
	err := d.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		job, err = schema.ListItems(ctx, tx, job.ID, d.options.Page)
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

// word is something that is to be said of a job, and how to remember that it was.
type word struct {
	happened time.Time
	event    events.Event
	trace    string
	remember func(ctx context.Context) error
}

// announce says what has not been said of the job, in the order in which it happened.
func (d *Dispatcher) announce(ctx context.Context, job schema.Job) error {
	words := d.milestones(job)
	if job.AnnouncedIntent < job.IntentVersion {
		intents, err := schema.UnannouncedIntents(ctx, d.db, job)
		if err != nil {
			return err
		}
		for _, intent := range intents {
			words = append(words, word{intent.CreatedAt, events.JobIntentOf(intent), intent.Traceparent, func(ctx context.Context) error {
				return schema.MarkIntentAnnounced(ctx, d.db, job.ID, intent.Version)
			}})
		}
	}
	slices.SortStableFunc(words, func(a, b word) int { return a.happened.Compare(b.happened) })
	for _, w := range words {
		if err := d.stream.event(events.WithTrace(ctx, w.trace), w.event); err != nil {
			return err
		}
		if err := w.remember(ctx); err != nil {
			return err
		}
		d.log.InfoContext(ctx, "announced", "job_id", job.ID, "event", w.event.ID())
	}
	return nil
}

// milestones are what has happened to the job by itself and has not been said.
func (d *Dispatcher) milestones(job schema.Job) (words []word) {
	for _, m := range []struct {
		what     schema.Announcement
		said     bool
		happened time.Time
		event    events.Event
	}{
		{schema.AnnouncedRequested, job.AnnouncedRequested, job.CreatedAt, events.RegenerateRequestedOf(job)},
		{schema.AnnouncedStarted, job.AnnouncedStarted, job.StartedAt, events.JobStarted(job.ID)},
		{schema.AnnouncedListed, job.AnnouncedListed, job.ListedAt, events.JobListed(job.ID, job.Listed)},
	} {
		if !m.said && !m.happened.IsZero() {
			words = append(words, word{m.happened, m.event, job.Traceparent, func(ctx context.Context) error {
				return schema.MarkAnnounced(ctx, d.db, job.ID, m.what, source)
			}})
		}
	}
	return words
}

// dispatch publishes what no hint covers of the items that are due.
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
	if refusal, ok := errors.AsType[*events.Refusal](failed); ok && refusal.OfStream() && outstanding {
		return nil // the stream has room again when the job's own messages leave it
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.stream.unpublished(failed)
}

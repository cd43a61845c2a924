package dispatcher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// work is a job's turn: whatever of its life is due and not done. More says that pages are left.
func (d *Dispatcher) work(ctx context.Context, jobID string, window int) (more bool, err error) {
	job, err := schema.ReadJob(ctx, d.db, jobID)
	if err != nil {
		return false, err
	}
	if job.EndedAt.IsZero() {
		if job, more, err = d.advance(ctx, job); err != nil {
			return false, err
		}
	}
	ctx = events.Traced(ctx, job.Traceparent)
	// A job that has ended may owe a word too: it ends with its last item, whoever has said what by then.
	if err := d.announce(ctx, job); err != nil {
		return more, err
	}
	switch {
	case !job.EndedAt.IsZero():
		return more, nil
	case job.Intent == schema.IntentRun:
		return more, d.dispatch(ctx, job, window)
	case job.Intent == schema.IntentCancel && more:
		// Nobody says of each item that it is cancelled.
		return more, d.publish.Publish(ctx, events.JobBell(jobID))
	default:
		return more, nil
	}
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
	n, err := schema.CancelItems(ctx, d.db, job.ID, d.options.Page)
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
			words = append(words, word{intent.CreatedAt, events.JobIntended(intent), intent.Traceparent, func(ctx context.Context) error {
				return schema.MarkIntentAnnounced(ctx, d.db, job.ID, intent.Version)
			}})
		}
	}
	slices.SortStableFunc(words, func(a, b word) int { return a.happened.Compare(b.happened) })
	for _, w := range words {
		if err := d.publish.Publish(events.Traced(ctx, w.trace), w.event); err != nil {
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
		{schema.AnnouncedRequested, job.AnnouncedRequested, job.CreatedAt, events.RequestOf(job)},
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

// dispatch sends the first of what is queued and due, as many as the window, but for what a hint says is still there.
func (d *Dispatcher) dispatch(ctx context.Context, job schema.Job, window int) error {
	items, err := schema.DueItems(ctx, d.db, job.ID, window)
	if err != nil {
		return err
	}
	now := time.Now()
	lane := job.Classifier.Lane()
	var (
		work []events.MappingRequested
		keys []hint
	)
	for _, item := range items {
		key := hint{job.ID, item.MappingID, item.Attempt, job.IntentVersion}
		if !d.hints.fresh(key, now) {
			work = append(work, events.MappingRequested{Lane: lane, JobID: job.ID, MappingID: item.MappingID})
			keys = append(keys, key)
		}
	}
	if len(work) == 0 {
		return nil
	}
	var failed error
	for i, result := range d.publish.PublishWork(ctx, work) {
		if result.Err != nil {
			failed = result.Err
			continue
		}
		d.hints[keys[i]] = now.Add(d.options.HintLife)
	}
	if failed != nil {
		return fmt.Errorf("dispatch of job %s: %w", job.ID, failed)
	}
	return nil
}

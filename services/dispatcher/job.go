package dispatcher

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// work is a job's turn: whatever of its life is due and not done. More says that pages are left.
func (d *Dispatcher) work(ctx context.Context, jobID string, window int) (more bool, err error) {
	job, err := schema.ReadJob(ctx, d.db, jobID)
	if err != nil || !job.EndedAt.IsZero() {
		return false, err
	}
	if job.StartedAt.IsZero() && job.Intent == schema.IntentRun {
		if err := schema.MarkStarted(ctx, d.db, jobID); err != nil {
			return false, err
		}
		if job, err = schema.ReadJob(ctx, d.db, jobID); err != nil {
			return false, err
		}
		d.log.InfoContext(ctx, "job started", "job_id", job.ID, "job_type", job.JobType, "mapping_count", job.MappingCount)
	}
	if job, more, err = d.list(ctx, job); err != nil {
		return false, err
	}
	if job.Intent == schema.IntentCancel {
		left, err := d.cancel(ctx, job)
		if err != nil {
			return false, err
		}
		more = more || left
	}
	trace, err := events.ParseTraceparent(job.Traceparent)
	if err == nil {
		ctx = events.WithTraceparent(ctx, trace)
	}
	if err := d.announce(ctx, job); err != nil {
		return more, err
	}
	if job.Intent != schema.IntentRun {
		return more, nil
	}
	return more, d.dispatch(ctx, job, window)
}

// list writes the next page of the work list. A job that only waits to be paused or has not started has none written.
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

// cancel ends the next page of what is queued.
func (d *Dispatcher) cancel(ctx context.Context, job schema.Job) (more bool, err error) {
	n, err := schema.CancelItems(ctx, d.db, job.ID, d.options.Page)
	return n == int64(d.options.Page), err
}

// announce says what has not been said of the job, in the order in which it happened.
func (d *Dispatcher) announce(ctx context.Context, job schema.Job) error {
	for _, due := range []struct {
		what     schema.Announcement
		said     bool
		happened bool
		event    events.Event
	}{
		{schema.AnnouncedRequested, job.AnnouncedRequested, true, events.RequestOf(job)},
		{schema.AnnouncedStarted, job.AnnouncedStarted, !job.StartedAt.IsZero(), events.JobStarted(job.ID)},
		{schema.AnnouncedListed, job.AnnouncedListed, !job.ListedAt.IsZero(), events.JobListed(job.ID, job.Listed)},
	} {
		if due.said || !due.happened {
			continue
		}
		if err := d.publish.Publish(ctx, due.event); err != nil {
			return err
		}
		if err := schema.MarkAnnounced(ctx, d.db, job.ID, due.what, Source); err != nil {
			return err
		}
	}
	if job.AnnouncedIntent < job.IntentVersion {
		return d.announceIntents(ctx, job)
	}
	return nil
}

func (d *Dispatcher) announceIntents(ctx context.Context, job schema.Job) error {
	intents, err := schema.UnannouncedIntents(ctx, d.db, job)
	if err != nil {
		return err
	}
	for _, intent := range intents {
		if err := d.publish.Publish(ctx, events.JobIntended(intent)); err != nil {
			return err
		}
		if err := schema.MarkIntentAnnounced(ctx, d.db, job.ID, intent.Version); err != nil {
			return err
		}
		d.log.InfoContext(ctx, "intent announced", "job_id", job.ID, "intent", intent.Intent, "intent_version", intent.Version)
	}
	return nil
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
		d.hints[keys[i]] = now
	}
	if failed != nil {
		return fmt.Errorf("dispatch of job %s: %w", job.ID, failed)
	}
	return nil
}

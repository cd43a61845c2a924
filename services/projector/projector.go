package projector

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// source is the source of the projector's events.
const source = schema.ServiceProjector

const (
	// sweepPage is the number of items that a sweep counts before the projector turns to other jobs.
	sweepPage = 5000
	// batchSize is the maximum number of events in a batch. A transaction for each event would cost more than the
	// classifiers do.
	batchSize = 1000
	// linger is how long an incomplete batch waits for more events, and so the delay of a job's progress.
	linger = 100 * time.Millisecond
	// absorbAfter is the number of errors of one job in a row after which any error is absorbed.
	absorbAfter = 5
	// maxRetried is the number of events of one job in a batch that are delivered again after an error: a small share
	// of the consumer's MaxAckPending. A sweep counts the items of the others.
	maxRetried = 100
)

// Projector keeps the status of every job up to date.
type Projector struct {
	db      *schema.DB
	publish *events.Publisher
	log     *slog.Logger
	runner  *events.Runner
	// page is the number of items in one page of a sweep.
	page      int
	lag       lagWatch
	recurring *events.Recurring
	scan      schema.LagScan

	mu sync.Mutex
	// failures counts the errors in a row of each job whose last fold failed.
	failures map[string]int
	// folded is the time at which events last updated the status of a job, for recently updated jobs only.
	folded map[string]time.Time
}

// New returns a projector that folds the events of the topology's stream into db.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger) *Projector {
	p := &Projector{
		db: db, publish: events.NewPublisher(js, source), log: log, page: sweepPage,
		lag: lagWatch{every: lagEvery}, recurring: events.NewRecurring(log),
		failures: map[string]int{}, folded: map[string]time.Time{},
	}
	p.runner = events.ConsumeBatches(js, events.Projector(), p.fold, events.Options{
		Batch: batchSize, Linger: linger, Topology: topology, Log: log,
	})
	return p
}

// Run folds events, and periodically also jobs whose status lags without an event, until ctx ends.
func (p *Projector) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { p.watchLag(ctx) })
	background.Go(func() { p.recurring.Run(ctx) })
	defer background.Wait()
	defer stop()
	return p.runner.Run(ctx)
}

// Ready returns nil while the projector receives events, and otherwise the reason why it does not.
func (p *Projector) Ready() error { return p.runner.Ready() }

// jobEvents are the events of one job in a batch, and the rows that they name.
type jobEvents struct {
	jobID string
	// indexes are the positions of the events in the batch.
	indexes    []int
	mappingIDs []string
	// sweep requests that all items with an outcome are counted, and not only those in mappingIDs.
	sweep bool
	// listed and intent report what the stream holds: the event that the list is complete, and the version of the job's
	// newest intent. The dispatcher records in the job's row what it has published, but only after it has published it.
	listed bool
	intent int64
}

// groupByJob groups the events of a batch by job, in the order of each job's first event.
func groupByJob(batch []events.Received[events.JobProgress]) []jobEvents {
	var groups []jobEvents
	at := map[string]int{}
	for n, received := range batch {
		event := received.Body
		i, ok := at[event.JobID]
		if !ok {
			i = len(groups)
			at[event.JobID] = i
			groups = append(groups, jobEvents{jobID: event.JobID})
		}
		group := &groups[i]
		group.indexes = append(group.indexes, n)
		switch event.Kind {
		case events.KindListed:
			group.sweep, group.listed = true, true
		case events.KindItem:
			group.mappingIDs = append(group.mappingIDs, event.Item.MappingID)
		case events.KindCancelled, events.KindBell:
			group.sweep = true
		case events.KindStarted, events.KindWaiting, events.KindPaused, events.KindResumed:
		}
		if event.Intended != nil {
			group.intent = max(group.intent, event.Intended.IntentVersion)
		}
	}
	return groups
}

// fold updates the status of every job in the batch. An error of one job affects only the events of that job.
func (p *Projector) fold(ctx context.Context, batch []events.Received[events.JobProgress]) error {
	verdicts, failed := make(events.Verdicts, len(batch)), false
	for _, group := range groupByJob(batch) {
		group.sweep = group.sweep || p.missedEvents(group.jobID)
		err := p.foldJob(schema.WithSubject(ctx, group.jobID, ""), group)
		if err = p.absorb(ctx, group.jobID, err); err == nil {
			continue
		}
		failed = true
		for _, i := range group.indexes[:min(len(group.indexes), maxRetried)] {
			verdicts[i] = err
		}
	}
	if !failed {
		return nil
	}
	return verdicts
}

// missedEvents reports whether events of the job may have been acknowledged without a fold.
func (p *Projector) missedEvents(jobID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failures[jobID] > 0
}

// absorb counts and logs an error that belongs to one job, and returns nil for it: a redelivery would repeat the error
// and hold up other jobs. The status lags then, and the next bell or the next search for lagging jobs is another
// attempt. It returns any other error unchanged.
func (p *Projector) absorb(ctx context.Context, jobID string, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.failures, jobID)
		return nil
	}
	if errors.Is(err, schema.ErrNotFound) {
		p.recurring.Note(ctx, slog.LevelWarn, "event of a job that does not exist", err, "job_id", jobID)
		return nil
	}
	p.failures[jobID]++
	belongsToJob := errors.Is(err, schema.ErrTransition) || schema.IsRefused(err) || schema.IsLockTimeout(err)
	if !belongsToJob && p.failures[jobID] < absorbAfter {
		return err
	}
	p.recurring.Note(ctx, slog.LevelError, "cannot write the status of a job", err, "job_id", jobID)
	return nil
}

// foldResult is a job and its status after a fold.
type foldResult struct {
	job    schema.Job
	status schema.JobStatus
	// now is the time of the transaction.
	now time.Time
	// more reports that a sweep has pages left.
	more bool
}

// foldJob updates the status of a job and then publishes the events that follow from it. A sweep counts one page and
// requests the next one with a bell, which queues up after the events of other jobs.
func (p *Projector) foldJob(ctx context.Context, group jobEvents) error {
	result, err := p.foldRows(ctx, group)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.folded[group.jobID] = time.Now()
	p.mu.Unlock()
	if err := p.publishWaiting(ctx, result); err != nil {
		return err
	}
	if result.more {
		return p.publish.Publish(ctx, events.JobBell(group.jobID))
	}
	return p.publishFinished(ctx, result, group)
}

// foldRows counts the items that the events name, in one transaction. If the job has just started, another transaction
// before that writes that it is running. foldRows needs no connection to NATS.
func (p *Projector) foldRows(ctx context.Context, group jobEvents) (foldResult, error) {
	var result foldResult
	for {
		var started bool
		err := p.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			locked, err := schema.LockStatus(ctx, tx, group.jobID)
			if err != nil {
				return err
			}
			result.job = locked.Job
			if started = locked.IsFirstStart(); started {
				p.log.InfoContext(ctx, "job is running", "job_id", group.jobID)
				return schema.MarkRunning(ctx, tx, locked)
			}
			result.now = locked.Now
			result.status, result.more, err = p.count(ctx, tx, locked, group)
			return err
		})
		if errors.Is(err, schema.ErrJobChanged) || err == nil && started {
			continue
		}
		if err == nil && group.sweep && !result.more {
			p.scan.Swept(group.jobID, result.now)
		}
		return result, err
	}
}

// count adds the items that the events name to the job's status. It returns the new status, and whether a sweep has
// pages left.
func (p *Projector) count(
	ctx context.Context, tx bun.Tx, locked schema.LockedStatus, group jobEvents,
) (after schema.JobStatus, more bool, err error) {
	before := locked.Status
	counts, err := schema.FoldItems(ctx, tx, locked, group.mappingIDs)
	if err != nil {
		return before, false, err
	}
	var swept int64
	if group.sweep {
		var others schema.Counts
		others, swept, err = schema.FoldItemsSince(ctx, tx, locked, p.scan.FoldedUntil(group.jobID), p.page)
		if err != nil {
			return before, false, err
		}
		counts = counts.Plus(others)
	}
	if counts.Completed() > 0 && locked.Job.StartedAt.IsZero() {
		// The job started, and items ended, after its row was read. Clients must see the start first.
		return before, false, schema.ErrJobChanged
	}
	after, err = schema.UpdateStatus(ctx, tx, locked, before.Plus(counts))
	if err != nil {
		return before, false, err
	}
	if after.Status != before.Status {
		p.log.InfoContext(ctx, "job status", "status", after.Status, "job_id", group.jobID,
			"completed_steps", after.CompletedSteps, "total_steps", after.TotalSteps)
	}
	return after, swept == int64(p.page) && !after.Status.IsFinal(), nil
}

// publishWaiting publishes the reason why the job waits, or that it no longer waits, if that differs from the last
// published reason.
func (p *Projector) publishWaiting(ctx context.Context, result foldResult) error {
	job, status := result.job, result.status
	if status.WaitingFor == job.PublishedWaiting {
		return nil
	}
	waiting := events.Waiting{Since: status.UpdatedAt}
	if status.WaitingFor != "" {
		waiting.WaitingFor = &status.WaitingFor
	}
	if !status.WaitingUntil.IsZero() {
		waiting.Until = &status.WaitingUntil
	}
	ctx = events.WithTrace(ctx, job.Traceparent)
	if err := p.publish.Publish(ctx, events.JobWaiting(job.ID, waiting)); err != nil {
		return err
	}
	return schema.MarkWaitingPublished(ctx, p.db, job.ID, status.WaitingFor)
}

// publishFinished publishes once that the job has ended. If the dispatcher has not published all other events of the
// job, it publishes nothing: the job lags until then, and a bell follows.
func (p *Projector) publishFinished(ctx context.Context, result foldResult, group jobEvents) error {
	job := result.job
	unpublished := !job.PublishedListed && !group.listed || max(job.PublishedIntent, group.intent) < job.IntentVersion
	if !result.status.Status.IsFinal() || job.PublishedFinished || unpublished {
		return nil
	}
	finished := events.JobFinished{JobStatus: events.StatusOf(job, result.status)}
	if err := p.publish.Publish(events.WithTrace(ctx, job.Traceparent), finished); err != nil {
		return err
	}
	return schema.MarkPublished(ctx, p.db, job.ID, schema.JobEventFinished, source)
}

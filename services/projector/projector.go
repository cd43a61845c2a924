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

// source is how the projector signs its events.
const source = "projector"

const (
	// sweepPage is how many items a sweep counts at once, before other jobs have their turn.
	sweepPage = 5000
	// batchSize is how many events are folded together at most: a transaction each would cost more than the classifiers do.
	batchSize = 1000
	// linger is how long a batch that is not full waits for more, and so the delay of a job's progress.
	linger = 50 * time.Millisecond
	// ownAfter is the number of errors in a row, whatever they are, after which they belong to the job in which they occur.
	ownAfter = 5
	// maxRetried is how many events of one job in a batch are delivered again after an error: a small share of the consumer's
	// MaxAckPending. A sweep makes up for the others.
	maxRetried = 100
)

// Projector keeps the status of every job.
type Projector struct {
	db      *schema.DB
	publish *events.Publisher
	log     *slog.Logger
	runner  *events.Runner
	// page is how many items a sweep counts at once.
	page      int
	lag       lag
	recurring *events.Recurring
	scan      schema.LagScan

	mu sync.Mutex
	// troubles counts the errors in a row of the jobs whose last fold failed.
	troubles map[string]int
	// folded is when events last brought the status of a job up to its rows, for the jobs of the last seconds.
	folded map[string]time.Time
}

// New makes a projector that folds the events of the topology's stream into db.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger) *Projector {
	p := &Projector{
		db: db, publish: events.NewPublisher(js, source), log: log, page: sweepPage,
		lag: lag{every: lagEvery, rows: statusPage}, recurring: events.NewRecurring(log),
		troubles: map[string]int{}, folded: map[string]time.Time{},
	}
	p.runner = events.ConsumeBatches(js, events.Projector(), p.fold, events.Options{
		Batch: batchSize, Linger: linger, Topology: topology, Log: log,
	})
	return p
}

// Run folds events, and follows the rows without any, until ctx ends.
func (p *Projector) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { p.followRows(ctx) })
	following.Go(func() { p.recurring.Run(ctx) })
	defer following.Wait()
	defer stop()
	return p.runner.Run(ctx)
}

// Ready reports why no events come at the moment; nil while they do.
func (p *Projector) Ready() error { return p.runner.Ready() }

// look is what one or more events of a job ask the projector to look at.
type look struct {
	jobID string
	// events are the indexes of the job's events in the batch.
	events     []int
	mappingIDs []string
	// sweep asks for everything that is not counted.
	sweep bool
	// listed and intent report what the stream has of the job: that its list is complete, and the version of its newest intent. The
	// dispatcher marks in the job's row what it has published, but only after that.
	listed bool
	intent int64
}

// looks gathers a batch of events by job, in the order of their first events.
func looks(batch []events.Received[events.JobProgress]) []look {
	var all []look
	at := map[string]int{}
	for n, d := range batch {
		i, ok := at[d.Body.JobID]
		if !ok {
			i = len(all)
			at[d.Body.JobID] = i
			all = append(all, look{jobID: d.Body.JobID})
		}
		all[i].events = append(all[i].events, n)
		switch d.Body.Kind {
		case events.KindListed:
			all[i].sweep, all[i].listed = true, true
		case events.KindItem:
			all[i].mappingIDs = append(all[i].mappingIDs, d.Body.Item.MappingID)
		case events.KindCancelled, events.KindBell:
			all[i].sweep = true
		case events.KindStarted, events.KindWaiting, events.KindPaused, events.KindResumed:
		}
		if d.Body.Intended != nil {
			all[i].intent = max(all[i].intent, d.Body.Intended.IntentVersion)
		}
	}
	return all
}

// fold brings the status of every job that the batch names up to its rows. An error of one job decides only about the events of that job.
func (p *Projector) fold(ctx context.Context, batch []events.Received[events.JobProgress]) error {
	verdicts, failed := make(events.Verdicts, len(batch)), false
	for _, l := range looks(batch) {
		l.sweep = l.sweep || p.missedEvents(l.jobID)
		err := p.foldJob(schema.WithSubject(ctx, l.jobID, ""), l)
		if p.own(ctx, l.jobID, err) {
			continue
		}
		failed = true
		for _, i := range l.events[:min(len(l.events), maxRetried)] {
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
	return p.troubles[jobID] > 0
}

// own reports whether the events of the job are to be acknowledged: err is nil, or belongs to this job, so that it would come back with
// every event and hold up the others. Then the status lags, and the next bell or look at the rows is another try.
func (p *Projector) own(ctx context.Context, jobID string, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.troubles, jobID)
		return true
	}
	if errors.Is(err, schema.ErrNotFound) {
		p.recurring.Note(ctx, slog.LevelWarn, "event of a job that does not exist", err, "job_id", jobID)
		return true
	}
	p.troubles[jobID]++
	if !errors.Is(err, schema.ErrTransition) && !schema.Refused(err) && !schema.LockTimedOut(err) && p.troubles[jobID] < ownAfter {
		return false
	}
	p.recurring.Note(ctx, slog.LevelError, "the status of a job cannot be written", err, "job_id", jobID)
	return true
}

// standing is a job and its status after its rows were folded.
type standing struct {
	job    schema.Job
	status schema.JobStatus
	// more reports that a sweep has pages left.
	more bool
}

// foldJob brings the status of a job up to what the look finds, and then publishes what follows from it. A sweep counts one page; the
// next one is asked for with a bell, which queues up behind the events of other jobs.
func (p *Projector) foldJob(ctx context.Context, l look) error {
	stands, err := p.foldRows(ctx, l)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.folded[l.jobID] = time.Now()
	p.mu.Unlock()
	if err := p.tellWaiting(ctx, stands.job, stands.status); err != nil {
		return err
	}
	if stands.more {
		return p.publish.Publish(ctx, events.JobBell(l.jobID))
	}
	return p.finish(ctx, stands, l)
}

// foldRows counts what the look finds, in a transaction of its own after the one in which the job is first seen running. It needs no
// connection to NATS.
func (p *Projector) foldRows(ctx context.Context, l look) (standing, error) {
	var stands standing
	for {
		var begun bool
		err := p.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			locked, err := schema.LockStatus(ctx, tx, l.jobID)
			if err != nil {
				return err
			}
			stands.job = locked.Job
			if begun = locked.FirstStart(); begun {
				p.log.InfoContext(ctx, "job is running", "job_id", l.jobID)
				return schema.WriteRunning(ctx, tx, locked)
			}
			stands.status, stands.more, err = p.count(ctx, tx, locked, l)
			return err
		})
		if errors.Is(err, schema.ErrJobChanged) || err == nil && begun {
			continue
		}
		return stands, err
	}
}

// tellWaiting says what the job waits for where that is something else than was said last, or that it does not wait any more.
func (p *Projector) tellWaiting(ctx context.Context, job schema.Job, status schema.JobStatus) error {
	if status.WaitingFor == job.AnnouncedWaiting {
		return nil
	}
	waiting := events.Waiting{Since: status.UpdatedAt}
	if status.WaitingFor != "" {
		waiting.WaitingFor = &status.WaitingFor
	}
	if !status.WaitingUntil.IsZero() {
		waiting.Until = &status.WaitingUntil
	}
	if err := p.publish.Publish(events.WithTrace(ctx, job.Traceparent), events.JobWaiting(job.ID, waiting)); err != nil {
		return err
	}
	return schema.MarkWaitingAnnounced(ctx, p.db, job.ID, status.WaitingFor)
}

// count adds what the look finds to the job's status. More says that a sweep has pages left.
func (p *Projector) count(ctx context.Context, tx bun.Tx, locked schema.LockedStatus, l look) (schema.JobStatus, bool, error) {
	before := locked.Status
	found, err := schema.FoldItems(ctx, tx, locked, l.mappingIDs)
	if err != nil {
		return before, false, err
	}
	var swept int64
	if l.sweep {
		var more schema.Counts
		if more, swept, err = schema.SweepItems(ctx, tx, locked, p.scan.Since(l.jobID), p.page); err != nil {
			return before, false, err
		}
		found = found.Plus(more)
	}
	after, err := schema.WriteStatus(ctx, tx, locked, before.Plus(found))
	if err != nil {
		return before, false, err
	}
	if after.Status != before.Status {
		p.log.InfoContext(ctx, "job status", "status", after.Status, "job_id", l.jobID, "completed_steps", after.CompletedSteps, "total_steps", after.TotalSteps)
	}
	return after, swept == int64(p.page) && !after.Status.Final(), nil
}

// finish publishes once that the job has ended, after everything else about it: until the dispatcher has published the rest, the job
// lags, and a bell follows.
func (p *Projector) finish(ctx context.Context, stands standing, l look) error {
	job := stands.job
	rest := !job.AnnouncedListed && !l.listed || max(job.AnnouncedIntent, l.intent) < job.IntentVersion
	if !stands.status.Status.Final() || job.AnnouncedFinished || rest {
		return nil
	}
	finished := events.JobFinished{JobStatus: events.StatusOf(job, stands.status)}
	if err := p.publish.Publish(events.WithTrace(ctx, job.Traceparent), finished); err != nil {
		return err
	}
	return schema.MarkAnnounced(ctx, p.db, job.ID, schema.AnnouncedFinished, source)
}

package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// source is the source of the dispatcher's events.
const source = schema.ServiceDispatcher

// Options for [New]; the zero value works.
type Options struct {
	// Interval is the pause after a turn; 200 ms if zero.
	Interval time.Duration
	// Window is the maximum number of outstanding messages of all jobs of a lane; 1,000 if zero.
	Window int
	// Slots is the number of mappings that a lane's workers process concurrently, in all processes; 16 if zero. A job's
	// share of the window is at least twice that number, because a lane of slow calls starves otherwise.
	Slots int
	// Page is the number of items that are listed in one transaction; 2,000 if zero.
	Page int
	// CancelPage is the number of items that are cancelled in one transaction; 10,000 if zero.
	CancelPage int
	// HintLife is the time after a publish during which the loop does not publish the same item again; 5 s if zero. If
	// the stream loses a message, its item is delayed by that time.
	HintLife time.Duration
	// BellCheck is the interval of the checks for jobs whose status lags; 500 ms if zero.
	BellCheck time.Duration
	// LaneCheck is the interval of the checks of the consumer of a lane that has due items; 1 s if zero.
	LaneCheck time.Duration
	// Silence is the time without an active classifier after which a lane's jobs are blocked; 5 s if zero.
	Silence time.Duration
	// Undelivered is the time after which an undelivered message is replaced; 20 s, several AckWaits, if zero.
	Undelivered time.Duration
	// BellPause is the minimum time between two bells of a job; 1 s if zero.
	BellPause time.Duration
}

func (o Options) withDefaults() Options {
	o.Interval = cmp.Or(o.Interval, 200*time.Millisecond)
	o.Window = cmp.Or(o.Window, 1000)
	o.Slots = cmp.Or(o.Slots, 16)
	o.Page = cmp.Or(o.Page, 2000)
	o.CancelPage = cmp.Or(o.CancelPage, 10_000)
	o.HintLife = cmp.Or(o.HintLife, 5*time.Second)
	o.BellCheck = cmp.Or(o.BellCheck, 500*time.Millisecond)
	o.LaneCheck = cmp.Or(o.LaneCheck, time.Second)
	o.Silence = cmp.Or(o.Silence, 5*time.Second)
	o.Undelivered = cmp.Or(o.Undelivered, 20*time.Second)
	o.BellPause = cmp.Or(o.BellPause, time.Second)
	return o
}

// idlePause is the factor by which the pause is longer after a turn in which no job had work. It saves CPU time while
// many jobs wait; a new job wakes the loop.
const idlePause = 3

// Dispatcher is the control loop.
type Dispatcher struct {
	db       *schema.DB
	js       jetstream.JetStream
	topology events.Topology
	log      *slog.Logger
	options  Options

	hints     hints
	positions positions
	lanes     map[schema.Lane]*laneState
	bells     bells
	stream    stream
	// damaged are the ids of the changes of mappings whose event cannot be made.
	damaged []string

	// waitsChecked is the time of the last search for waits that are over.
	waitsChecked time.Time
	// idle reports that no job had work in the last turn.
	idle bool
	// notReady is the reason that Ready returns; empty after a complete turn.
	notReady atomic.Pointer[string]
}

// New returns a dispatcher that compares db with the streams of the topology.
func New(
	db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger, options Options,
) *Dispatcher {
	d := &Dispatcher{
		db: db, js: js, topology: topology, log: log, options: options.withDefaults(),
		hints: hints{}, positions: positions{},
		lanes: map[schema.Lane]*laneState{}, bells: bells{published: map[string]time.Time{}},
		stream: stream{
			publish:   events.NewPublisher(js, source),
			connected: func() bool { return js.Conn().IsConnected() }, full: map[string]bool{},
		},
	}
	d.setReady(errors.New("the loop has not completed a turn yet"))
	return d
}

// Ready returns nil if the last turn was complete, and otherwise the reason why not. Only errors of NATS are returned
// with details, because /readyz needs no authentication. The log has the others.
func (d *Dispatcher) Ready() error {
	if !d.js.Conn().IsConnected() {
		return events.ErrDisconnected
	}
	if reason := d.notReady.Load(); *reason != "" {
		return errors.New(*reason)
	}
	return nil
}

func (d *Dispatcher) setReady(err error) {
	reason := ""
	if unpublished, ok := errors.AsType[*unpublishedError](err); ok {
		reason = unpublished.Error()
	} else if refused, ok := errors.AsType[*events.NotDeclaredError](err); ok {
		reason = refused.Error()
	} else if err != nil {
		reason = "the loop has not completed its last turn"
	}
	d.notReady.Store(&reason)
}

// turn gives a turn to every job that needs one. more reports that a list or a cancellation has pages left, so that the
// next turn follows at once. If one job fails, the others still get their turn; the first error is returned.
func (d *Dispatcher) turn(ctx context.Context) (more bool, err error) {
	now := time.Now()
	d.hints.forget(now, staleHint)
	d.stream.begin()
	jobs, err := schema.ListJobsWithWork(ctx, d.db, d.positions.known(now))
	if err != nil {
		return false, err
	}
	d.idle = len(jobs) == 0
	if d.idle && len(d.bells.lagging) == 0 {
		d.stream.refused = nil // there may be no event that would be published
	}
	shares := d.shares(jobs)
	due, err := d.dueItems(ctx, jobs, shares, now)
	if err != nil {
		return false, err
	}
	lost := false
	note := func(next error) {
		lost = lost || errors.Is(next, events.ErrNoStream)
		if err == nil {
			err = next
		}
	}
	note(d.checkLanes(ctx, lanesOf(jobs, due), now))
	for _, job := range jobs {
		t := task{job: job, due: due[job.ID], window: shares[job.Classifier.Lane()]}
		t.send = d.unsent(job, t.due, now)
		if !d.needsTurn(t, now) {
			continue
		}
		unfinished, jobErr := d.runTurn(ctx, t)
		more = more || unfinished
		note(jobErr)
	}
	note(d.publishPlanning(ctx))
	unpublished, changesErr := d.publishChanges(ctx)
	more = more || unpublished
	note(changesErr)
	note(d.expireWaits(ctx, now))
	note(d.publishBells(ctx))
	note(d.probe(ctx, jobs, due))
	if err == nil {
		err = d.stream.refused // of an earlier turn
	}
	d.checkRoom(ctx, now)
	if lost {
		// The stream was deleted, or the server lost its store, and with it all published messages.
		d.forget()
		d.stream.undeclared = d.topology.Declare(ctx, d.js)
		err = errors.Join(err, d.stream.undeclared)
	}
	return more && err == nil, err
}

// task is the turn of one job.
type task struct {
	job schema.Job
	// due are the job's due items, and send those without a valid hint.
	due, send []schema.DueItem
	window    int
}

// dueItems lists the due items of the jobs, and remembers the positions for the next turn.
func (d *Dispatcher) dueItems(
	ctx context.Context, jobs []schema.Job, shares map[schema.Lane]int, now time.Time,
) (map[string][]schema.DueItem, error) {
	limits := map[string]int{}
	for _, job := range jobs {
		if job.EndedAt.IsZero() && job.Intent == schema.IntentRun && job.Listed > 0 {
			limits[job.ID] = shares[job.Classifier.Lane()]
		}
	}
	if len(limits) == 0 {
		return nil, nil
	}
	due, err := schema.ListDueItems(ctx, d.db, limits, d.positions.known(now))
	if err != nil {
		return nil, err
	}
	for _, job := range jobs {
		if _, queried := limits[job.ID]; !queried {
			continue
		}
		// No item before the first one is queued. Without one, items that are listed later follow the cursor.
		position := job.ListCursor
		if i := slices.IndexFunc(due[job.ID], func(item schema.DueItem) bool { return item.AtOnce }); i >= 0 {
			position = due[job.ID][i].MappingID
		}
		d.positions.set(job.ID, position, now)
	}
	return due, nil
}

// unsent returns the due items without a valid hint.
func (d *Dispatcher) unsent(job schema.Job, due []schema.DueItem, now time.Time) (send []schema.DueItem) {
	for _, item := range due {
		if !d.hints.fresh(hintOf(job, item), now) {
			send = append(send, item)
		}
	}
	return send
}

func hintOf(job schema.Job, item schema.DueItem) hint {
	return hint{job.ID, item.MappingID, item.Attempt, job.IntentVersion}
}

// lanesOf returns the lanes of the jobs that have due items.
func lanesOf(jobs []schema.Job, due map[string][]schema.DueItem) map[schema.Lane]bool {
	lanes := map[schema.Lane]bool{}
	for _, job := range jobs {
		if len(due[job.ID]) > 0 {
			lanes[job.Classifier.Lane()] = true
		}
	}
	return lanes
}

// forget drops all assumptions about the streams.
func (d *Dispatcher) forget() {
	clear(d.hints)
	clear(d.bells.published)
}

// shares divides each lane's window among its running jobs.
func (d *Dispatcher) shares(jobs []schema.Job) map[schema.Lane]int {
	running := map[schema.Lane]int{}
	for _, job := range jobs {
		if job.EndedAt.IsZero() && job.Intent == schema.IntentRun {
			running[job.Classifier.Lane()]++
		}
	}
	shares := map[schema.Lane]int{}
	for lane, n := range running {
		shares[lane] = max(d.options.Window/n, 2*d.options.Slots)
	}
	return shares
}

// needsTurn reports whether the job needs a turn. Skipping the others saves a transaction and a few reads for each.
func (d *Dispatcher) needsTurn(t task, now time.Time) bool {
	job := t.job
	published := job.PublishedRequested && job.PublishedIntent == job.IntentVersion &&
		job.PublishedStarted == !job.StartedAt.IsZero() && job.PublishedListed == !job.ListedAt.IsZero()
	switch {
	case !published:
		return true
	case !job.EndedAt.IsZero(), job.Intent == schema.IntentPause:
		return false
	case job.Intent == schema.IntentCancel, job.StartedAt.IsZero(), job.ListedAt.IsZero(), len(t.send) > 0:
		return true
	default:
		return d.blockedBy(t, nil, now) != job.BlockedBy
	}
}

// runTurn gives the job its turn, unless another dispatcher has locked it, and records why the job is blocked.
func (d *Dispatcher) runTurn(ctx context.Context, t task) (more bool, err error) {
	ctx = schema.WithSubject(ctx, t.job.ID, "")
	err = d.db.RunInTx(ctx, nil, func(ctx context.Context, lock bun.Tx) error {
		taken, err := schema.TryLockJob(ctx, lock, t.job.ID)
		if err != nil || !taken {
			return err
		}
		more, err = d.advanceJob(ctx, &t)
		if err != nil && !blocks(err) {
			return err
		}
		if reason := d.blockedBy(t, err, time.Now()); reason != t.job.BlockedBy {
			if reason != "" {
				d.log.WarnContext(ctx, "job is blocked", "job_id", t.job.ID, "reason", reason)
			}
			err = errors.Join(err, schema.UpdateBlockedBy(ctx, d.db, t.job.ID, reason))
		}
		return err
	})
	return more, err
}

// blocks reports whether an error of a turn shows that the job is blocked, by NATS or by a lock.
func blocks(err error) bool {
	_, unpublished := errors.AsType[*unpublishedError](err)
	return unpublished || schema.IsLockTimeout(err)
}

// blockedByLock is the reason of a job whose turn failed because of a lock.
const blockedByLock = "the dispatcher waits for a lock that another session holds on the job or on a mapping of " +
	"its report"

// blockedBy returns the reason why the job is blocked: its turn failed with err, NATS rejects events, or its lane makes
// no progress. Until the state of the lane is known, the recorded reason stays.
func (d *Dispatcher) blockedBy(t task, err error, now time.Time) string {
	if schema.IsLockTimeout(err) {
		return blockedByLock
	}
	if err != nil {
		return err.Error()
	}
	if len(t.due) == 0 {
		return ""
	}
	if d.stream.refused != nil {
		return d.stream.refused.Error()
	}
	reason, known := d.problem(t.job.Classifier.Lane(), now)
	if !known && t.job.BlockedBy != blockedByLock {
		return t.job.BlockedBy
	}
	return reason
}

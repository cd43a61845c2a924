package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// source is how the dispatcher signs its events.
const source = "dispatcher"

// Options for [New]; the zero value works.
type Options struct {
	// Interval is the pause after a turn; 200 ms if zero.
	Interval time.Duration
	// Window is how many messages the jobs of a lane have outstanding together; 1,000 if zero.
	Window int
	// Slots is how many mappings a lane's workers handle at once, in all processes; 16 if zero. A job's share of the window is never
	// less than twice that, because a lane of slow calls starves otherwise.
	Slots int
	// Page is how many items are listed in one transaction; 2,000 if zero.
	Page int
	// CancelPage is how many items are cancelled in one transaction; 10,000 if zero.
	CancelPage int
	// HintLife is how long the loop trusts that a message it sent is still there; 5 s if zero. A stream that loses a message costs that
	// much delay.
	HintLife time.Duration
	// Look is how often the loop looks for jobs whose status lags; 500 ms if zero.
	Look time.Duration
	// LaneLook is how often the loop looks at the consumer of a lane that has due items; a second if zero.
	LaneLook time.Duration
	// Silence is how long a lane may show no sign of a classifier before that is reported; 5 s if zero.
	Silence time.Duration
	// Undelivered is how long the stream may refuse an item although its consumer has nothing to deliver, before the message is replaced;
	// 20 s, several AckWaits, if zero.
	Undelivered time.Duration
	// BellPause is how long a bell is given to bring the status of its job up to the rows before it is rung again; 1 s if zero.
	BellPause time.Duration
}

func (o Options) withDefaults() Options {
	o.Interval = cmp.Or(o.Interval, 200*time.Millisecond)
	o.Window = cmp.Or(o.Window, 1000)
	o.Slots = cmp.Or(o.Slots, 16)
	o.Page = cmp.Or(o.Page, 2000)
	o.CancelPage = cmp.Or(o.CancelPage, 10_000)
	o.HintLife = cmp.Or(o.HintLife, 5*time.Second)
	o.Look = cmp.Or(o.Look, 500*time.Millisecond)
	o.LaneLook = cmp.Or(o.LaneLook, time.Second)
	o.Silence = cmp.Or(o.Silence, 5*time.Second)
	o.Undelivered = cmp.Or(o.Undelivered, 20*time.Second)
	o.BellPause = cmp.Or(o.BellPause, time.Second)
	return o
}

// idlePause is how many times longer the pause is after a turn in which no job had work. A thousand jobs that only wait would cost more
// than they need to otherwise; a new job wakes the loop.
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
	lanes     map[schema.Lane]*watch
	bells     bells
	stream    stream

	// idle reports that no job had work in the last turn.
	idle bool
	// ready is why the last turn was cut short, for anyone to see.
	ready atomic.Pointer[string]
}

// New makes a dispatcher that compares db with what the streams of the topology hold.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger, options Options) *Dispatcher {
	d := &Dispatcher{
		db: db, js: js, topology: topology, log: log, options: options.withDefaults(), hints: hints{}, positions: positions{},
		lanes: map[schema.Lane]*watch{}, bells: bells{rung: map[string]time.Time{}},
		stream: stream{
			publish:   events.NewPublisher(js, source),
			connected: func() bool { return js.Conn().IsConnected() }, full: map[string]bool{},
		},
	}
	d.setReady(errors.New("the loop has had no whole turn yet"))
	return d
}

// Ready reports why the loop does not do its work at the moment; nil while it does. Of errors other than those of NATS it reports no
// details, because anyone may see them; the log has the rest.
func (d *Dispatcher) Ready() error {
	if !d.js.Conn().IsConnected() {
		return events.ErrDisconnected
	}
	if reason := d.ready.Load(); *reason != "" {
		return errors.New(*reason)
	}
	return nil
}

func (d *Dispatcher) setReady(err error) {
	reason := ""
	if unpublished, ok := errors.AsType[*unpublishedError](err); ok {
		reason = unpublished.Error()
	} else if refused, ok := errors.AsType[*events.NotDeclared](err); ok {
		reason = refused.Error()
	} else if err != nil {
		reason = "the loop has had no whole turn lately"
	}
	d.ready.Store(&reason)
}

// Run turns the loop until ctx ends. What goes wrong in a turn is logged and tried again in the next one.
func (d *Dispatcher) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	sub, err := d.js.Conn().Subscribe(events.TopicRegenerateRequested.Filter(), func(*nats.Msg) {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("subscription of the dispatcher: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone, and the subscription with it
	connected := d.js.Conn().StatusChanged(nats.CONNECTED)
	defer d.js.Conn().RemoveStatusListener(connected)

	trouble := ""
	for {
		more, err := d.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		d.setReady(err)
		trouble = d.report(ctx, trouble, err)
		pause := d.options.Interval
		switch {
		case more:
			pause = 0
		case d.idle:
			pause *= idlePause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-connected:
			// What was sent before the connection was lost may be lost with it.
			d.forget()
		case <-wake:
		case <-time.After(pause):
		}
	}
}

// report logs what goes wrong once, and once that it is over.
func (d *Dispatcher) report(ctx context.Context, before string, err error) string {
	switch {
	case err != nil && err.Error() != before:
		d.log.WarnContext(ctx, "turn cut short, trying again", "error", err)
		return err.Error()
	case err == nil && before != "":
		d.log.InfoContext(ctx, "turns are whole again")
		return ""
	default:
		return before
	}
}

// turn looks once at every job that has something to do. More reports that a list or a cancellation has pages left, so that the next turn
// comes at once. An error of one job does not keep the others from their turn; the first error is returned.
func (d *Dispatcher) turn(ctx context.Context) (more bool, err error) {
	now := time.Now()
	d.hints.forget(now, staleHint)
	d.stream.begin()
	jobs, err := schema.JobsWithWork(ctx, d.db, d.positions.known(now))
	if err != nil {
		return false, err
	}
	d.idle = len(jobs) == 0
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
	note(d.watchLanes(ctx, lanesOf(jobs, due), now))
	for _, job := range jobs {
		t := task{job: job, due: due[job.ID], window: shares[job.Classifier.Lane()]}
		t.send = d.unsent(job, t.due, now)
		if !d.wants(t, now) {
			continue
		}
		unfinished, jobErr := d.take(ctx, t)
		more = more || unfinished
		note(jobErr)
	}
	note(d.publishPlanning(ctx))
	note(d.ringBells(ctx))
	note(d.probe(ctx, jobs, due))
	d.watchRoom(ctx, now)
	if lost {
		// The stream was deleted, or the server lost its store: what was published before is gone too.
		d.forget()
		d.stream.undeclared = d.topology.Declare(ctx, d.js)
		err = errors.Join(err, d.stream.undeclared)
	}
	return more && err == nil, err
}

// task is the turn of one job.
type task struct {
	job schema.Job
	// due are the items that are queued and due, and send those of them that no hint covers.
	due, send []schema.DueItem
	window    int
}

// dueItems lists what is due of the jobs, and remembers from where to look the next time.
func (d *Dispatcher) dueItems(ctx context.Context, jobs []schema.Job, shares map[schema.Lane]int, now time.Time) (map[string][]schema.DueItem, error) {
	limits := map[string]int{}
	for _, job := range jobs {
		if job.EndedAt.IsZero() && job.Intent == schema.IntentRun && job.Listed > 0 {
			limits[job.ID] = shares[job.Classifier.Lane()]
		}
	}
	if len(limits) == 0 {
		return nil, nil
	}
	due, err := schema.DueItems(ctx, d.db, limits, d.positions.known(now))
	if err != nil {
		return nil, err
	}
	for _, job := range jobs {
		if _, asked := limits[job.ID]; !asked {
			continue
		}
		// Nothing before the first item is queued. Without any, whatever is listed later comes after the list's end.
		position := job.ListCursor
		if i := slices.IndexFunc(due[job.ID], func(item schema.DueItem) bool { return item.AtOnce }); i >= 0 {
			position = due[job.ID][i].MappingID
		}
		d.positions.set(job.ID, position, now)
	}
	return due, nil
}

// unsent lists the due items that no hint covers.
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

// forget drops what the loop believes of the streams.
func (d *Dispatcher) forget() {
	clear(d.hints)
	clear(d.bells.rung)
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

// wants reports whether the job needs its turn, which costs a transaction and a few reads.
func (d *Dispatcher) wants(t task, now time.Time) bool {
	job := t.job
	published := job.AnnouncedRequested && job.AnnouncedIntent == job.IntentVersion &&
		job.AnnouncedStarted == !job.StartedAt.IsZero() && job.AnnouncedListed == !job.ListedAt.IsZero()
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

// take gives the job its turn, unless another dispatcher has it, and records why it cannot move, if it cannot.
func (d *Dispatcher) take(ctx context.Context, t task) (more bool, err error) {
	ctx = schema.WithSubject(ctx, t.job.ID, "")
	err = d.db.RunInTx(ctx, nil, func(ctx context.Context, lock bun.Tx) error {
		taken, err := schema.TakeJob(ctx, lock, t.job.ID)
		if err != nil || !taken {
			return err
		}
		more, err = d.work(ctx, &t)
		if _, ok := errors.AsType[*unpublishedError](err); err != nil && !ok && !schema.LockTimedOut(err) {
			return err
		}
		if reason := d.blockedBy(t, err, time.Now()); reason != t.job.BlockedBy {
			if reason != "" {
				d.log.WarnContext(ctx, "job is blocked", "job_id", t.job.ID, "reason", reason)
			}
			err = errors.Join(err, schema.SetBlocked(ctx, d.db, t.job.ID, reason))
		}
		return err
	})
	return more, err
}

// blockedByLock is the reason of a job whose turn was cut short by a lock.
const blockedByLock = "the dispatcher waits for a lock that another session holds on the job or on a mapping of its report"

// blockedBy returns why the job cannot move: its turn was cut short by err, events are refused, or its lane does not move. Until enough
// has been seen of the lane, the recorded reason stays.
func (d *Dispatcher) blockedBy(t task, err error, now time.Time) string {
	if schema.LockTimedOut(err) {
		return blockedByLock
	}
	if err != nil {
		return err.Error()
	}
	if len(t.due) == 0 {
		return ""
	}
	if d.stream.refused != "" {
		return d.stream.refused
	}
	reason, known := d.problem(t.job.Classifier.Lane(), now)
	if !known && t.job.BlockedBy != blockedByLock {
		return t.job.BlockedBy
	}
	return reason
}

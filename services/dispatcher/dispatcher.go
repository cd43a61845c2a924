package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	// Page is how many items are listed or cancelled in one transaction; 2,000 if zero.
	Page int
	// HintLife is how long the loop trusts that a message it sent is still there; 5 s if zero. A stream that loses a message costs that
	// much delay.
	HintLife time.Duration
	// BellPause is how long a bell is given to bring the status of its job up to the rows before it is rung again; 1 s if zero.
	BellPause time.Duration
}

func (o Options) withDefaults() Options {
	o.Interval = cmp.Or(o.Interval, 200*time.Millisecond)
	o.Window = cmp.Or(o.Window, 1000)
	o.Slots = cmp.Or(o.Slots, 16)
	o.Page = cmp.Or(o.Page, 2000)
	o.HintLife = cmp.Or(o.HintLife, 5*time.Second)
	o.BellPause = cmp.Or(o.BellPause, time.Second)
	return o
}

// Dispatcher is the control loop.
type Dispatcher struct {
	db       *schema.DB
	js       jetstream.JetStream
	topology events.Topology
	publish  *events.Publisher
	log      *slog.Logger
	options  Options

	hints hints
	bells bells
	// whole says that the last turn went well.
	whole atomic.Bool
}

// New makes a dispatcher that compares db with what the streams of the topology hold.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, log *slog.Logger, options Options) *Dispatcher {
	return &Dispatcher{
		db: db, js: js, topology: topology, publish: events.NewPublisher(js, source), log: log,
		options: options.withDefaults(), hints: hints{}, bells: bells{rung: map[string]time.Time{}},
	}
}

// Ready reports why the loop does not do its work at the moment; nil while it does. It says no more than that, because anybody may be
// shown it; the log has the rest.
func (d *Dispatcher) Ready() error {
	switch {
	case !d.js.Conn().IsConnected():
		return events.ErrDisconnected
	case !d.whole.Load():
		return errors.New("the loop has had no whole turn lately")
	default:
		return nil
	}
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
		d.whole.Store(err == nil)
		trouble = d.report(ctx, trouble, err)
		pause := d.options.Interval
		if more {
			pause = 0
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

// turn looks at every unfinished job once. More says that a list or a cancellation has pages left, so that the next turn comes at once.
// One job's trouble does not keep the others from their turn; the first error is returned.
func (d *Dispatcher) turn(ctx context.Context) (more bool, err error) {
	jobs, err := schema.UnfinishedJobs(ctx, d.db)
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
	d.hints.forget(time.Now())
	shares := d.shares(jobs)
	for _, job := range jobs {
		if !wants(job) {
			continue
		}
		unfinished, jobErr := d.take(ctx, job.ID, shares[job.Classifier.Lane()])
		more = more || unfinished
		note(jobErr)
	}
	note(d.publishPlanning(ctx))
	note(d.ringBells(ctx))
	if lost {
		// Somebody deleted it, or the server lost its store: what was sent before is gone too.
		d.forget()
		err = errors.Join(err, d.topology.Declare(ctx, d.js))
	}
	return more && err == nil, err
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

// wants reports whether there is anything to do for the job. A transaction for each of a thousand that are paused would hold up the
// rest.
func wants(job schema.Job) bool {
	said := job.AnnouncedRequested && job.AnnouncedIntent == job.IntentVersion &&
		job.AnnouncedStarted == !job.StartedAt.IsZero() && job.AnnouncedListed == !job.ListedAt.IsZero()
	return !said || job.EndedAt.IsZero() && job.Intent != schema.IntentPause
}

// take gives the job its turn, unless another dispatcher has it.
func (d *Dispatcher) take(ctx context.Context, jobID string, window int) (more bool, err error) {
	ctx = schema.WithSubject(ctx, jobID, "")
	err = d.db.RunInTx(ctx, nil, func(ctx context.Context, lock bun.Tx) error {
		taken, err := schema.TakeJob(ctx, lock, jobID)
		if err != nil || !taken {
			return err
		}
		more, err = d.work(ctx, jobID, window)
		return err
	})
	return more, err
}

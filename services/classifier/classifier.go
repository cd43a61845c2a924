package classifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// source is how the classifier signs its events.
const source = "classifier"

const (
	// markedDelivery is the delivery from which the start of judging an item is marked in its row.
	markedDelivery = 3
	// maxStarts is how many starts that the process did not survive make an item poison.
	maxStarts = 5
	// turnWait is the pause after which a suspect asks for its turn again.
	turnWait = 500 * time.Millisecond
)

// Options for [New]; the zero value works.
type Options struct {
	// Workers is how many mappings are worked on at once; 8 if zero.
	Workers int
	// Grace is how long they may go on after a shutdown began; the runner's default if zero.
	Grace time.Duration
}

// Classifier works on the rules lane.
type Classifier struct {
	db      *schema.DB
	publish *events.Publisher
	indexes *indexes
	log     *slog.Logger
	// recurring logs what may happen to thousands of items at a time.
	recurring *events.Recurring
	runner    *events.Runner
	// evaluate judges a mapping.
	evaluate func(*candidates, schema.Work) (schema.Mapping, schema.Saved)
	// alone has an element while a suspect is judged.
	alone chan struct{}
	// survived are the items whose starts this process has survived, and could not clear yet.
	survived survived
}

// New makes a classifier that judges by the policy, and takes its work from the topology's stream.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, policy *rules.Policy, log *slog.Logger, options Options) *Classifier {
	c := &Classifier{
		db: db, publish: events.NewPublisher(js, source), indexes: newIndexes(db), log: log, alone: make(chan struct{}, 1),
		recurring: events.NewRecurring(log),
		evaluate: func(from *candidates, work schema.Work) (schema.Mapping, schema.Saved) {
			return evaluate(policy, from, work)
		},
	}
	workers := options.Workers
	if workers == 0 {
		workers = 8
	}
	c.runner = events.Consume(js, events.ClassifierRules(), c.handle, events.Options{
		Workers: workers, Prefetch: 2 * workers, Grace: options.Grace, Topology: topology, Log: log,
	})
	return c
}

// Run works until ctx ends.
func (c *Classifier) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { c.recurring.Run(ctx) })
	beside.Go(func() { c.keepClear(ctx) })
	beside.Go(func() { c.indexes.forgetEnded(ctx) })
	defer beside.Wait()
	defer stop()
	return c.runner.Run(ctx)
}

// Ready reports why no work comes at the moment; nil while it does.
func (c *Classifier) Ready() error { return c.runner.Ready() }

// handle does the work of one message. A lock that another transaction holds is something to wait for, wherever it is met.
func (c *Classifier) handle(ctx context.Context, d events.Delivery, m events.MappingRequested) error {
	ctx = schema.WithSubject(ctx, m.JobID, m.MappingID)
	err := c.take(ctx, d, m)
	if schema.LockTimedOut(err) {
		return c.waitForLock(ctx, m, err)
	}
	return err
}

// take reads what the message names, and does the work if there is any.
func (c *Classifier) take(ctx context.Context, d events.Delivery, m events.MappingRequested) error {
	work, err := schema.ReadWork(ctx, c.db, m.JobID, m.MappingID)
	switch {
	case errors.Is(err, schema.ErrNotFound):
		return events.Reject(events.ReasonUnknown, err)
	case schema.Refused(err):
		return c.countUnreadable(ctx, m, err)
	case err != nil:
		return err
	case work.Kind.Lane() != m.Lane:
		return events.Reject(events.ReasonUnknown, fmt.Errorf("job %s has no work on the lane %s", m.JobID, m.Lane))
	case work.Item.Outcome != "":
		return c.tell(ctx, work.Item)
	case work.Intent != schema.IntentRun:
		return nil
	case !work.Due:
		return c.tellWaiting(ctx, m.JobID) // again, since it may have been lost
	case work.Breaks:
		return c.fail(ctx, work, schema.CodePoison, errBreaks, 0)
	case d.Deliveries < markedDelivery && work.Item.Starts == 0:
		return c.work(ctx, work, c.judge)
	case work.Item.Starts == 0:
		return c.work(ctx, work, c.judgeMarked)
	default:
		return c.takeSuspect(ctx, work)
	}
}

// errBreaks fails the items of a job whose items end the process one after the other.
var errBreaks = fmt.Errorf("%d mappings of this job ended the process that worked on them, and none succeeded", schema.PoisonLimit)

// takeSuspect works on an item that a process did not survive judging. One suspect is judged at a time, so that no other is blamed when
// it ends this process too. The others wait in the stream and not here, where they would take the place of items that can be judged.
func (c *Classifier) takeSuspect(ctx context.Context, work schema.Work) error {
	select {
	case c.alone <- struct{}{}:
		defer func() { <-c.alone }()
		return c.work(ctx, work, c.judgeMarked)
	default:
		return events.RetryAfter(turnWait, errors.New("another suspect is being judged"))
	}
}

package classifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// source is how the classifier signs its events.
const source = "classifier"

const (
	// suspectDelivery is the delivery from which an item is suspected of ending its process.
	suspectDelivery = 3
	// maxStarts is how many marked starts without an outcome make an item poison.
	maxStarts = 5
	// takeBackWithin is how long the database has to take a start back.
	takeBackWithin = 5 * time.Second
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
	runner  *events.Runner
	// evaluate judges a mapping.
	evaluate func(*candidates, schema.Work) (schema.Mapping, schema.Saved)
	// alone has an element while a suspect is worked on.
	alone chan struct{}
}

// New makes a classifier that judges by the policy, and takes its work from the topology's stream.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, policy *rules.Policy, log *slog.Logger, options Options) *Classifier {
	c := &Classifier{
		db: db, publish: events.NewPublisher(js, source), indexes: newIndexes(db), log: log, alone: make(chan struct{}, 1),
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
func (c *Classifier) Run(ctx context.Context) error { return c.runner.Run(ctx) }

// Ready reports why no work comes at the moment; nil while it does.
func (c *Classifier) Ready() error { return c.runner.Ready() }

// handle does the work of one message.
func (c *Classifier) handle(ctx context.Context, d events.Delivery, m events.MappingRequested) error {
	ctx = schema.WithSubject(ctx, m.JobID, m.MappingID)
	if d.Deliveries < suspectDelivery {
		return c.take(ctx, m, c.work)
	}
	select {
	case c.alone <- struct{}{}:
		defer func() { <-c.alone }()
		return c.take(ctx, m, c.workOnSuspect)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take reads what the message names, and does the work where there is any.
func (c *Classifier) take(ctx context.Context, m events.MappingRequested, do func(context.Context, schema.Work) error) error {
	work, err := schema.ReadWork(ctx, c.db, m.JobID, m.MappingID)
	switch {
	case errors.Is(err, schema.ErrNotFound):
		return events.Reject(events.ReasonUnknown, err)
	case err != nil:
		return err
	case work.Kind.Lane() != m.Lane:
		return events.Reject(events.ReasonUnknown, fmt.Errorf("job %s has no work on the lane %s", m.JobID, m.Lane))
	case work.Item.Outcome != "":
		return c.tell(ctx, work.Item)
	case work.Intent != schema.IntentRun:
		return nil
	case !work.Due && work.Item.Attempt > 0:
		return c.tellPostponed(ctx, m.JobID) // again, since it may have been lost
	case !work.Due:
		return nil
	}
	return do(ctx, work)
}

// workOnSuspect is work on an item that may end the process. Its start is marked before, and taken back by whoever lives to do so.
func (c *Classifier) workOnSuspect(ctx context.Context, work schema.Work) error {
	starts, err := schema.MarkStart(ctx, c.db, work.Item.JobID, work.Item.MappingID)
	if errors.Is(err, schema.ErrNotFound) {
		return nil // it got its outcome this moment, from who says so
	}
	if err != nil {
		return err
	}
	if starts > maxStarts {
		return c.fail(ctx, work, schema.CodePoison, fmt.Errorf("%d starts ended without an outcome", maxStarts), 0)
	}
	err = c.work(ctx, work)
	// A shutdown that does not wait for the work any more is no evidence against it either.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackWithin)
	defer cancel()
	return cmp.Or(err, schema.TakeBackStart(ctx, c.db, work.Item.JobID, work.Item.MappingID))
}

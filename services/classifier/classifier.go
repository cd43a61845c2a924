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

// Source is how the classifier signs its events.
const Source = "classifier"

const (
	// suspectDelivery is the delivery from which an item is suspected of ending its process.
	suspectDelivery = 3
	// maxStarts is how many marked starts without an outcome make an item poison.
	maxStarts = 5
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
	policy  *rules.Policy
	indexes *indexes
	log     *slog.Logger
	runner  *events.Runner
	// alone is held while a suspect is worked on.
	alone sync.Mutex
}

// New makes a classifier that judges by the policy, and takes its work from the topology's stream.
func New(db *schema.DB, js jetstream.JetStream, topology events.Topology, policy *rules.Policy, log *slog.Logger, options Options) *Classifier {
	c := &Classifier{db: db, publish: events.NewPublisher(js, Source), policy: policy, indexes: newIndexes(db), log: log}
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
	if d.Deliveries >= suspectDelivery {
		c.alone.Lock()
		defer c.alone.Unlock()
	}
	work, err := schema.ReadWork(ctx, c.db, m.JobID, m.MappingID)
	switch {
	case errors.Is(err, schema.ErrNotFound):
		return events.Reject(events.ReasonUnknown, err)
	case err != nil:
		return err
	case work.Item.Outcome != "":
		return c.tell(ctx, work.Item)
	case work.Intent != schema.IntentRun || !work.Due:
		return nil
	}
	if d.Deliveries >= suspectDelivery {
		starts, err := schema.MarkStart(ctx, c.db, m.JobID, m.MappingID)
		if errors.Is(err, schema.ErrNotFound) {
			return nil // it got its outcome this moment, from who says so
		}
		if err != nil {
			return err
		}
		if starts > maxStarts {
			return c.fail(ctx, work, schema.CodePoison, fmt.Errorf("%d starts ended without an outcome", maxStarts), 0)
		}
	}
	return c.work(ctx, work)
}

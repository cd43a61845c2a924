package classifier

import (
	"context"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// source is the source attribute of the classifier's events.
const source = schema.ServiceClassifier

// defaultWorkers is the number of workers if [Options.Workers] is zero.
const defaultWorkers = 8

// Options for [New]. The zero value is ready to use.
type Options struct {
	// Workers is the number of mappings that are handled at once; 8 if zero.
	Workers int
	// Evaluate, if set, replaces ranking and rules. A benchmark of the pipeline sets it.
	Evaluate func(schema.Work) (schema.Mapping, schema.ItemResult)
}

// Classifier is the consumer of the rules lane.
type Classifier struct {
	db      *schema.DB
	publish *events.Publisher
	columns *candidateCache
	log     *slog.Logger
	// recurring logs errors that may affect thousands of items at once.
	recurring *events.Recurring
	runner    *events.Runner
	// evaluate is the function evaluate with the rules bound; tests replace it.
	evaluate func(*candidates, schema.Work) (schema.Mapping, schema.ItemResult)
	// suspectTurn holds an element while a suspect is judged.
	suspectTurn chan struct{}
	// uncleared are the items whose starts this process has survived but not yet cleared in the database.
	uncleared itemSet
}

// New returns a classifier that classifies by the rules and consumes the topology's work stream.
func New(
	db *schema.DB, js jetstream.JetStream, topology events.Topology, engine *rules.Engine,
	log *slog.Logger, options Options,
) *Classifier {
	c := &Classifier{
		db: db, publish: events.NewPublisher(js, source), columns: newCandidateCache(db, engine.Vocabulary()), log: log,
		recurring: events.NewRecurring(log), suspectTurn: make(chan struct{}, 1),
		evaluate: func(from *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
			return evaluate(engine, from, work)
		},
	}
	if options.Evaluate != nil {
		c.evaluate = func(_ *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
			return options.Evaluate(work)
		}
	}
	workers := options.Workers
	if workers == 0 {
		workers = defaultWorkers
	}
	c.runner = events.Consume(js, events.ClassifierRules(), c.handle, events.Options{
		Workers: workers, Prefetch: 2 * workers, Topology: topology, Log: log,
	})
	return c
}

// Run consumes work until ctx ends. It returns after every goroutine that it started has ended.
func (c *Classifier) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { c.recurring.Run(ctx) })
	background.Go(func() { c.clearPeriodically(ctx) })
	background.Go(func() { c.columns.dropEndedPeriodically(ctx) })
	defer background.Wait()
	defer stop()
	return c.runner.Run(ctx)
}

// Ready returns nil while the consumer is open, and otherwise the reason why it is not.
func (c *Classifier) Ready() error { return c.runner.Ready() }

package classifier

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// source is the source attribute of the classifier's events.
const source = schema.ServiceClassifier

// defaultWorkers and defaultCalls are the defaults of [Options].
const defaultWorkers, defaultCalls = 8, 16

// Options for [New]. The zero value is ready to use.
type Options struct {
	// Workers is the number of mappings of the rules lane that are handled at once; 8 if zero.
	Workers int
	// Evaluate, if set, replaces ranking and rules. A benchmark of the pipeline sets it.
	Evaluate func(schema.Work) (schema.Mapping, schema.ItemResult)
	// Model is the model of the llm lane. If it is nil, this process does not serve that lane.
	Model *llm.Model
	// Calls is the number of calls of the model that run at once; 16 if zero.
	Calls int
}

// Classifier consumes the rules lane and, if it has a model, the llm lane.
type Classifier struct {
	db         *schema.DB
	publish    *events.Publisher
	candidates *candidateCache
	log        *slog.Logger
	// recurring logs errors that may affect thousands of items at once.
	recurring *events.Recurring
	// runners are the consumers, one for each lane.
	runners []*events.Runner
	// evaluate is the function [evaluate] with the engine, unless the options or a test replace it.
	evaluate func(*candidates, schema.Work) (schema.Mapping, schema.ItemResult)
	engine   *rules.Engine
	// model is nil in a process that does not serve the llm lane.
	model   *llm.Model
	intents *intentWatch
	// limiter gives the calls of the model their turns.
	limiter *throttle.Limiter
	// recorded has an element for each call that is recorded and waits for its first turn.
	recorded chan struct{}
	// suspectTurns has a channel for each lane, which holds an element while a suspect is judged.
	suspectTurns map[schema.Lane]chan struct{}
	// uncleared are the items whose starts this process has survived but not yet cleared in the database.
	uncleared itemSet
}

// New returns a classifier that consumes the work stream of the topology. It serves the llm lane only if the options
// have a model.
func New(
	db *schema.DB, js jetstream.JetStream, topology events.Topology, engine *rules.Engine,
	log *slog.Logger, options Options,
) *Classifier {
	c := &Classifier{
		db: db, publish: events.NewPublisher(js, source), log: log,
		candidates: newCandidateCache(db, engine.Vocabulary()),
		recurring:  events.NewRecurring(log), engine: engine, model: options.Model, intents: newIntentWatch(db),
		suspectTurns: map[schema.Lane]chan struct{}{
			schema.LaneRules: make(chan struct{}, 1), schema.LaneLLM: make(chan struct{}, 1),
		},
		evaluate: func(from *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
			return evaluate(engine, from, work)
		},
	}
	if options.Evaluate != nil {
		c.evaluate = func(_ *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
			return options.Evaluate(work)
		}
	}
	consume := func(consumer events.Consumer, workers int) {
		c.runners = append(c.runners, events.Consume(js, consumer, c.handle, events.Options{
			Workers: workers, Prefetch: 2 * workers, Topology: topology, Log: log,
		}))
	}
	consume(events.ClassifierRules(), cmp.Or(options.Workers, defaultWorkers))
	if c.model != nil {
		calls := cmp.Or(options.Calls, defaultCalls)
		c.limiter = throttle.New(calls)
		c.recorded = make(chan struct{}, max(calls/4, 1))
		// More workers than calls, so that others are made while a refused call waits.
		consume(events.ClassifierLLM(), 2*calls)
	}
	return c
}

// Run consumes work until ctx ends. It returns after every goroutine that it started has ended.
func (c *Classifier) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	background := func(run func(context.Context)) {
		group.Go(func() error {
			run(ctx)
			return nil
		})
	}
	background(c.recurring.Run)
	background(every(clearInterval, c.clearAll))
	// If the database is unreachable, the next tick tries again.
	background(every(dropInterval, func(ctx context.Context) { _ = c.candidates.dropEnded(ctx) }))
	background(every(intentInterval, func(ctx context.Context) { _ = c.intents.check(ctx) }))
	for _, runner := range c.runners {
		group.Go(func() error { return runner.Run(ctx) })
	}
	return group.Wait()
}

// every returns a function that calls do at this interval until its context ends.
func every(interval time.Duration, do func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do(ctx)
			case <-ctx.Done():
				return
			}
		}
	}
}

// Ready returns nil while the consumers are open, and otherwise the reason why one is not.
func (c *Classifier) Ready() error {
	for _, runner := range c.runners {
		if err := runner.Ready(); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
	"github.com/pdeflow/pdeflow/services/auditor"
	"github.com/pdeflow/pdeflow/services/classifier"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/dispatcher"
	"github.com/pdeflow/pdeflow/services/projector"
)

// parseServices parses a list such as api,dispatcher.
func parseServices(list string) ([]schema.Service, error) {
	var names []schema.Service
	for name := range strings.SplitSeq(list, ",") {
		s := schema.Service(strings.TrimSpace(name))
		if err := oneOf(s, schema.Services()); err != nil {
			return nil, usagef("--services cannot name %s: %w", quoted(string(s)), err)
		}
		if slices.Contains(names, s) {
			return nil, usagef("--services names %s twice", s)
		}
		names = append(names, s)
	}
	return names, nil
}

// deps holds what all services share.
type deps struct {
	db *schema.DB
	// apiDB is the api's own pool, or the common one if that is too small to split.
	apiDB    *schema.DB
	nc       *nats.Conn
	js       jetstream.JetStream
	topology events.Topology
	log      *slog.Logger
}

// settings holds what individual services need.
type settings struct {
	// health is the listener of --health-listen, or nil.
	health net.Listener
	// listener, verify, secret and classifier are for the api.
	listener   net.Listener
	verify     api.Verify
	secret     string
	classifier schema.ClassifierKind
	// engine and workers are for the classifier, window is for the dispatcher. Zero means the service's default.
	engine          *rules.Engine
	workers, window int
	// evaluate replaces the rules in a benchmark; nil for the rules.
	evaluate func(schema.Work) (schema.Mapping, schema.ItemResult)
	// model is the model of the llm lane, or nil, and calls the number of its concurrent calls.
	model *llm.Model
	calls int
}

// runner is a service that can be run.
type runner interface {
	// Run works until ctx ends, and returns when everything that it started has ended.
	Run(ctx context.Context) error
	// Ready returns why the service does not work at the moment, or nil. The text is public.
	Ready() error
}

// runServices runs the named services until ctx ends or one of them fails, which ends the others.
func runServices(ctx context.Context, names []schema.Service, w deps, s settings) error {
	made, checks, err := makeServices(names, w, s)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if s.health != nil {
		handler := api.HealthHandler(version(), append([]api.Check{api.DatabaseCheck(w.db)}, checks...))
		group.Go(func() error { return serveHealth(ctx, s.health, handler) })
	}
	for _, m := range made {
		group.Go(func() error { return serviceError(m.name, m.run(ctx)) })
	}
	return group.Wait()
}

// serviceRun is a service and the function that runs it.
type serviceRun struct {
	name schema.Service
	run  func(context.Context) error
}

// makeServices creates the named services, all or none, and the checks of what they need in addition to the database.
// The api accepts jobs while NATS or another service is down; a process without the api can do nothing then.
func makeServices(names []schema.Service, w deps, s settings) (all []serviceRun, checks []api.Check, err error) {
	required := !slices.Contains(names, schema.ServiceAPI)
	checks = natsChecks(w)
	for _, name := range names {
		if name == schema.ServiceAPI {
			continue
		}
		made := newService(name, w, s)
		checks = append(checks, api.Check{
			Name: string(name), Required: required, Run: func(context.Context) error { return made.Ready() },
		})
		all = append(all, serviceRun{name, made.Run})
	}
	if slices.Contains(names, schema.ServiceAPI) {
		options := api.Options{
			Verify: s.verify, Secret: []byte(s.secret), Classifier: s.classifier,
			Estimate: estimate(w, s), Checks: checks,
			Version: version(), Events: w.nc,
			Log: w.log.With("service", schema.ServiceAPI),
		}
		if s.model != nil {
			options.Model, options.ModelHasPrice = s.model.Name(), s.model.HasPrice()
		}
		server, err := api.New(w.apiDB, events.NewPublisher(w.js, schema.ServiceAPI), options)
		if err != nil {
			return nil, nil, err
		}
		checks = append(checks, server.Check())
		all = append(all, serviceRun{
			schema.ServiceAPI, func(ctx context.Context) error { return server.Run(ctx, s.listener) },
		})
	}
	return all, checks, nil
}

// estimate returns the function that estimates a job. A process that was given no policy has none.
func estimate(w deps, s settings) func(context.Context, schema.Job) (int64, schema.Usage, error) {
	if s.engine == nil {
		return nil
	}
	return func(ctx context.Context, job schema.Job) (int64, schema.Usage, error) {
		e, err := classifier.EstimateJob(ctx, w.apiDB, s.engine, s.model, job)
		return e.Unchanged, e.Usage, err
	}
}

func newService(name schema.Service, w deps, s settings) runner {
	log := w.log.With("service", name)
	switch name {
	case schema.ServiceDispatcher:
		return dispatcher.New(w.db, w.js, w.topology, log, dispatcher.Options{Window: s.window})
	case schema.ServiceClassifier:
		return classifier.New(w.db, w.js, w.topology, s.engine, log, classifier.Options{
			Workers: s.workers, Evaluate: s.evaluate, Model: s.model, Calls: s.calls,
		})
	case schema.ServiceProjector:
		return projector.New(w.db, w.js, w.topology, log)
	case schema.ServiceAuditor:
		return auditor.New(w.db, w.js, w.topology, log, auditor.Options{})
	default:
		panic("no service " + name)
	}
}

func serviceError(name schema.Service, err error) error {
	if err != nil {
		return fmt.Errorf("service %s: %w", name, err)
	}
	return nil
}

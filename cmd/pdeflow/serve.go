package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "runs the services",
		Description: "Runs all services, or those named, against DATABASE_URL and NATS_URL. A server whose " +
			"URL is not set is embedded in this process and kept in the data directory, which is " +
			"locked. Running fewer than all services requires both URLs.\n\n" +
			"pdeflow serve\n" +
			"DATABASE_URL=postgres://... NATS_URL=nats://... pdeflow serve --services classifier",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{
				Name: "services", Value: "api,dispatcher,classifier,projector,auditor",
				Usage: "which services to run, separated by commas",
			},
			&cli.StringFlag{
				Name: "listen", Usage: "address of the API (default: " + defaultListen + ", or the next free port)",
				Sources: a.env("PDEFLOW_LISTEN"),
			},
			a.healthListenFlag(), a.natsListenFlag(), a.dataDirFlag(), a.databaseFlag(),
			&cli.IntFlag{
				Name: "workers", Value: 8, Validator: between(1, 256),
				Usage:   "how many mappings the classifier of this process works on at once",
				Sources: a.env("PDEFLOW_WORKERS"),
			},
			&cli.IntFlag{
				Name: "window", Value: 1000, Validator: between(32, 100_000),
				Usage:   "how many work messages the dispatcher keeps outstanding in a lane",
				Sources: a.env("PDEFLOW_WINDOW"),
			},
			&cli.IntFlag{
				Name: "llm-concurrency", Value: 16, Validator: between(1, 1024),
				Usage:   "how many calls of the model this process makes at once",
				Sources: a.env("PDEFLOW_LLM_CONCURRENCY"),
			},
		}, a.natsFlags(), a.topologyFlags(), a.policyFlags(), a.modelFlags(),
			[]cli.Flag{a.secretFlag(), a.issuerFlag()}),
		Action: a.serve,
	}
}

func (a *app) natsListenFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "nats-listen", Usage: "address of the embedded nats-server (default: 127.0.0.1:4222, or the next free " +
			"port)",
	}
}

func (a *app) dataDirFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagDataDir, TakesFile: true,
		Usage: "keep the embedded servers' data in this `DIRECTORY` (default: pdeflow in $XDG_DATA_HOME, or in " +
			"~/.local/share)",
		Sources: a.env("PDEFLOW_DATA_DIR"),
	}
}

func (a *app) policyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "classifier", Value: "rules", Usage: "classifier of jobs that name none",
			Sources: a.env("PDEFLOW_CLASSIFIER"),
		},
		&cli.StringFlag{
			Name: "rules", TakesFile: true, Usage: "policy `FILE` (default: the one built in)",
			Sources: a.env("PDEFLOW_RULES"),
		},
		a.vocabularyFlag(),
	}
}

func (a *app) serve(ctx context.Context, cmd *cli.Command) (err error) {
	if cmd.Args().Present() {
		return usagef("serve takes no arguments, only flags; name services with --services")
	}
	names, err := parseServices(cmd.String("services"))
	if err != nil {
		return err
	}
	log, err := a.logger(cmd)
	if err != nil {
		return err
	}
	o, embeds, err := serveBackends(cmd, names, log)
	if err != nil {
		return err
	}
	s, err := a.policySettings(cmd)
	if err != nil {
		return err
	}
	s.workers, s.window, s.calls = cmd.Int("workers"), cmd.Int("window"), cmd.Int("llm-concurrency")
	if err := a.checkServe(cmd); err != nil {
		return err
	}
	if slices.Contains(names, schema.ServiceClassifier) || slices.Contains(names, schema.ServiceAPI) {
		if err := checkModel(ctx, s.model, log); err != nil {
			return err
		}
	}
	dir := cmd.String(flagDataDir)
	if dir == "" {
		// A process that embeds nothing and has no api needs no data directory.
		if dir, err = datadir.Default(a.getenv); err != nil && (embeds || slices.Contains(names, schema.ServiceAPI)) {
			return &usageError{err}
		}
	}
	if embeds {
		lock, err := datadir.Lock(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Release()) }()
		dir = lock.Dir()
	}
	o.dir = dir
	if err := datadir.Sweep(ctx); err != nil {
		log.WarnContext(ctx, "sweep data directories of earlier runs", "error", err)
	}
	n := node{
		names: names, backends: o, settings: s, listen: cmd.String("listen"),
		healthListen: cmd.String("health-listen"), secret: cmd.String(flagSecret), log: log,
	}
	if o.nats.url == "" && isTerminal(a.stdout) {
		n.ready = a.showNATS
	}
	return a.runNode(ctx, n)
}

// serveBackends returns the options of the servers, without the directory, and whether one of them is embedded.
func serveBackends(
	cmd *cli.Command, names []schema.Service, log *slog.Logger,
) (o backendOptions, embeds bool, err error) {
	o = backendOptions{
		databaseURL: cmd.String(flagDatabase), nats: natsServerOf(cmd),
		natsListen: cmd.String("nats-listen"), natsNext: !cmd.IsSet("nats-listen"), name: "pdeflow",
		logSQL: sqlLog(cmd, log),
	}
	embeds = o.databaseURL == "" || o.nats.url == ""
	if len(names) < len(schema.Services()) {
		if embeds {
			return o, embeds, usagef("serve with some of the services needs both DATABASE_URL and NATS_URL, because " +
				"other processes cannot use an embedded server")
		}
		o.name = "pdeflow-" + cmd.String("services")
	}
	o.topology, err = topologyOf(cmd, o.nats)
	return o, embeds, err
}

// showNATS prints the URL for subscribers. It contains a password, so it is only printed on a terminal and never
// logged.
func (a *app) showNATS(_ context.Context, at address) error {
	_, err := fmt.Fprintf(a.stdout, "To listen to the events:\n  NATS_URL=%s nats sub 'job.progress.>'\n", at.NATS)
	return err
}

// checkServe validates the settings before anything is started.
func (a *app) checkServe(cmd *cli.Command) error {
	errs := []error{
		checkDatabase(cmd.String(flagDatabase)), natsServerOf(cmd).check(),
		checkAddress("--listen (PDEFLOW_LISTEN)", cmd.String("listen"), defaultListen),
		checkAddress("--health-listen (PDEFLOW_HEALTH_LISTEN)", cmd.String("health-listen"), exampleHealthListen),
		checkAddress("--nats-listen", cmd.String("nats-listen"), localnats.DefaultListen),
	}
	if secret := cmd.String(flagSecret); secret != "" {
		if _, err := api.SecretVerifier([]byte(secret)); err != nil {
			errs = append(errs, usagef("--%s (PDEFLOW_AUTH_SECRET): %w", flagSecret, err))
		}
	}
	if cmd.String(flagIssuer) != "" {
		errs = append(errs,
			usagef("--%s (PDEFLOW_AUTH_ISSUER): this version takes no tokens of an OpenID Connect issuer, only "+
				"those that are signed"+
				" with PDEFLOW_AUTH_SECRET (--%s)", flagIssuer, flagSecret))
	}
	return errors.Join(errs...)
}

// policySettings reads the classifier, the policy and the model from the flags.
func (a *app) policySettings(cmd *cli.Command) (settings, error) {
	kind := schema.ClassifierKind(cmd.String("classifier"))
	if err := oneOf(kind, schema.ClassifierKinds()); err != nil {
		return settings{}, usagef("--classifier (PDEFLOW_CLASSIFIER) cannot be %s: %w", quoted(string(kind)), err)
	}
	engine, err := readEngine(cmd)
	if err != nil {
		return settings{}, &usageError{err}
	}
	model, err := readModel(cmd, engine.Policy())
	if err == nil && model == nil && kind != schema.ClassifierRules {
		err = usagef("--classifier (PDEFLOW_CLASSIFIER) %s needs a model: set PDEFLOW_LLM (--llm) and "+
			"PDEFLOW_LLM_MODEL (--llm-model)", kind)
	}
	return settings{classifier: kind, engine: engine, model: model}, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "runs the services",
		Description: "Runs all services, or those named, against DATABASE_URL and NATS_URL. Whichever of the two is " +
			"not set is embedded in this\n" +
			"process and kept in the data directory, which belongs to it then. Fewer services than all need both.\n\n" +
			"   pdeflow serve\n" +
			"   DATABASE_URL=postgres://... NATS_URL=nats://... pdeflow serve --services classifier",
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
		}, a.natsFlags(), a.topologyFlags(), a.policyFlags(), []cli.Flag{a.secretFlag(), a.issuerFlag()}),
		Action: a.serve,
	}
}

// between returns the check of a flag that takes a whole number from low to high.
func between(low, high int) func(int) error {
	return func(n int) error {
		if n < low || n > high {
			return fmt.Errorf("%d is not between %d and %d", n, low, high)
		}
		return nil
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
		Usage:   "keep what is embedded in this `DIRECTORY` (default: pdeflow in $XDG_DATA_HOME, or in ~/.local/share)",
		Sources: a.env("PDEFLOW_DATA_DIR"),
	}
}

func (a *app) databaseFlag() cli.Flag {
	return &typedFlag{StringFlag: &cli.StringFlag{
		Name: flagDatabase, Usage: "Postgres `URL`, such as postgres://user:password@host/database",
		Sources: a.env("DATABASE_URL"),
	}}
}

func (a *app) secretFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagSecret, Usage: "`SECRET` that tokens are signed with in development (default: one made in the " +
			"data directory)",
		Sources: a.env("PDEFLOW_AUTH_SECRET"),
	}
}

func (a *app) issuerFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagIssuer, Usage: "`URL` of the OpenID Connect issuer, if there is one",
		Sources: a.env("PDEFLOW_AUTH_ISSUER"),
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
	o := backendOptions{
		databaseURL: cmd.String(flagDatabase), nats: natsServerOf(cmd),
		natsListen: cmd.String("nats-listen"), natsNext: !cmd.IsSet("nats-listen"), name: "pdeflow",
		logSQL: sqlLog(cmd, log),
	}
	embeds := o.databaseURL == "" || o.nats.url == ""
	if len(names) < len(allServices()) {
		if embeds {
			return usagef("serve with some of the services needs both DATABASE_URL and NATS_URL, because an " +
				"embedded server is nobody else's")
		}
		o.name = "pdeflow-" + cmd.String("services")
	}
	s, err := a.policySettings(cmd)
	if err != nil {
		return err
	}
	s.workers, s.window = cmd.Int("workers"), cmd.Int("window")
	if o.topology, err = topologyOf(cmd, o.nats); err != nil {
		return err
	}
	if err := a.checkServe(cmd); err != nil {
		return err
	}
	dir := cmd.String(flagDataDir)
	if dir == "" {
		// A process that embeds nothing and has no api keeps nothing.
		if dir, err = datadir.Default(a.getenv); err != nil && (embeds || slices.Contains(names, apiService)) {
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
		log.WarnContext(ctx, "leftovers of earlier runs", "error", err)
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

// showNATS shows where subscribers connect. The URL holds a password, so it is shown on a terminal only; logs have it
// without.
func (a *app) showNATS(_ context.Context, at address) error {
	_, err := fmt.Fprintf(a.stdout, "To listen to the events:\n  NATS_URL=%s nats sub 'job.progress.>'\n", at.NATS)
	return err
}

// checkServe finds what is wrong with the settings before anything is started.
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

// policySettings reads the classifier and the policy that the flags name.
func (a *app) policySettings(cmd *cli.Command) (settings, error) {
	kind := schema.ClassifierKind(cmd.String("classifier"))
	if err := oneOf(kind, []schema.ClassifierKind{schema.Rules}); err != nil {
		return settings{}, usagef("--classifier (PDEFLOW_CLASSIFIER) cannot be %s: %w", quoted(string(kind)), err)
	}
	policy, err := readPolicy(cmd.String("rules"))
	if err != nil {
		return settings{}, &usageError{err}
	}
	return settings{classifier: kind, policy: policy}, nil
}

func sqlLog(cmd *cli.Command, log *slog.Logger) *slog.Logger {
	if cmd.Bool(flagLogSQL) {
		return log
	}
	return nil
}

// node is what one process is to run.
type node struct {
	names    []service
	backends backendOptions
	settings settings
	// listen is the API's address; empty means the default one or the next that is free.
	listen string
	// healthListen is the address of --health-listen; empty means none.
	healthListen string
	// secret signs tokens; empty means the data directory's.
	secret string
	// token is what the commands of this machine use; there is none without the API.
	token localToken
	log   *slog.Logger
	// ready, if set, is called once everything runs, beside it. When it returns nil the node goes on; [errStop] ends it
	// well.
	ready func(ctx context.Context, at address) error
}

// address is where a running node is to be reached.
type address struct {
	datadir.Run
	token string
	db    *schema.DB
}

// errStop ends a node that has done what it was started for.
var errStop = errors.New("done")

// runNode runs until ctx ends, and returns when everything that it started has ended.
func (a *app) runNode(ctx context.Context, n node) (err error) {
	n.backends.hasAPI = slices.Contains(n.names, apiService)
	b, err := openBackends(ctx, a.getenv, n.backends, n.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if n.settings.health, err = listenHealth(ctx, n.healthListen); err != nil {
		return err
	}
	if n.settings.health != nil {
		defer n.settings.health.Close() //nolint:errcheck // serving it has closed it already, unless that was never reached
	}
	at := address{Run: datadir.Run{NATS: b.natsURL, Database: b.databaseURL}, db: b.db}
	if slices.Contains(n.names, apiService) {
		unpublish, err := a.openAPI(ctx, &n, &at)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unpublish()) }()
	}
	n.log.InfoContext(ctx, "pdeflow runs", "version", version(), "services", n.names, "http", at.HTTP, "nats",
		redacted(at.NATS))

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return runServices(ctx, n.names, b.world, n.settings) })
	if b.postgres != nil {
		group.Go(func() error { return b.watchPostgres(ctx) })
	}
	if at.token != "" {
		group.Go(func() error { return n.token.keep(ctx, n.log) })
	}
	if n.ready != nil {
		group.Go(func() error { return n.ready(ctx, at) })
	}
	if err := group.Wait(); !errors.Is(err, errStop) {
		return err
	}
	return nil
}

// openAPI opens the API's port, and makes the node known to the commands of this machine.
func (a *app) openAPI(ctx context.Context, n *node, at *address) (unpublish func() error, err error) {
	dir, err := datadir.Make(n.backends.dir)
	if err != nil {
		return nil, err
	}
	if n.secret == "" {
		if n.secret, err = datadir.Secret(dir); err != nil {
			return nil, err
		}
	}
	if n.settings.verify, err = api.SecretVerifier([]byte(n.secret)); err != nil {
		return nil, fmt.Errorf("development secret: %w", err)
	}
	if n.settings.listener, err = listen(ctx, n.listen, n.log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.settings.listener.Close())
		}
	}()
	at.HTTP = "http://" + reachable(n.settings.listener.Addr().String())
	// Only now: where the port was taken, another's token stays.
	n.token = localToken{dir: dir, user: localUser(a.getenv), secret: []byte(n.secret)}
	if at.token, at.TokenFile, err = n.token.write(); err != nil {
		return nil, err
	}
	published, err := datadir.Publish(dir, at.Run)
	if err != nil {
		return nil, err
	}
	return published.Remove, nil
}

// localUser is the user of the token in the data directory: the one who runs this process, if a token may carry that
// name.
func localUser(getenv func(string) string) string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := getenv(name); api.ValidUser(user) {
			return user
		}
	}
	return "local"
}

// reachable turns the address of a listener into one to connect to.
func reachable(address string) string {
	for _, any := range []string{"[::]:", "0.0.0.0:"} {
		if port, ok := strings.CutPrefix(address, any); ok {
			return "127.0.0.1:" + port
		}
	}
	return address
}

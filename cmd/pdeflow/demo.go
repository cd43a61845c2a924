package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func (a *app) demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "runs a job on a sample report, with everything in one process",
		Description: "Starts a database, a NATS server and all services, imports the sample (" + sample.ReportName +
			" of a " +
			"card issuer), runs regenerate-all, prints the results, and keeps serving. It needs no " +
			"configuration and always uses its own servers. From the environment it only takes the " +
			"settings of the log and of PostgreSQL (PDEFLOW_PG_BIN, PDEFLOW_PG_USER).",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "stop after the job; exit 0 if it completed"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object on standard output and nothing else there"},
			&cli.IntFlag{
				Name: "mappings", Usage: "import a generated report of `N` mappings in place of the sample",
				HideDefault: true,
			},
			&cli.StringFlag{
				Name: "listen", Usage: "address of the API (default: " + defaultListen + ", or the next free port)",
			},
			a.natsListenFlag(),
			&cli.StringFlag{
				Name: flagDataDir, TakesFile: true,
				Usage: "keep the data in this `DIRECTORY` (default: a temporary one, removed at the end)",
			},
		},
		Action: a.demo,
	}
}

func (a *app) demo(ctx context.Context, cmd *cli.Command) (err error) {
	if cmd.Args().Present() {
		return usagef("demo takes no arguments, only flags")
	}
	size := cmd.Int("mappings")
	if cmd.IsSet("mappings") && size < 1 {
		return usagef("--mappings is a whole number from 1 up")
	}
	if err := errors.Join(checkAddress("--listen", cmd.String("listen"), defaultListen),
		checkAddress("--nats-listen", cmd.String("nats-listen"), localnats.DefaultListen)); err != nil {
		return err
	}
	log, err := a.demoLogger(cmd)
	if err != nil {
		return err
	}
	if err := datadir.Sweep(ctx); err != nil {
		log.WarnContext(ctx, "sweep data directories of earlier runs", "error", err)
	}
	dir, release, err := demoDir(cmd.String(flagDataDir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	d := demo{app: a, size: size, once: cmd.Bool("once"), json: cmd.Bool(flagJSON), began: time.Now(), dir: dir}
	if cmd.String(flagDataDir) != "" {
		d.named = dir
	}
	d.note("starting PostgreSQL, NATS and the services")
	err = a.runNode(ctx, node{
		names: schema.Services(),
		backends: backendOptions{
			dir: dir, natsListen: cmd.String("nats-listen"), natsNext: !cmd.IsSet("nats-listen"), name: "pdeflow-demo",
			logSQL: sqlLog(cmd, log),
		},
		settings: settings{classifier: schema.ClassifierRules, engine: rules.New(policy.Default())},
		listen:   cmd.String("listen"), log: log, ready: d.run,
	})
	switch {
	case err != nil && ctx.Err() != nil && !d.ready:
		return d.interrupted() // the error is only that of the interrupted step
	case err != nil:
		return err
	}
	return d.failed
}

// note prints a line about the demo's start.
func (d *demo) note(text string) { fmt.Fprintln(d.app.stderr, text) }

// demoDir locks the named directory, or creates a temporary one.
func demoDir(named string) (dir string, release func() error, err error) {
	if named == "" {
		lock, err := datadir.Temp()
		if err != nil {
			return "", nil, err
		}
		return lock.Dir(), lock.Remove, nil
	}
	lock, err := datadir.Lock(named)
	if err != nil {
		return "", nil, err
	}
	return lock.Dir(), lock.Release, nil
}

// demo runs the job of the demo command, next to the services.
type demo struct {
	app  *app
	size int
	// reportID is the id of the imported report; that of the sample if it is empty.
	reportID string
	once     bool
	json     bool
	began    time.Time
	// dir is the data directory. named is the same if the user chose it, and empty for a temporary one.
	dir, named string
	// ready is true once everything has started.
	ready bool
	// failed is the error of a job that did not complete. The demo keeps serving and exits with it.
	failed error
}

// run runs the job and prints its results. It returns nil if the demo keeps serving.
func (d *demo) run(ctx context.Context, at address) error {
	d.ready = true
	status, err := d.job(ctx, at)
	if err != nil && ctx.Err() != nil {
		return d.interrupted()
	}
	if err != nil {
		return err
	}
	if status.Status != schema.StatusCompleted {
		d.failed = fmt.Errorf("the job is %s: %s", status.Status, status.Message)
	}
	took := time.Since(d.began)
	if d.json {
		err = d.printJSON(at, status, took)
	} else {
		err = d.show(ctx, at, status, took)
	}
	if err == nil && d.once {
		return errStop
	}
	return err
}

// job imports the report and follows its job to the end.
func (d *demo) job(ctx context.Context, at address) (status events.JobStatus, err error) {
	c := newClient(at.HTTP, at.token)
	for {
		err := d.load(ctx, at.db)
		active, isActive := errors.AsType[*schema.ActiveJobError](err)
		if err != nil && !isActive {
			return status, err
		}
		if !isActive {
			jobID, err := c.regenerate(ctx, sample.CycleID, sample.ReportID)
			if err != nil {
				return status, err
			}
			return d.app.watch(ctx, c, jobID, false)
		}
		job, err := schema.GetJob(ctx, at.db, active.JobID)
		switch {
		case err != nil:
			return status, err
		case job.Intent == schema.IntentPause:
			return status,
				fmt.Errorf("job %s of the report is paused; start pdeflow serve%s, and resume it with: pdeflow "+
					"jobs resume %s%s",
					job.ID, d.find(), job.ID, d.find())
		}
		// An earlier demo on this directory was stopped before its job ended: follow that job. If a user has started a
		// job of another kind, wait for it and then start the demo's.
		status, err = d.app.watch(ctx, c, job.ID, false)
		if err != nil || job.JobType == schema.JobTypePDERegeneration && job.Scope == schema.ScopeAll {
			return status, err
		}
	}
}

// interrupted describes what remains of an interrupted job.
func (d *demo) interrupted() error {
	if d.named == "" {
		return errors.New("the demo was interrupted before its job ended; its data was removed")
	}
	again := "pdeflow demo" + d.find()
	if d.size > 0 {
		again += fmt.Sprintf(" --mappings %d", d.size)
	}
	return fmt.Errorf("the demo was interrupted before its job ended; continue with: %s", again)
}

// find returns the flag with which commands find the demo. A demo on a temporary directory is found without one, unless
// the environment or a context selects another server.
func (d *demo) find() string {
	dir := d.named
	if dir == "" && d.app.hasNamedServer() {
		dir = d.dir
	}
	if dir == "" {
		return ""
	}
	return " --data-dir " + shellQuote(dir)
}

// hasNamedServer reports whether the environment or the contexts select a server.
func (a *app) hasNamedServer() bool {
	for _, name := range []string{"PDEFLOW_SERVER", "PDEFLOW_CONTEXT", "PDEFLOW_DATA_DIR", "DATABASE_URL"} {
		if a.getenv(name) != "" {
			return true
		}
	}
	file, err := readContexts(a.getenv)
	return err == nil && file.Current != ""
}

// demoResult is the output of demo --json.
type demoResult struct {
	Job             events.JobStatus       `json:"job"`
	Classifications events.Classifications `json:"classifications"`
	// Seconds is the time from the start of the program to the end of the job.
	Seconds float64           `json:"seconds"`
	URLs    map[string]string `json:"urls"`
}

func (d *demo) printJSON(at address, status events.JobStatus, took time.Duration) error {
	result := demoResult{
		Job: status, Seconds: took.Round(time.Millisecond).Seconds(),
		URLs: map[string]string{
			"desk": signInURL(at), "api": at.HTTP + "/api/v1", "openapi": at.HTTP + "/openapi.json", "nats": at.NATS,
			"status": statusURL(at, status),
		},
	}
	if status.Result != nil {
		result.Classifications = status.Result.Classifications
	}
	encoder := json.NewEncoder(d.app.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(result)
}

// signInURL returns the address that signs a browser in.
func signInURL(at address) string { return at.HTTP + "/signin#" + at.token }

func statusURL(at address, status events.JobStatus) string {
	return at.HTTP + "/api/v1/jobs/" + status.JobID + "/status"
}

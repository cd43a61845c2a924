package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func (a *app) benchCommand() *cli.Command {
	return group(&cli.Command{
		Name: "bench", Usage: "measures the pipeline against a baseline",
		Description: "A benchmark runs the services on a database and a NATS server of its own, in a temporary " +
			"directory, and measures its baseline in the same run. Nothing else should run on the machine.\n\n" +
			"pdeflow bench llm\n" +
			"pdeflow bench commit --mappings 5000 --workers 8 --json\n" +
			"pdeflow bench scale --mappings 100000",
		Commands: []*cli.Command{a.benchCommitCommand(), a.benchLLMCommand(), a.benchScaleCommand()},
	})
}

// bench runs jobs of a generated report on servers of its own.
type bench struct {
	app *app
	// dir holds the data of the servers; if it is empty, each run has a temporary one. The report is imported unless
	// loaded is true.
	dir      string
	loaded   bool
	mappings int
	log      *slog.Logger
}

// run runs all services with the settings, calls measure, and ends them.
func (b bench) run(
	ctx context.Context, s settings, measure func(ctx context.Context, at address) error,
) error {
	if b.dir == "" {
		lock, err := datadir.Temp()
		if err != nil {
			return err
		}
		defer lock.Remove() //nolint:errcheck // the next start removes a directory that is left
		b.dir = lock.Dir()
	}
	return b.app.runNode(ctx, node{
		names:    schema.Services(),
		backends: backendOptions{dir: b.dir, natsListen: "127.0.0.1:0", name: "pdeflow-bench"},
		settings: s, listen: "127.0.0.1:0", log: b.log,
		ready: func(ctx context.Context, at address) error {
			if err := measure(ctx, at); err != nil {
				return err
			}
			return errStop
		},
	})
}

// load imports the report, if necessary.
func (b bench) load(ctx context.Context, at address) error {
	if b.loaded {
		return nil
	}
	d := demo{app: b.app, size: b.mappings}
	return d.load(ctx, at.db)
}

// job imports the report, if necessary, and follows a job of it to the end. It returns an error if a mapping does not
// succeed.
func (b bench) job(ctx context.Context, at address) (status events.JobStatus, err error) {
	if err := b.load(ctx, at); err != nil {
		return status, err
	}
	c := newClient(at.HTTP, at.token)
	jobID, err := c.regenerate(ctx, sample.CycleID, sample.ReportID)
	if err != nil {
		return status, err
	}
	return b.follow(ctx, c, jobID, b.mappings, false)
}

// follow follows a job of n mappings to its end. It returns an error if a mapping does not succeed.
func (b bench) follow(ctx context.Context, c *client, jobID string, n int, quiet bool) (events.JobStatus, error) {
	status, err := b.app.watch(ctx, c, jobID, quiet)
	if err != nil {
		return status, err
	}
	if status.Status != schema.StatusCompleted || status.CompletedAt == nil || status.Succeeded != int64(n) {
		return status, errors.New("not every mapping of the job succeeded: " + status.Message)
	}
	return status, nil
}

func (b bench) note(text string) { fmt.Fprintln(b.app.stderr, text) }

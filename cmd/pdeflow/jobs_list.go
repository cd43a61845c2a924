package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// listEvery is the interval at which jobs list --watch reads the list.
const listEvery = time.Second

func (a *app) jobsListCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "lists jobs, the newest first",
		Flags: []cli.Flag{
			choice("status", "only jobs with this status", schema.Statuses()),
			&cli.StringFlag{Name: "cycle", Usage: "only jobs of this `CYCLE`"},
			&cli.StringFlag{Name: "report", Usage: "only jobs of this `REPORT`"},
			&cli.BoolFlag{Name: "active", Usage: "only jobs that have not ended"},
			&cli.BoolFlag{
				Name:  "watch",
				Usage: "keep printing jobs that change until interrupted; with --json one object a line",
			},
			limitFlag(50), jsonFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			l := list[events.JobStatus]{path: "/jobs", query: url.Values{}, row: jobRow}
			l.columns = []any{"JOB", "STATUS", "DONE", "OF", "TYPE", "CYCLE", "REPORT", "BY", "CREATED"}
			l.optional = []string{"TYPE", "BY", "CYCLE", "CREATED", "OF"}
			for flag, parameter := range map[string]string{
				"status": "status", "cycle": "cycle_id", "report": "report_id",
			} {
				if value := cmd.String(flag); value != "" {
					l.query.Set(parameter, value)
				}
			}
			if cmd.Bool("active") {
				if len(l.query) > 0 {
					return usagef("--active cannot be combined with --status, --cycle or --report")
				}
				l.path = "/jobs/active"
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			if cmd.Bool("watch") {
				return a.watchList(ctx, cmd, c, l)
			}
			return printList(ctx, a, cmd, c, l)
		},
	}
}

func jobRow(s events.JobStatus) []any {
	return []any{
		s.JobID, s.Status, s.CompletedSteps, s.TotalSteps, s.JobType, s.Metadata.CycleID, s.Metadata.ReportID,
		s.Metadata.RequestedBy,
		sinceText(s.CreatedAt, time.Now()),
	}
}

// watchList prints the list, and then each job that changes, until it is interrupted.
func (a *app) watchList(ctx context.Context, cmd *cli.Command, c *client, l list[events.JobStatus]) error {
	w := table(a.stdout, l.optional...)
	if !cmd.Bool(flagJSON) {
		printRow(w, l.columns...)
	}
	shown := map[string]string{}
	away := false
	for {
		changed, err := changedJobs(ctx, c, cmd, l, shown)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // an interrupt is how it ends
		case err != nil && (!isTemporary(err) || !c.answered):
			return a.problemJSON(cmd.Bool(flagJSON), err)
		case err != nil && !away:
			fmt.Fprintln(a.stderr, err.Error()+"; trying again")
		case err == nil && away:
			fmt.Fprintln(a.stderr, "the server responds again")
		}
		away = err != nil
		for _, raw := range changed {
			if cmd.Bool(flagJSON) {
				fmt.Fprintf(a.stdout, "%s\n", raw)
				continue
			}
			var status events.JobStatus
			if err := json.Unmarshal(raw, &status); err != nil {
				return fmt.Errorf("job of the list: %w", err)
			}
			printRow(w, l.row(status)...)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := sleep(ctx, listEvery); err != nil {
			return nil //nolint:nilerr // likewise
		}
	}
}

// changedJobs reads the list and returns the jobs that differ from what was last shown, oldest first.
func changedJobs(
	ctx context.Context, c *client, cmd *cli.Command, l list[events.JobStatus], shown map[string]string,
) ([]json.RawMessage, error) {
	var changed []json.RawMessage
	for p, err := range c.pages(ctx, l.path, l.query, cmd.Int(flagLimit)) {
		if err != nil {
			return nil, err
		}
		for _, raw := range p.Items {
			var status struct {
				JobID string `json:"job_id"`
			}
			if err := json.Unmarshal(raw, &status); err != nil {
				return nil, fmt.Errorf("job of the list: %w", err)
			}
			if shown[status.JobID] != string(raw) {
				shown[status.JobID] = string(raw)
				changed = append([]json.RawMessage{raw}, changed...)
			}
		}
	}
	return changed, nil
}

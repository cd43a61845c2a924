package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) jobsCommand() *cli.Command {
	return group(&cli.Command{
		Name:  "jobs",
		Usage: "lists, follows and steers jobs",
		Description: "Speaks to the API. ID is the id of a job, the beginning of one (4 characters or more), or " +
			"latest.\n\n" +
			"pdeflow jobs list --status running\n" +
			"pdeflow jobs watch latest\n" +
			"pdeflow jobs wait latest --timeout 10m\n" +
			"pdeflow jobs items 0198c2f0-8b --outcome failed",
		Flags: a.clientFlags(),
		Commands: []*cli.Command{
			a.jobsListCommand(),
			a.jobsStatusCommand(),
			a.jobsWatchCommand(),
			a.jobsWaitCommand(),
			a.jobsItemsCommand(),
			a.steerCommand("cancel", "ends a job now: what is done stays, nothing more is done"),
			a.steerCommand("pause", "pauses a job: what is running finishes, nothing new starts"),
			a.steerCommand("resume", "lets a paused job go on"),
			a.jobsRetryCommand(),
		},
	})
}

// jobID stands for the argument that names a job.
const jobID = "ID"

func jobPath(id, rest string) string { return "/jobs/" + url.PathEscape(id) + rest }

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
				Usage: "go on with each job that changes, until interrupted; with --json an object a line",
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
					return usagef("--active goes with none of --status, --cycle and --report")
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

func (a *app) jobsStatusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "says where a job stands", ArgsUsage: jobID, Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			var status events.JobStatus
			got, err := c.call(ctx, request{method: http.MethodGet, path: jobPath(id, "/status")}, &status)
			switch {
			case err != nil:
				return a.asJSON(cmd.Bool(flagJSON), err)
			case cmd.Bool(flagJSON):
				return a.printJSON(got.body)
			}
			printStatus(a.stdout, status)
			return nil
		},
	}
}

// printStatus tells people where a job stands.
func printStatus(w io.Writer, s events.JobStatus) {
	fields := []field{
		{"job", s.JobID},
		{"status", s.Status},
		{
			"what",
			fmt.Sprintf("%s of report %s, cycle %s, by %s", s.JobType, s.Metadata.ReportID, s.Metadata.CycleID,
				s.Metadata.Classifier),
		},
		{"asked for by", s.Metadata.RequestedBy},
		{"retry of", s.Metadata.RetryOf},
		{
			"progress",
			fmt.Sprintf("%d of %s, %d %%", s.CompletedSteps, count(s.TotalSteps, "mapping"), s.ProgressPercentage),
		},
		{
			"outcomes",
			fmt.Sprintf("%d succeeded, %d skipped, %d failed, %d cancelled", s.Succeeded, s.Skipped, s.Failed,
				s.Cancelled),
		},
		{"now", s.CurrentStep},
		{"waiting for", s.WaitingFor},
		{"error", s.Error},
	}
	if r := s.Result; r != nil {
		c := r.Classifications
		fields = append(fields, field{
			"tiers",
			fmt.Sprintf("%d HRCI, %d Confidential, %d Proprietary, %d Public", c.HRCI, c.Confidential, c.Proprietary,
				c.Public),
		})
	}
	if s.ETASeconds != nil {
		fields = append(fields, field{"time left", "about " + durationText(time.Duration(*s.ETASeconds)*time.Second)})
	}
	now := time.Now()
	for _, moment := range []struct {
		name string
		at   *time.Time
	}{{"created", &s.CreatedAt}, {"started", s.StartedAt}, {"ended", s.CompletedAt}} {
		if moment.at != nil {
			fields = append(fields, field{moment.name, sinceText(*moment.at, now)})
		}
	}
	printFields(w, fields...)
}

func (a *app) jobsWatchCommand() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "follows a job to its end; exits 0 only when it completed", ArgsUsage: jobID,
		Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			return a.follow(ctx, c, id, cmd.Bool(flagJSON))
		},
	}
}

// follow watches a job and prints what it came to.
func (a *app) follow(ctx context.Context, c *client, jobID string, asJSON bool) error {
	status, err := a.watch(ctx, c, jobID, asJSON)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped watching, and job %s goes on; follow it again with: pdeflow jobs watch%s %s", jobID,
			c.flags, shellWord(jobID))
	}
	if err != nil {
		return a.asJSON(asJSON, err)
	}
	return a.printOutcome(status, asJSON)
}

func (a *app) jobsItemsCommand() *cli.Command {
	return &cli.Command{
		Name: "items", Usage: "lists the mappings of a job and what happened to each", ArgsUsage: jobID,
		Flags: []cli.Flag{
			choice("outcome", "only mappings with this outcome",
				append([]schema.Outcome{"queued"}, schema.Outcomes()...)), limitFlag(0), jsonFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			l := list[api.JobItem]{
				path: jobPath(id, "/items"), query: url.Values{},
				columns: []any{"MAPPING", "OUTCOME", "ATTEMPT", "CODE", "BY", "TOOK", "ERROR"}, row: itemRow,
				optional: []string{"BY", "ATTEMPT", "TOOK"},
			}
			if outcome := cmd.String("outcome"); outcome != "" {
				l.query.Set("outcome", outcome)
			}
			return printList(ctx, a, cmd, c, l)
		},
	}
}

func itemRow(i api.JobItem) []any {
	outcome := schema.Outcome("queued")
	if i.Outcome != nil {
		outcome = *i.Outcome
	}
	var code schema.ErrorCode
	if i.ErrorCode != nil {
		code = *i.ErrorCode
	}
	return []any{
		i.MappingID, outcome, i.Attempt, code, i.Classifier,
		durationText(time.Duration(i.DurationMS) * time.Millisecond), i.Error,
	}
}

// steerCommand asks something of a job.
func (a *app) steerCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: jobID, Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			var steered api.Steered
			got, err := c.call(ctx, request{method: http.MethodPost, path: jobPath(id, "/"+name)}, &steered)
			switch {
			case err != nil:
				return a.asJSON(cmd.Bool(flagJSON), err)
			case cmd.Bool(flagJSON):
				return a.printJSON(got.body)
			}
			fmt.Fprintln(a.stdout, steered.Message)
			return nil
		},
	}
}

func (a *app) jobsRetryCommand() *cli.Command {
	return &cli.Command{
		Name: "retry", Usage: "starts a new job of what failed or was cancelled in this one", ArgsUsage: jobID,
		Flags: []cli.Flag{
			choice("error-code", "only what failed for this reason", schema.FailureCodes()),
			&cli.BoolFlag{Name: "dry-run", Usage: "start nothing and only count"},
			&cli.BoolFlag{Name: "watch", Usage: "follow the new job to its end; exits 0 only when it completed"},
			jsonFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			c, id, err := a.jobArgument(ctx, cmd)
			if err != nil {
				return err
			}
			body := api.RetryBody{ErrorCode: schema.ErrorCode(cmd.String("error-code")), DryRun: cmd.Bool("dry-run")}
			r, err := jsonBody(http.MethodPost, jobPath(id, "/retry"), body)
			if err != nil {
				return err
			}
			return a.start(ctx, cmd, c, r)
		},
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
)

func (a *app) jobsStatusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "shows the status of a job", ArgsUsage: idArgument, Flags: []cli.Flag{jsonFlag()},
		Action: a.withJob(func(ctx context.Context, cmd *cli.Command, c *client, id string) error {
			return printOne(ctx, a, cmd, c, request{method: http.MethodGet, path: jobPath(id, "/status")},
				func(s events.JobStatus) { printStatus(a.stdout, s) })
		}),
	}
}

// printStatus prints the status of a job.
func printStatus(w io.Writer, s events.JobStatus) {
	fields := []field{
		{"job", s.JobID},
		{"status", s.Status},
		{
			"what",
			fmt.Sprintf("%s of report %s, cycle %s, by %s", s.JobType, s.Metadata.ReportID, s.Metadata.CycleID,
				s.Metadata.Classifier),
		},
		{"requested by", s.Metadata.RequestedBy},
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

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
)

// jobPage is the number of jobs that are read at once.
const jobPage = 200

func (a *app) rebuildCommand() *cli.Command {
	return &cli.Command{
		Name:  "rebuild",
		Usage: "recomputes the status of every job from the rows",
		Description: "Works on the database alone, job by job, while the services run. It does not need the " +
			"streams. A job whose status was out of date or missing is named.\n\n" +
			"DATABASE_URL=postgres://user:password@host/pdeflow pdeflow rebuild",
		Flags: a.operatorFlags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			return a.withDatabase(ctx, cmd, a.rebuild)
		},
	}
}

func (a *app) rebuild(ctx context.Context, db *schema.DB) error {
	total, err := schema.CountJobs(ctx, db, schema.CheckScope{})
	if err != nil {
		return err
	}
	progress := newPhases(a, "rebuilding")
	defer progress.end()
	var rebuilt, differed int64
	for before := ""; ; {
		progress.show("job status", rebuilt, total)
		jobs, err := schema.ListJobs(ctx, db, schema.JobFilter{}, before, jobPage)
		if err != nil {
			return err
		}
		for _, job := range jobs {
			was, is, err := rebuildJob(ctx, db, job)
			if err != nil {
				return err
			}
			rebuilt, before = rebuilt+1, job.ID
			if !was.Equal(is) {
				differed++
				fmt.Fprintf(a.stdout, "job %s is %s; its status was wrong\n", job.ID, counts(is))
			}
		}
		if len(jobs) < jobPage {
			fmt.Fprintf(a.stdout, "Rebuilt the status of %s; %d of them changed.\n",
				count(rebuilt, "job"), differed)
			return nil
		}
	}
}

// rebuildJob computes the status of one job again. The earlier status is the zero value if there was none.
func rebuildJob(ctx context.Context, db *schema.DB, job schema.Job) (was, is schema.JobStatus, err error) {
	ctx = schema.WithSubject(ctx, job.ID, "")
	for {
		err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			stored, err := schema.ListStoredStatuses(ctx, tx, []string{job.ID})
			if err != nil {
				return err
			}
			was = stored[job.ID]
			is, err = schema.RebuildStatus(ctx, tx, job.ID)
			return err
		})
		if !errors.Is(err, schema.ErrJobChanged) {
			return was, is, err
		}
	}
}

func counts(s schema.JobStatus) string {
	return fmt.Sprintf("%s with %d succeeded, %d skipped, %d failed, %d cancelled of %d", s.Status, s.Succeeded,
		s.Skipped, s.Failed, s.Cancelled, s.TotalSteps)
}

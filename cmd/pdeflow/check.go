package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// stuckAfter is how long an active job may go without a change.
	stuckAfter = time.Minute
	// maxNamed limits the findings that are named, per kind; the rest are counted.
	maxNamed = 100
)

// Kinds of findings in addition to those of [schema.Check].
const (
	checkStuck   schema.CheckKind = "stuck"
	checkRefused schema.CheckKind = "refused"
	checkAudit   schema.CheckKind = "audit"
)

func (a *app) checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "verifies in the database that classifications were really saved",
		Description: "Reads the database. It checks every field of the mappings that finished jobs have " +
			"processed, rows without a time or author, counts and histories that disagree with the " +
			"items of jobs, jobs that make no progress, and the audit log. It changes nothing, " +
			"names the wrong rows, and exits 1 if there are any. With a NATS server it can explain " +
			"more about stuck jobs; with --database-url it only uses the server of --nats-url.\n\n" +
			"pdeflow check\n" +
			"DATABASE_URL=postgres://... pdeflow check --cycle 2026-Q3 --report auto-loans --json",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "cycle", Usage: "only the report of this `CYCLE`, with --report"},
			&cli.StringFlag{
				Name:  "report",
				Usage: "only this `REPORT`, with --cycle; the audit log is always checked as a whole",
			},
			jsonFlag(),
		}, append(a.operatorFlags(), a.natsFlags()...)...),
		Action: a.check,
	}
}

func (a *app) check(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	scope := schema.CheckScope{CycleID: cmd.String("cycle"), ReportID: cmd.String("report")}
	if (scope.CycleID == "") != (scope.ReportID == "") {
		return usagef("--cycle and --report must be given together")
	}
	at, err := a.locate(cmd)
	if err != nil {
		return err
	}
	var result checkResult
	err = a.withDatabaseAt(ctx, cmd, at, func(ctx context.Context, db *schema.DB) error {
		phases := newPhases(a, "checking")
		defer phases.end()
		result, err = runChecks(ctx, db, scope, phases.show, &natsProbe{server: at.nats})
		if errors.Is(err, schema.ErrNotFound) {
			return fmt.Errorf("there is no report %s in cycle %s", scope.ReportID, scope.CycleID)
		}
		return err
	})
	if err != nil {
		return err
	}
	if cmd.Bool(flagJSON) {
		err = a.printJSON(result)
	} else {
		err = a.printChecks(result)
	}
	if err == nil && result.FindingCount > 0 {
		err = errReported
	}
	return err
}

// checkResult is the output of check.
type checkResult struct {
	OK bool `json:"ok"`
	// Rows counts the mappings that finished jobs have processed.
	Rows   int64        `json:"rows"`
	Fields []fieldCount `json:"fields"`
	Jobs   int64        `json:"jobs"`
	Audit  auditResult  `json:"audit"`
	// FindingCount counts all findings. Findings has the first ones of each kind.
	FindingCount int64     `json:"finding_count"`
	Findings     []finding `json:"findings"`
}

type fieldCount struct {
	Field string `json:"field"`
	Set   int64  `json:"set"`
	Unset int64  `json:"unset"`
}

type finding struct {
	Kind    schema.CheckKind `json:"kind"`
	Table   string           `json:"table"`
	Row     string           `json:"row"`
	Problem string           `json:"problem"`
}

// found counts a finding, and keeps it unless there are too many of its kind.
func (r *checkResult) found(f finding, of map[schema.CheckKind]int64) {
	r.FindingCount++
	if of[f.Kind]++; of[f.Kind] <= maxNamed {
		r.Findings = append(r.Findings, f)
	}
}

// runChecks runs all checks in sequence.
func runChecks(
	ctx context.Context, db *schema.DB, scope schema.CheckScope, progress schema.Progress, probe *natsProbe,
) (checkResult, error) {
	result := checkResult{Findings: []finding{}}
	of := map[schema.CheckKind]int64{}
	checked, err := schema.Check(ctx, db, scope, func(f schema.CheckFinding) { result.found(finding(f), of) }, progress)
	if err != nil {
		return result, err
	}
	result.Rows, result.Jobs = checked.Rows, checked.Jobs
	for _, count := range checked.Fields {
		result.Fields = append(result.Fields, fieldCount(count))
	}
	progress("stuck jobs", 0, 0)
	stuck, err := stuckJobs(ctx, db, scope, probe)
	if err != nil {
		return result, err
	}
	for _, f := range stuck {
		result.found(f, of)
	}
	verdict, err := audit.Verify(ctx, db, func(f audit.Finding) { result.found(auditFinding(f), of) },
		progress)
	if err != nil {
		return result, err
	}
	result.Audit = auditResultOf(verdict)
	result.OK = result.FindingCount == 0
	return result, nil
}

// auditFinding names the row of the log, or else the missing event, or the job.
func auditFinding(f audit.Finding) finding {
	named := finding{Kind: checkAudit, Table: "audit_log", Row: f.EventID, Problem: string(f.Problem)}
	switch {
	case f.Seq > 0:
		named.Row = fmt.Sprint(f.Seq)
		if f.EventID != "" {
			named.Problem += " (" + f.EventID + ")"
		}
	case f.EventID == "":
		named.Table, named.Row = "jobs", f.JobID
	}
	return named
}

func (a *app) printChecks(r checkResult) error {
	fmt.Fprintf(a.stdout, "Finished jobs have touched %s.\n\n", count(r.Rows, "mapping"))
	w := table(a.stdout)
	printRow(w, "FIELD", "SET", "UNSET")
	for _, count := range r.Fields {
		printRow(w, count.Field, count.Set, count.Unset)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nCompared with the rows: %s, and %s of the audit log.\n", count(r.Jobs, "job"),
		count(r.Audit.Rows, "row"))
	if r.OK {
		fmt.Fprintln(a.stdout, "Nothing is wrong.")
		return nil
	}
	fmt.Fprintf(a.stdout, "\nWrong in %s:\n", count(r.FindingCount, "place"))
	for _, f := range r.Findings {
		fmt.Fprintln(a.stdout, "  "+indented(a.stdout, fmt.Sprintf("%s %s: %s", f.Table, f.Row, f.Problem), 4))
	}
	if more := r.FindingCount - int64(len(r.Findings)); more > 0 {
		fmt.Fprintf(a.stdout, "  and %d more of the same kinds\n", more)
	}
	return nil
}

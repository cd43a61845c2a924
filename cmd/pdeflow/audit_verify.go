package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

func (a *app) auditVerifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "verifies the audit log against itself and against the rows; exits 1 if anything is " +
			"wrong", Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			var (
				verdict audit.Verdict
				result  checkResult
			)
			err := a.withDatabase(ctx, cmd, func(ctx context.Context, db *schema.DB) (err error) {
				of := map[schema.CheckKind]int64{}
				phases := newPhases(a, "checking")
				defer phases.end()
				verdict, err = audit.Verify(ctx, db,
					func(f audit.Finding) { result.found(auditFinding(f), of) }, phases.show)
				return err
			})
			if err != nil {
				return err
			}
			if cmd.Bool(flagJSON) {
				verified := auditVerified{
					OK: verdict.Findings == 0, auditResult: auditResultOf(verdict), FindingCount: verdict.Findings,
					Findings: []finding{},
				}
				verified.Findings = append(verified.Findings, result.Findings...)
				err = a.printJSON(verified)
			} else {
				a.printVerdict(verdict, result.Findings)
			}
			if err == nil && verdict.Findings > 0 {
				err = errReported
			}
			return err
		},
	}
}

// auditResult summarises what was verified.
type auditResult struct {
	Rows int64 `json:"rows"`
	Jobs int64 `json:"jobs"`
	// HeadSeq and HeadHash are the end of the log. Recorded elsewhere, they later prove that nothing was removed.
	HeadSeq  int64  `json:"head_seq"`
	HeadHash string `json:"head_hash"`
}

func auditResultOf(v audit.Verdict) auditResult {
	return auditResult{Rows: v.Rows, Jobs: v.Jobs, HeadSeq: v.Head.Seq, HeadHash: v.Head.Hash}
}

// auditVerified is the output of audit verify --json.
type auditVerified struct {
	OK bool `json:"ok"`
	auditResult
	FindingCount int64     `json:"finding_count"`
	Findings     []finding `json:"findings"`
}

func (a *app) printVerdict(verdict audit.Verdict, findings []finding) {
	fmt.Fprintf(a.stdout, "The audit log has %s, which were compared with %s and the history. It ends with row %d, "+
		"hash\n%s\n",
		count(verdict.Rows, "row"), count(verdict.Jobs, "job"), verdict.Head.Seq, verdict.Head.Hash)
	if verdict.Findings == 0 {
		fmt.Fprintln(a.stdout, "Nothing is wrong.")
		return
	}
	fmt.Fprintf(a.stdout, "\nWrong in %s, the first of them first:\n", count(verdict.Findings, "place"))
	for _, f := range findings {
		fmt.Fprintln(a.stdout, "  "+indented(a.stdout, fmt.Sprintf("%s %s: %s", f.Table, f.Row, f.Problem), 4))
	}
	if more := verdict.Findings - int64(len(findings)); more > 0 {
		fmt.Fprintf(a.stdout, "  and %d more\n", more)
	}
}

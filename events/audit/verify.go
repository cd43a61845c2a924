package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// Problem is a kind of error in the log.
type Problem string

const (
	// ProblemGap means that rows are missing: numbers are left out.
	ProblemGap Problem = "rows are missing before this one"
	// ProblemUnchained means that the row does not have the hash of the row before it.
	ProblemUnchained Problem = "the row does not follow from the one before it"
	// ProblemChanged means that the hash of the row is not that of its content.
	ProblemChanged Problem = "the row is not as it was written"
	// ProblemMissing means that the rows of an audited job, or the history, prove a fact that the log lacks.
	ProblemMissing Problem = "it happened, and the log does not have it"
	// ProblemDiffers means that the log and the rows disagree: one of them was changed.
	ProblemDiffers Problem = "the log and the rows disagree"
	// ProblemUnfounded means that no row proves what the log has as verified.
	ProblemUnfounded Problem = "no row proves the verified event"
	// ProblemNoHistory means that a job has written a mapping without a row in the history.
	ProblemNoHistory Problem = "the history does not have it"
	// ProblemLate means that a job has ended, and that the auditor has neither audited it nor appended anything
	// that comes before.
	ProblemLate Problem = "the job has ended and is not audited"
)

// grace is how long the auditor may take for the next row of a job that has ended, and for a committed change.
const grace = time.Minute

// Finding is one problem. Fields that do not apply are zero.
type Finding struct {
	Problem Problem
	// Seq is the row of the log, or the first of the missing rows.
	Seq     int64
	EventID string
	JobID   string
}

// Verdict counts what [Verify] compared and found.
type Verdict struct {
	Rows, Jobs, Findings int64
	// Head is the end of the log.
	Head Head
}

// Verify verifies the chain of the log, compares each verified row with the fact of its event, and then looks for
// facts that the log lacks: those of audited jobs, and changes. It calls report for each problem. Progress may be
// nil.
//
// It reads keyset pages, each in a statement with its own snapshot, for the reason given at [schema.Check]. It
// remains exact while rows are written: rows of the log are only appended, the rows that prove a fact are final,
// and each age is computed by the statement that reads the row, so that age and row belong to the same moment.
func Verify(
	ctx context.Context, db *schema.DB, report func(Finding), progress schema.Progress,
) (Verdict, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	v := verifier{db: db, report: report, progress: progress, gone: map[string]bool{}, suspect: map[string]bool{}}
	for _, verify := range []func(context.Context) error{v.verifyLog, v.verifyJobs, v.verifyLate, v.verifyChanges} {
		if err := verify(ctx); err != nil {
			return v.verdict, err
		}
	}
	return v.verdict, nil
}

// verifyPage is the number of rows per statement.
const verifyPage = 1000

type verifier struct {
	db       *schema.DB
	report   func(Finding)
	progress schema.Progress
	verdict  Verdict
	// gone contains the jobs that the log names and that do not exist. Each is reported once.
	gone map[string]bool
	// suspect contains the jobs with rows in the log that disagree with the database, so that counts prove nothing.
	suspect map[string]bool
}

func (v *verifier) found(f Finding) {
	v.verdict.Findings++
	v.report(f)
}

// verifyLog verifies the rows of the log that exist when it starts: their hashes, the chain, and the facts.
func (v *verifier) verifyLog(ctx context.Context) error {
	end, err := GetHead(ctx, v.db)
	if err != nil {
		return err
	}
	head := emptyHead()
	for head.Seq < end.Seq {
		v.progress("audit log", head.Seq, end.Seq)
		page := min(verifyPage, int(end.Seq-head.Seq))
		rows, err := List(ctx, v.db, Filter{}, head.Seq, page)
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Seq > end.Seq {
			v.found(Finding{Problem: ProblemGap, Seq: head.Seq + 1}) // the end was removed since it was read
			break
		}
		for _, row := range rows {
			v.verifyLink(head, row)
			head = Head{Seq: row.Seq, Hash: row.Hash}
		}
		if err := v.compareRows(ctx, rows); err != nil {
			return err
		}
	}
	v.verdict.Head, v.verdict.Rows = head, head.Seq
	v.progress("audit log", head.Seq, end.Seq)
	return nil
}

// verifyLink verifies the hash of a row, and that it follows head.
func (v *verifier) verifyLink(head Head, row Row) {
	finding := Finding{Seq: row.Seq, EventID: row.EventID, JobID: row.JobID}
	switch {
	case row.Seq != head.Seq+1:
		v.found(Finding{Problem: ProblemGap, Seq: head.Seq + 1})
	case row.PrevHash != head.Hash:
		finding.Problem = ProblemUnchained
		v.found(finding)
	}
	if row.Hash != row.Sum() {
		finding.Problem = ProblemChanged
		v.found(finding)
	}
}

// compareRows compares the verified rows with the facts of their events.
func (v *verifier) compareRows(ctx context.Context, rows []Row) error {
	var query Query
	for _, row := range rows {
		if row.Verified {
			query.addRow(row)
		}
	}
	facts, err := ListFacts(ctx, v.db, query)
	if err != nil {
		return err
	}
	var unfounded []Row
	for _, row := range rows {
		if !row.Verified {
			continue
		}
		fact, ok := facts[row.EventID]
		if !ok {
			unfounded = append(unfounded, row)
			continue
		}
		recorded, err := fact.isRecordedBy(row)
		if err != nil {
			return err
		}
		finding := Finding{Seq: row.Seq, EventID: row.EventID, JobID: row.JobID}
		switch {
		case !recorded:
			finding.Problem = ProblemDiffers
		case fact.lacksHistory():
			finding.Problem = ProblemNoHistory
		default:
			continue
		}
		v.suspect[row.JobID], v.suspect[fact.JobID] = true, true
		v.found(finding)
	}
	return v.reportUnfounded(ctx, unfounded)
}

// reportUnfounded reports verified rows without a fact: each of them, but only the first of a job that does not exist.
func (v *verifier) reportUnfounded(ctx context.Context, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	var existing []string
	ids := each(rows, func(r Row) string { return r.JobID })
	err := v.db.NewRaw("select id from jobs where id in (?)", bun.List(ids)).Scan(ctx, &existing)
	if err != nil {
		return fmt.Errorf("jobs of the audit log: %w", err)
	}
	for _, id := range existing {
		v.suspect[id] = true
	}
	for _, row := range rows {
		if row.JobID != "" && !v.suspect[row.JobID] {
			if v.gone[row.JobID] {
				continue
			}
			v.gone[row.JobID] = true
		}
		v.found(Finding{Problem: ProblemUnfounded, Seq: row.Seq, EventID: row.EventID, JobID: row.JobID})
	}
	return nil
}

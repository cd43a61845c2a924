package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// Problem says what is wrong with the audit log at one place.
type Problem string

// The problems.
const (
	// ProblemGap means that rows are missing: the numbers leave some out.
	ProblemGap Problem = "rows are missing before this one"
	// ProblemUnchained means that the row does not hold the hash of the one before it.
	ProblemUnchained Problem = "the row does not follow from the one before it"
	// ProblemChanged means that the row's hash is not that of its content.
	ProblemChanged Problem = "the row is not as it was written"
	// ProblemMissing means that the rows of an audited job, or the history, say what the log does not have.
	ProblemMissing Problem = "it happened, and the log does not have it"
	// ProblemDiffers means that the log and the rows disagree: one of them was changed.
	ProblemDiffers Problem = "the log and the rows disagree"
	// ProblemUnfounded means that the log has as verified what no row says.
	ProblemUnfounded Problem = "the log has it, and no row says so"
	// ProblemNoHistory means that a mapping was accounted for, and its history does not have that.
	ProblemNoHistory Problem = "the history does not have it"
	// ProblemLate means that a job has ended, and that the auditor has neither audited it nor appended anything that
	// comes before.
	ProblemLate Problem = "the job has ended and is not audited"
)

// auditGrace is how long the auditor may take for the next row of a job that has ended, and for a committed change.
const auditGrace = time.Minute

// Finding is one thing that is wrong. What does not apply is empty.
type Finding struct {
	Problem Problem
	// Seq is the row of the log that is wrong, the first where several are missing.
	Seq     int64
	EventID string
	JobID   string
}

// Verdict is what was looked at, and how much of it is wrong.
type Verdict struct {
	Rows, Jobs, Findings int64
	// Head is the end of the log.
	Head Head
}

// Verify walks the audit log from its first to its last row, compares each verified row with the rows of jobs,
// items and history, and then looks for what the log lacks: rows of audited jobs and changes of mappings. It calls
// report for each problem. A chain alone cannot show that its end was cut off, or that all of it was computed again.
//
// It reads keyset pages, each in a statement with its own snapshot, for the reason given at [schema.Check]. It remains exact
// while rows are written: log rows are only appended, what a verified row was built from never changes, and each age
// is computed by the statement that reads the row, so that age and row belong to the same moment.
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
	// gone holds the jobs that the log names and that do not exist, each of which is reported once.
	gone map[string]bool
	// suspect holds the jobs with rows in the log that disagree with the database, so that counting them proves
	// nothing.
	suspect map[string]bool
}

func (v *verifier) found(f Finding) {
	v.verdict.Findings++
	v.report(f)
}

// verifyLog verifies the rows of the log that exist when it starts: each for itself, as a link of the chain, and
// against the database.
func (v *verifier) verifyLog(ctx context.Context) error {
	end, err := GetHead(ctx, v.db)
	if err != nil {
		return err
	}
	head := Head{Hash: noHash}
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

// verifyLink verifies a row of the log for itself and as the one that follows head.
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

// compareRows compares the verified rows among these with the facts of the same events.
func (v *verifier) compareRows(ctx context.Context, rows []Row) error {
	facts, err := ListFacts(ctx, v.db, factsOf(rows))
	if err != nil {
		return err
	}
	var unfounded []Row
	for _, row := range rows {
		if !row.Verified {
			continue
		}
		finding := Finding{Seq: row.Seq, EventID: row.EventID, JobID: row.JobID}
		fact, ok := facts[row.EventID]
		switch {
		case !ok:
			unfounded = append(unfounded, row)
			continue
		case !fact.equal(row.Fact):
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

// reportUnfounded reports rows of the log without a fact: each of them, but only the first of a job that does not
// exist.
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

// equal reports whether the row of the log has the same content as the fact. Whitespace in the data does not count.
func (f Fact) equal(logged Fact) bool {
	if !f.OccurredAt.Equal(logged.OccurredAt) {
		return false
	}
	if !bytes.Equal(f.Data, logged.Data) && !bytes.Equal(compact(f.Data), compact(logged.Data)) {
		return false
	}
	if f.MappingID != "" && f.CycleID == "" {
		f.CycleID, f.ReportID = logged.CycleID, logged.ReportID // the mapping was removed, and the history does not keep its report
	}
	f.OccurredAt, f.Data, logged.OccurredAt, logged.Data = time.Time{}, nil, time.Time{}, nil
	return reflect.DeepEqual(f, logged)
}

func compact(data json.RawMessage) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return data
	}
	return out.Bytes()
}

// lacksHistory reports whether the fact is an item that a job has written, without its history row.
func (f Fact) lacksHistory() bool {
	var item struct {
		Kind    string          `json:"kind"`
		Outcome schema.Outcome  `json:"outcome"`
		History json.RawMessage `json:"history"`
	}
	if err := json.Unmarshal(f.Data, &item); err != nil || item.Kind != "item" {
		return false
	}
	written := item.Outcome == schema.Succeeded || item.Outcome == schema.Skipped
	return written && (item.History == nil || string(item.History) == "null")
}

package schema

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// AuditProblem says what is wrong with the audit log at one place.
type AuditProblem string

// The problems.
const (
	// AuditGap means that rows are missing: the numbers leave some out.
	AuditGap AuditProblem = "rows are missing before this one"
	// AuditUnchained means that the row does not hold the hash of the one before it.
	AuditUnchained AuditProblem = "the row does not follow from the one before it"
	// AuditChanged means that the row's hash is not that of its content.
	AuditChanged AuditProblem = "the row is not as it was written"
	// AuditMissing means that the rows of an audited job, or the history, say what the log does not have.
	AuditMissing AuditProblem = "it happened, and the log does not have it"
	// AuditDiffers means that the log and the rows disagree: one of them was changed.
	AuditDiffers AuditProblem = "the log and the rows disagree"
	// AuditUnfounded means that the log has as verified what no row says.
	AuditUnfounded AuditProblem = "the log has it, and no row says so"
	// AuditNoHistory means that a mapping was accounted for, and its history does not have that.
	AuditNoHistory AuditProblem = "the history does not have it"
	// AuditLate means that a job has ended a while ago and is not audited.
	AuditLate AuditProblem = "the job has ended and is not audited"
)

// auditGrace is how long after its end a job may be without its audit, and a change without its entry.
const auditGrace = time.Minute

// AuditFinding is one thing that is wrong. What does not apply is empty.
type AuditFinding struct {
	Problem AuditProblem
	// Seq is the row of the log that is wrong, the first where several are missing.
	Seq     int64
	EventID string
	JobID   string
}

// AuditVerdict is what was looked at, and how much of it is wrong.
type AuditVerdict struct {
	Rows, Jobs, Findings int64
	// Head is the end of the log.
	Head AuditHead
}

// VerifyAudit walks the audit log from its first row and then compares it with the rows of every job and with the history, as they stand
// at one moment. It calls report for each thing that is wrong: what is broken in the chain first, in its order, and then what a chain
// cannot show, because its end can be cut off and its rows can be written anew. What the log has of a job that is still running has to
// agree as well; only what is missing is not asked of it.
func VerifyAudit(ctx context.Context, db *DB, report func(AuditFinding)) (AuditVerdict, error) {
	var verdict AuditVerdict
	found := func(f AuditFinding) {
		verdict.Findings++
		report(f)
	}
	err := db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(ctx context.Context, tx bun.Tx) (err error) {
		if verdict.Head, err = verifyChain(ctx, tx, found); err != nil {
			return err
		}
		verdict.Rows = verdict.Head.Seq
		if verdict.Jobs, err = verifyJobs(ctx, tx, found); err != nil {
			return err
		}
		return verifyRest(ctx, tx, found)
	})
	return verdict, err
}

// verifyPage is how many rows are read at once.
const verifyPage = 1000

func verifyChain(ctx context.Context, tx bun.Tx, found func(AuditFinding)) (AuditHead, error) {
	head := AuditHead{Hash: noHash}
	for {
		rows, err := AuditRows(ctx, tx, AuditFilter{}, head.Seq, verifyPage)
		if err != nil {
			return head, err
		}
		for _, row := range rows {
			finding := AuditFinding{Seq: row.Seq, EventID: row.EventID, JobID: row.JobID}
			switch {
			case row.Seq != head.Seq+1:
				found(AuditFinding{Problem: AuditGap, Seq: head.Seq + 1})
			case row.PrevHash != head.Hash:
				finding.Problem = AuditUnchained
				found(finding)
			}
			if row.Hash != row.Sum() {
				finding.Problem = AuditChanged
				found(finding)
			}
			head = AuditHead{Seq: row.Seq, Hash: row.Hash}
		}
		if len(rows) < verifyPage {
			return head, nil
		}
	}
}

// compared are the columns in which the log and the rows have to agree.
const compared = "%[1]s.occurred_at, %[1]s.source, %[1]s.type, %[1]s.subject, %[1]s.actor, %[1]s.cycle_id, %[1]s.report_id, %[1]s.job_id, " +
	"%[1]s.mapping_id, %[1]s.traceparent, %[1]s.data::jsonb"

// compare sets what the rows say against what the log has. Required is a condition on a fact f under which the log must have it.
func compare(facts, logged, required string) string {
	return `select * from (select coalesce(l.seq, 0) as seq, coalesce(l.event_id, f.event_id) as event_id, coalesce(l.job_id, f.job_id, '') as job_id,
		case when l.event_id is null then '` + string(AuditMissing) + `' when f.event_id is null then '` + string(AuditUnfounded) + `'
			when (` + fmt.Sprintf(compared, "f") + `) is distinct from (` + fmt.Sprintf(compared, "l") + `) then '` + string(AuditDiffers) + `'
			when f.data->>'kind' = 'item' and f.data->>'outcome' in ('succeeded', 'skipped') and f.data->>'history' is null
			then '` + string(AuditNoHistory) + `' end as problem
		from (` + facts + `) f full join (select * from audit_log where verified and ` + logged + `) l on l.event_id = f.event_id
		where l.event_id is not null or (` + required + `)) c where problem is not null order by seq, event_id`
}

// verifyJobs compares the log with the rows of every job, one after the other, and returns how many there were.
func verifyJobs(ctx context.Context, tx bun.Tx, found func(AuditFinding)) (n int64, err error) {
	query := compare(jobFacts+" and j.id = ?0 union all "+intentFacts+" and n.job_id = ?0 union all "+itemFacts+" and i.job_id = ?0",
		"job_id = ?0", "?1")
	last := ""
	for {
		var jobs []struct {
			ID      string `bun:"id"`
			Audited bool   `bun:"audited"`
			Late    bool   `bun:"late"`
		}
		// The end may be noticed long after it; then the row is written.
		err := tx.NewRaw(`select id, audited_at is not null as audited,
			audited_at is null and ended_at is not null and updated_at < clock_timestamp() - ? * interval '1 second' as late
			from jobs where id > ? order by id limit ?`, auditGrace.Seconds(), last, verifyPage).Scan(ctx, &jobs)
		if err != nil {
			return n, fmt.Errorf("jobs: %w", err)
		}
		for _, job := range jobs {
			if job.Late {
				found(AuditFinding{Problem: AuditLate, JobID: job.ID})
			}
			if err := scanFindings(ctx, tx, found, query, job.ID, job.Audited); err != nil {
				return n, fmt.Errorf("audit of job %s: %w", job.ID, err)
			}
			n, last = n+1, job.ID
		}
		if len(jobs) < verifyPage {
			return n, nil
		}
	}
}

// verifyRest compares the log with the changes that are no job's, and finds jobs that the log has and nobody else.
func verifyRest(ctx context.Context, tx bun.Tx, found func(AuditFinding)) error {
	err := scanFindings(ctx, tx, found, compare(changeFacts, "type = 'io.pdeflow.mapping.changed.v1'",
		"f.occurred_at < clock_timestamp() - ? * interval '1 second'"), auditGrace.Seconds())
	if err != nil {
		return fmt.Errorf("audit of the history: %w", err)
	}
	err = scanFindings(ctx, tx, found, `select min(seq), min(event_id), coalesce(job_id, ''), ? from audit_log l
		where verified and type is distinct from 'io.pdeflow.mapping.changed.v1' and not exists (select from jobs j where j.id = l.job_id)
		group by job_id order by min(seq)`, AuditUnfounded)
	if err != nil {
		return fmt.Errorf("audit of jobs that are gone: %w", err)
	}
	return nil
}

// scanFindings reports what the query selects: the row of the log, the event, the job, and what is wrong.
func scanFindings(ctx context.Context, tx bun.Tx, found func(AuditFinding), query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var finding AuditFinding
		if err := rows.Scan(&finding.Seq, &finding.EventID, &finding.JobID, &finding.Problem); err != nil {
			return err
		}
		found(finding)
	}
	return rows.Err()
}

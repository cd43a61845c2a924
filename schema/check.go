package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// CheckScope bounds what [Check] looks at: one report, or everything where it is zero.
type CheckScope struct{ CycleID, ReportID string }

// within is a condition of SQL that holds for the scope. Where the scope is one report, ?0 and ?1 in the condition are its ids.
func (s CheckScope) within(condition string) any {
	if s == (CheckScope{}) {
		return bun.SafeQuery("true")
	}
	return bun.SafeQuery(condition, s.CycleID, s.ReportID)
}

// CheckKind says what kind of thing is wrong.
type CheckKind string

// The kinds of what [Check] finds.
const (
	// CheckUnset means that a finished job touched the mapping, and something that it saves is not there.
	CheckUnset CheckKind = "unset"
	// CheckUnsigned means that a row does not say when, or by whom, it was written last.
	CheckUnsigned CheckKind = "unsigned"
	// CheckCounts means that a job's status, its row and its items disagree.
	CheckCounts CheckKind = "counts"
	// CheckHistory means that a mapping which a job has written does not have exactly one entry of it in its history.
	CheckHistory CheckKind = "history"
)

// CheckFinding is one thing that is wrong, in the row with this key.
type CheckFinding struct {
	Kind       CheckKind
	Table, Row string
	Problem    string
}

// FieldCount says in how many rows a field is set, and in how many it is not.
type FieldCount struct {
	Field      string
	Set, Unset int64
}

// Checked is what was looked at, and how much of it is wrong.
type Checked struct {
	// Rows counts the mappings that finished jobs have touched, and Fields what is set in them.
	Rows   int64
	Fields []FieldCount
	Jobs   int64
	// Findings counts everything that was reported.
	Findings int64
}

// SavedFields are the columns of a mapping that hold something once a job has touched it: whatever the job does, and whatever a person
// has said before.
func SavedFields() []string {
	return []string{
		"information_security_classification", "criticality", "risk_level", "regulatory_flag", "pii_flag",
		"confidence_score", "mapping_rationale", "classification_confidence", "classification_rationale",
		"classified_by", "updated_at", "updated_by",
	}
}

// Check compares what is stored with what has to be stored, as everything stands at one moment, and reports each thing that is wrong. It
// returns [ErrNotFound] where the scope is a report that is not there.
func Check(ctx context.Context, db *DB, scope CheckScope, report func(CheckFinding)) (Checked, error) {
	var checked Checked
	err := db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(ctx context.Context, tx bun.Tx) error {
		c := checker{tx: tx, scope: scope, checked: &checked, report: report}
		if scope != (CheckScope{}) {
			if _, err := FindReport(ctx, tx, scope.CycleID, scope.ReportID); err != nil {
				return err
			}
		}
		for _, check := range []func(context.Context) error{c.fields, c.signatures, c.counts, c.history} {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return checked, err
}

type checker struct {
	tx      bun.Tx
	scope   CheckScope
	checked *Checked
	report  func(CheckFinding)
}

func (c checker) found(kind CheckKind, table, row, problem string) {
	c.checked.Findings++
	c.report(CheckFinding{Kind: kind, Table: table, Row: row, Problem: problem})
}

// foundRows reports what the query selects: the row's key, and what is wrong with it.
func (c checker) foundRows(ctx context.Context, kind CheckKind, table, query string, args ...any) error {
	rows, err := c.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("check of %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, problem string
		if err := rows.Scan(&row, &problem); err != nil {
			return fmt.Errorf("check of %s: %w", table, err)
		}
		c.found(kind, table, row, problem)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("check of %s: %w", table, err)
	}
	return nil
}

// touched are the mappings that a finished job has written. One that failed or was cancelled is as it was before.
const touched = `from pde_mappings m where ? and exists (
	select from job_items i join jobs j on j.id = i.job_id
	where i.mapping_id = m.id and i.outcome in ('succeeded', 'skipped') and j.ended_at is not null)`

// fields counts what is set in the mappings that finished jobs have touched, and names those in which something is not.
func (c checker) fields(ctx context.Context) error {
	names := SavedFields()
	var counts, missing []string
	for _, name := range names {
		counts = append(counts, "count(nullif(btrim(m."+name+"::text), ''))")
		missing = append(missing, "case when nullif(btrim(m."+name+"::text), '') is null then '"+name+"' end")
	}
	mine := c.scope.within("m.cycle_id = ?0 and m.report_id = ?1")
	set := make([]int64, len(names))
	into := []any{&c.checked.Rows}
	for i := range set {
		into = append(into, &set[i])
	}
	if err := c.tx.NewRaw("select count(*), "+strings.Join(counts, ", ")+" "+touched, mine).Scan(ctx, into...); err != nil {
		return fmt.Errorf("check of pde_mappings: %w", err)
	}
	whole := true
	for i, name := range names {
		count := FieldCount{Field: name, Set: set[i], Unset: c.checked.Rows - set[i]}
		c.checked.Fields = append(c.checked.Fields, count)
		whole = whole && count.Unset == 0
	}
	if whole {
		return nil
	}
	return c.foundRows(ctx, CheckUnset, "pde_mappings", `select id, 'not set, though a finished job has touched the row: ' || fields from (
		select m.id, array_to_string(array[`+strings.Join(missing, ", ")+`], ', ') as fields `+touched+`) m where fields <> '' order by id`, mine)
}

// signedTable is a table whose rows say when and by whom they were written.
type signedTable struct {
	name string
	// key names a row, and within says which rows are of the report ?0, ?1; both of the table as t.
	key, within string
}

// signedTables are all of them. A test compares them with the database.
func signedTables() []signedTable {
	const (
		ofReport  = "t.cycle_id = ?0 and t.report_id = ?1"
		ofSource  = "t.data_source_id in (select id from data_sources where cycle_id = ?0 and report_id = ?1)"
		ofMapping = "t.mapping_id in (select id from pde_mappings where cycle_id = ?0 and report_id = ?1)"
		ofJob     = "t.job_id in (select id from jobs where cycle_id = ?0 and report_id = ?1)"
	)
	return []signedTable{
		{"reports", "t.cycle_id || '/' || t.report_id", ofReport},
		{"attributes", "t.id", ofReport},
		{"data_sources", "t.id", ofReport},
		{"source_columns", "t.id", ofSource},
		{"pde_mappings", "t.id", ofReport},
		{"jobs", "t.id", ofReport},
		{"job_intents", "t.job_id || '/' || t.version", ofJob},
		{"idempotency_keys", "t.caller || '/' || t.key", ofJob},
		{"job_items", "t.job_id || '/' || t.mapping_id", ofJob},
		{"job_status", "t.job_id", ofJob},
		{"classification_history", "t.id", ofMapping},
		{"audit_log", "t.seq::text", ofReport},
	}
}

// signatures finds rows that do not say when or by whom they were written.
func (c checker) signatures(ctx context.Context) error {
	for _, table := range signedTables() {
		err := c.foundRows(ctx, CheckUnsigned, table.name, `select coalesce(`+table.key+`, ''), case
			when t.updated_at is not null then 'updated_by is not set'
			when coalesce(btrim(t.updated_by), '') <> '' then 'updated_at is not set'
			else 'updated_at and updated_by are not set' end
			from ? t where ? and (t.updated_at is null or coalesce(btrim(t.updated_by), '') = '') order by 1`,
			bun.Ident(table.name), c.scope.within(table.within))
		if err != nil {
			return err
		}
	}
	return nil
}

// jobPage is how many jobs are read at once.
const jobPage = 200

// counts compares the status of every job, its row and its items.
func (c checker) counts(ctx context.Context) error {
	for before := ""; ; {
		jobs, err := ListJobs(ctx, c.tx, JobFilter{CycleID: c.scope.CycleID, ReportID: c.scope.ReportID}, before, jobPage)
		if err != nil {
			return err
		}
		for _, job := range jobs {
			if err := c.job(ctx, job); err != nil {
				return err
			}
			c.checked.Jobs++
			before = job.ID
		}
		if len(jobs) < jobPage {
			return nil
		}
	}
}

// itemCounts are the items of a job, in all and those that have no outcome.
type itemCounts struct {
	Counts
	Items  int64 `bun:"items"`
	Queued int64 `bun:"queued"`
}

func (c checker) job(ctx context.Context, job Job) error {
	var items itemCounts
	err := c.tx.NewRaw(countItems+`, count(*) as items, count(*) filter (where outcome is null) as queued from (
		select outcome, information_security_classification as tier, input_tokens, output_tokens, cost_usd, ended_at
		from job_items where job_id = ?) items`, job.ID).Scan(ctx, &items)
	if err != nil {
		return fmt.Errorf("items of job %s: %w", job.ID, err)
	}
	folded, err := countFolded(ctx, c.tx, job.ID)
	if err != nil {
		return err
	}
	if items.Items != job.Listed {
		c.found(CheckCounts, "jobs", job.ID, fmt.Sprintf("listed is %d, and the job has %d items", job.Listed, items.Items))
	}
	var kept JobStatus
	err = c.tx.NewSelect().Model(&kept).Where("job_id = ?", job.ID).Scan(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows) && !job.EndedAt.IsZero():
		c.found(CheckCounts, "job_status", job.ID, "the job has ended and has no status; pdeflow rebuild computes it from the items")
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("status of job %s: %w", job.ID, err)
	}
	for _, problem := range disagreements(job, kept, items, folded) {
		c.found(CheckCounts, "job_status", job.ID, problem)
	}
	return nil
}

// disagreements says where the status that is kept of a job is not what its items say. While the job is active, its status may lag
// behind the items, but it has counted those, and only those, that are marked as counted.
func disagreements(job Job, kept JobStatus, items itemCounts, folded Counts) []string {
	var problems []string
	differ := func(what string, said, is int64) {
		if said != is {
			problems = append(problems, fmt.Sprintf("%s is %d, and the items say %d", what, said, is))
		}
	}
	counted := folded
	if !job.EndedAt.IsZero() {
		counted = items.Counts
		differ("total_steps", kept.TotalSteps, items.Items)
		if want := statusFrom(job, counted); kept.Status != want && items.Queued == 0 && items.Items == job.Listed {
			problems = append(problems, fmt.Sprintf("status is %s, and the items say %s", kept.Status, want))
		}
		if items.Queued > 0 {
			problems = append(problems, fmt.Sprintf("the job has ended, and %s of it are still queued", mappings(items.Queued)))
		}
		if uncounted := items.Completed() - folded.Completed(); uncounted > 0 {
			problems = append(problems, fmt.Sprintf("the job has ended, and %s of it are not counted", mappings(uncounted)))
		}
	} else if kept.Status.Final() {
		problems = append(problems, fmt.Sprintf("status is %s, and the job has not ended", kept.Status))
	}
	differ("completed_steps", kept.CompletedSteps, counted.Completed())
	differ("succeeded", kept.Succeeded, counted.Succeeded)
	differ("skipped", kept.Skipped, counted.Skipped)
	differ("failed", kept.Failed, counted.Failed)
	differ("cancelled", kept.Cancelled, counted.Cancelled)
	differ("hrci", kept.HRCI, counted.HRCI)
	differ("confidential", kept.Confidential, counted.Confidential)
	differ("proprietary", kept.Proprietary, counted.Proprietary)
	differ("public", kept.Public, counted.Public)
	differ("input_tokens", kept.InputTokens, counted.InputTokens)
	differ("output_tokens", kept.OutputTokens, counted.OutputTokens)
	return problems
}

// history finds mappings that a job has written without exactly one entry of it in their history, and entries of jobs that wrote nothing.
func (c checker) history(ctx context.Context) error {
	const scope = "j.cycle_id = ?0 and j.report_id = ?1"
	err := c.foundRows(ctx, CheckHistory, "job_items", `select i.job_id || '/' || i.mapping_id,
			case h.entries when 0 then 'the item ' || i.outcome || ', and the history of the mapping does not have it'
				else 'the history of the mapping has it ' || h.entries || ' times' end
		from job_items i join jobs j on j.id = i.job_id
			cross join lateral (select count(*) as entries from classification_history h where h.job_id = i.job_id and h.mapping_id = i.mapping_id) h
		where ? and i.outcome in ('succeeded', 'skipped') and h.entries <> 1 order by 1`, c.scope.within(scope))
	if err != nil {
		return err
	}
	return c.foundRows(ctx, CheckHistory, "classification_history", `select h.id,
			'the entry is of a job that has not written the mapping: its item is ' || coalesce(i.outcome, 'queued or not there')
		from classification_history h left join job_items i on i.job_id = h.job_id and i.mapping_id = h.mapping_id
			left join jobs j on j.id = h.job_id
		where ? and h.job_id is not null and coalesce(i.outcome, '') not in ('succeeded', 'skipped') order by 1`, c.scope.within(scope))
}

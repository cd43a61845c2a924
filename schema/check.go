package schema

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// CheckScope limits [Check] to one report. The zero value covers everything.
type CheckScope struct{ CycleID, ReportID string }

// within returns an SQL condition that limits a query to the scope. It is true if the scope covers everything.
// In the condition, ?0 and ?1 are the ids of the cycle and the report.
func (s CheckScope) within(condition string) any {
	if s == (CheckScope{}) || condition == "true" { // bun warns about arguments without a placeholder
		return bun.SafeQuery("true")
	}
	return bun.SafeQuery(condition, s.CycleID, s.ReportID)
}

// CheckKind is the kind of a [CheckFinding].
type CheckKind string

const (
	// CheckKindUnset means that a field which a finished job saves is not set in a mapping that it wrote.
	CheckKindUnset CheckKind = "unset"
	// CheckKindUnsigned means that a row lacks updated_at or updated_by.
	CheckKindUnsigned CheckKind = "unsigned"
	// CheckKindCounts means that the status, the row and the items of a job disagree.
	CheckKindCounts CheckKind = "counts"
	// CheckKindHistory means that the history of a mapping does not have exactly one entry of each job that
	// wrote the mapping.
	CheckKindHistory CheckKind = "history"
	// CheckKindDecision means that the history does not have the last change of a mapping, that the reviewer of a
	// mapping was the last to edit it, that a mapping of several columns has no rule, or that a change has not been
	// published for a minute.
	CheckKindDecision CheckKind = "decision"
)

// CheckFinding is one problem in the row with this key.
type CheckFinding struct {
	Kind       CheckKind
	Table, Row string
	Problem    string
}

// FieldCount is the number of rows in which a field is set, and in which it is not.
type FieldCount struct {
	Field      string
	Set, Unset int64
}

// CheckResult counts the checked rows and jobs, and the findings.
type CheckResult struct {
	// Rows is the number of mappings that finished jobs have written. Fields counts the set fields of these.
	Rows   int64
	Fields []FieldCount
	Jobs   int64
	// Findings is the number of reported problems.
	Findings int64
}

// SavedFields returns the columns of a mapping that every job sets, whether or not a person has confirmed the
// mapping.
func SavedFields() []string {
	return []string{
		"information_security_classification", "criticality", "risk_level", "regulatory_flag", "pii_flag",
		"confidence_score", "mapping_rationale", "classification_confidence", "classification_rationale",
		"classified_by", "updated_at", "updated_by",
	}
}

// Progress receives the progress of a phase of [Check] or of the verification of the audit log. Each phase
// reports at least once, at its start. Total is an estimate; it is 0 if unknown.
type Progress func(phase string, done, total int64)

// Check compares the stored rows with what finished jobs must have written, and calls report for each problem. It
// returns [ErrNotFound] if the scope is a report that does not exist.
//
// It reads keyset pages, each in a statement with its own snapshot. A snapshot that lives as long as the whole check
// would keep vacuum from removing dead rows, which slows down running jobs. Rows that have to agree are read by the
// same statement.
func Check(
	ctx context.Context, db *DB, scope CheckScope, report func(CheckFinding), progress Progress,
) (CheckResult, error) {
	c := checker{db: db, scope: scope, report: report, progress: progress}
	if scope != (CheckScope{}) {
		if _, err := GetReport(ctx, db, scope.CycleID, scope.ReportID); err != nil {
			return c.checked, err
		}
	}
	checks := []func(context.Context) error{c.checkFields, c.checkSignatures, c.checkDecisions, c.checkJobs}
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return c.checked, err
		}
	}
	return c.checked, nil
}

// checkPage is the number of rows per statement.
const checkPage = 2000

type checker struct {
	db       *DB
	scope    CheckScope
	checked  CheckResult
	report   func(CheckFinding)
	progress Progress
}

func (c *checker) found(kind CheckKind, table, row, problem string) {
	c.checked.Findings++
	c.report(CheckFinding{Kind: kind, Table: table, Row: row, Problem: problem})
}

// foundRows reports a finding for each row of the query. The query returns the columns table_name, key and
// problem.
func (c *checker) foundRows(ctx context.Context, kind CheckKind, query string, args ...any) error {
	var found []struct {
		Table   string `bun:"table_name"`
		Row     string `bun:"key"`
		Problem string `bun:"problem"`
	}
	if err := c.db.NewRaw(query, args...).Scan(ctx, &found); err != nil {
		return fmt.Errorf("check %s: %w", kind, err)
	}
	for _, f := range found {
		c.found(kind, f.Table, f.Row, f.Problem)
	}
	return nil
}

// rowProblems is the value of an SQL aggregate: a JSON array of keys, each with its problem.
type rowProblems [][2]string

// Scan implements [sql.Scanner].
func (p *rowProblems) Scan(value any) error {
	switch value := value.(type) {
	case []byte:
		return json.Unmarshal(value, p)
	case string:
		return json.Unmarshal([]byte(value), p)
	default:
		return fmt.Errorf("problems of rows: unexpected %T", value)
	}
}

// checkFields counts the set fields of the mappings that finished jobs have written, and reports each mapping that
// lacks some. A mapping that failed or was cancelled was not written. The jobs of a mapping are found by its history
// and, in case that is incomplete, by its updated_by.
func (c *checker) checkFields(ctx context.Context) error {
	names := SavedFields()
	var counts, missing []string
	for _, name := range names {
		c.checked.Fields = append(c.checked.Fields, FieldCount{Field: name})
		counts = append(counts, "count(nullif(btrim("+name+"::text), '')) filter (where touched)")
		missing = append(missing, "case when nullif(btrim("+name+"::text), '') is null then '"+name+"' end")
	}
	query := `select count(*), coalesce(max(id), ''), count(*) filter (where touched), ` +
		strings.Join(counts, ", ") + `, coalesce(json_agg(json_build_array(id,
			'not set, although a finished job wrote the row: ' || fields) order by id)
			filter (where touched and fields <> ''), '[]')
		from (select *, array_to_string(array[` + strings.Join(missing, ", ") + `], ', ') as fields,
			(select true from (
					select h.job_id from classification_history h where h.mapping_id = m.id
					union all select substr(m.updated_by, length('` + JobAuthor("") + `') + 1)
				) writer
				join job_items i on i.job_id = writer.job_id and i.mapping_id = m.id
				join jobs j on j.id = i.job_id
				where i.outcome in ('succeeded', 'skipped') and j.ended_at is not null limit 1) is true as touched
			from pde_mappings m where ?0 and m.id > ?1 order by m.id limit ?2) m`
	var total int64
	err := c.db.NewRaw("select coalesce(sum(mapping_count), 0)::bigint from reports where ?",
		c.scope.within("cycle_id = ?0 and report_id = ?1")).Scan(ctx, &total)
	if err != nil {
		return fmt.Errorf("check %s: %w", CheckKindUnset, err)
	}
	for done, last := int64(0), ""; ; {
		c.progress.report("mappings", done, total)
		var (
			rows, touched int64
			unset         rowProblems
		)
		set := make([]int64, len(names))
		into := []any{&rows, &last, &touched}
		for i := range set {
			into = append(into, &set[i])
		}
		err := c.db.NewRaw(query, c.scope.within("m.cycle_id = ?0 and m.report_id = ?1"), last, checkPage).
			Scan(ctx, append(into, &unset)...)
		if err != nil {
			return fmt.Errorf("check %s: %w", CheckKindUnset, err)
		}
		c.checked.Rows += touched
		for i := range set {
			c.checked.Fields[i].Set += set[i]
			c.checked.Fields[i].Unset += touched - set[i]
		}
		for _, row := range unset {
			c.found(CheckKindUnset, "pde_mappings", row[0], row[1])
		}
		if done += rows; rows < checkPage {
			return nil
		}
	}
}

// signedTable is a table with the columns updated_at and updated_by.
type signedTable struct {
	name string
	// key is an expression that names a row of the table t.
	key string
	// order is the expression by which pages are read, and first sorts before every value of it. It is empty for the
	// tables that are read with their job.
	order, first string
	// within is the condition for the rows of the report ?0, ?1.
	within string
	// only is the condition for the rows that do not belong to a job. The others are read with their job.
	only string
}

// signedTables returns all tables with these columns; a test compares the list with the database.
func signedTables() []signedTable {
	const (
		ofReport  = "t.cycle_id = ?0 and t.report_id = ?1"
		ofSource  = "t.data_source_id in (select id from data_sources where cycle_id = ?0 and report_id = ?1)"
		ofMapping = "t.mapping_id in (select id from pde_mappings where cycle_id = ?0 and report_id = ?1" +
			" union all select mapping_id from removed_mappings where cycle_id = ?0 and report_id = ?1)"
		byReport = "t.cycle_id || '/' || t.report_id"
		anywhere = "true" // the audit log is one chain, whatever the report
	)
	return []signedTable{
		{name: "reports", key: byReport, order: byReport, within: ofReport},
		{name: "auto_approvals", key: byReport, order: byReport, within: ofReport},
		{name: "attributes", key: "t.id", order: "t.id", within: ofReport},
		{name: "data_sources", key: "t.id", order: "t.id", within: ofReport},
		{name: "source_columns", key: "t.id", order: "t.id", within: ofSource},
		{name: "pde_mappings", key: "t.id", order: "t.id", within: ofReport},
		{name: "removed_mappings", key: "t.mapping_id", order: "t.mapping_id", within: ofReport},
		{name: "classification_history", key: "t.id", order: "t.id", within: ofMapping, only: "t.job_id is null"},
		{name: "model_calls", key: "t.id", order: "t.id", within: ofMapping},
		{name: "planning_changes", key: "t.id", order: "t.id", within: ofReport},
		{name: "audit_log", key: "t.seq::text", order: "t.seq", first: "0", within: anywhere},
		{name: "jobs", key: "t.id"},
		{name: "job_intents", key: "t.job_id || '/' || t.version"},
		{name: "idempotency_keys", key: "t.caller || '/' || t.key"},
		{name: "job_items", key: "t.job_id || '/' || t.mapping_id"},
		{name: "job_status", key: "t.job_id"},
	}
}

const (
	unsignedRow = "(t.updated_at is null or coalesce(btrim(t.updated_by), '') = '')"
	// unsignedProblem describes such a row.
	unsignedProblem = `case when t.updated_at is not null then 'updated_by is not set'
		when coalesce(btrim(t.updated_by), '') <> '' then 'updated_at is not set'
		else 'updated_at and updated_by are not set' end`
)

// checkSignatures reports rows without updated_at or updated_by, except those that [checker.checkJobs] reads.
func (c *checker) checkSignatures(ctx context.Context) error {
	var done int64
	for _, table := range signedTables() {
		if table.order == "" {
			continue
		}
		wanted := cmp.Or(table.only, "true")
		for last := table.first; ; {
			c.progress.report("signatures", done, 0)
			var (
				rows     int64
				unsigned rowProblems
			)
			err := c.db.NewRaw(`select count(*), coalesce(max(place)::text, ''),
				coalesce(json_agg(json_build_array(key, problem) order by place)
					filter (where problem is not null), '[]')
				from (select `+table.order+` as place, coalesce(`+table.key+`, '') as key,
					case when `+unsignedRow+` then `+unsignedProblem+` end as problem
					from ?0 t where ?1 and `+wanted+` and `+table.order+` > ?2 order by place limit ?3) t`,
				bun.Ident(table.name), c.scope.within(table.within), last, checkPage).Scan(ctx, &rows, &last, &unsigned)
			if err != nil {
				return fmt.Errorf("check %s of %s: %w", CheckKindUnsigned, table.name, err)
			}
			for _, row := range unsigned {
				c.found(CheckKindUnsigned, table.name, row[0], row[1])
			}
			if done += rows; rows < checkPage {
				break
			}
		}
	}
	return nil
}

func (p Progress) report(phase string, done, total int64) {
	if p != nil {
		p(phase, done, total)
	}
}

package schema

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Work is what the classifier needs to process one message: the item, the settings and the intent of its job,
// the mapping, and its attribute. All of it is read in one statement.
type Work struct {
	Item Item `bun:"embed:item__"`
	// Due reports whether the item may be processed: it need not wait, or its wait is over.
	Due bool `bun:"due"`
	// Crashes reports that the mappings of this job crash the process: [PoisonLimit] items are poison, and
	// none has succeeded or was skipped.
	Crashes    bool           `bun:"crashes"`
	JobType    JobType        `bun:"job_type"`
	Classifier ClassifierKind `bun:"classifier"`
	// Force classifies a mapping even if nothing has changed since the last job.
	Force bool `bun:"force"`
	// MaxCostUSD is the cost at which the job pauses; zero if it has no limit.
	MaxCostUSD USD `bun:"max_cost_usd"`
	// ProviderWait is that of the job; see [UpdateProviderWait].
	ProviderWait string    `bun:"provider_wait"`
	Intent       Intent    `bun:"intent"`
	CycleID      string    `bun:"cycle_id"`
	ReportID     string    `bun:"report_id"`
	Mapping      Mapping   `bun:"embed:mapping__"`
	Attribute    Attribute `bun:"embed:attribute__"`
	// AutoApproval is the rule of the report; the zero value, which approves nothing, if none was set.
	AutoApproval AutoApproval `bun:"embed:auto_approval__"`
}

// PoisonLimit is the number of poison items from which on the job, not the single item, is taken to be the
// cause.
const PoisonLimit = 3

// jobCrashes is the SQL expression of Work.Crashes. Its first part reads a few entries of job_items_poison,
// which is usually empty.
var jobCrashes = fmt.Sprintf(`(select count(*) = %d
	from (select from job_items p where p.job_id = i.job_id and p.outcome in ('failed', 'cancelled')
	and p.error_code = 'poison' limit %d) poison)
	and not exists (select from job_status s where s.job_id = i.job_id
		and s.succeeded + s.skipped > 0) as crashes`, PoisonLimit, PoisonLimit)

// GetWork reads the work for one item. It returns [ErrNotFound] if the job has no such item, and
// [ErrMalformed] if one of the rows cannot be decoded.
func GetWork(ctx context.Context, db *DB, jobID, mappingID string) (Work, error) {
	var work Work
	rows, err := db.DB.DB.QueryContext(ctx, db.readWork, pgx.QueryExecModeCacheStatement, jobID, mappingID)
	if err != nil {
		return work, fmt.Errorf("read work: %w", err)
	}
	defer rows.Close()
	if err := db.ScanRows(ctx, rows, &work); err != nil {
		if rows.Err() == nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrMalformed, err) // the row was read but cannot be decoded
		}
		return work, fmt.Errorf("read work: %w", err)
	}
	if err := rows.Err(); err != nil {
		return work, fmt.Errorf("read work: %w", err)
	}
	if work.Item.JobID == "" {
		return work, fmt.Errorf("item of job %s and mapping %s: %w", jobID, mappingID, ErrNotFound)
	}
	return work, nil
}

func getWorkSQL(db *bun.DB) string {
	columns := []string{
		isDue + " as due", jobCrashes, "j.job_type", "j.classifier", "j.force", "j.max_cost_usd",
		"j.provider_wait", "j.intent", "j.cycle_id", "j.report_id",
	}
	columns = append(columns, prefixed[Item](db, "i", "item__")...)
	columns = append(columns, prefixed[Mapping](db, "m", "mapping__")...)
	columns = append(columns, prefixed[Attribute](db, "a", "attribute__")...)
	columns = append(columns, prefixed[AutoApproval](db, "r", "auto_approval__")...)
	return "select " + strings.Join(columns, ", ") + `
from job_items i
join jobs j on j.id = i.job_id
join pde_mappings m on m.id = i.mapping_id
join attributes a on a.id = m.attribute_id
left join auto_approvals r on r.cycle_id = j.cycle_id and r.report_id = j.report_id
where i.job_id = $1 and i.mapping_id = $2`
}

// prefixed returns the columns of a row for a select list, with a prefix for each name so that several rows
// fit into one result.
func prefixed[T any](db bun.IDB, alias, prefix string) []string {
	var columns []string
	for _, field := range db.Dialect().Tables().Get(reflect.TypeFor[T]()).Fields {
		columns = append(columns, alias+"."+field.Name+" as "+prefix+field.Name)
	}
	return columns
}

// ItemResult is the result of one attempt to process an item.
type ItemResult struct {
	Outcome Outcome
	Code    ErrorCode
	Error   string
	Attempt int
	// Classifier is the name of the classifier, as in classified_by.
	Classifier string
	Usage      Usage
	Duration   time.Duration
	// Comment is the comment of the row in the history.
	Comment string
}

// stillQueued is the condition "outcome is null" for an item that is found by its key. It is written so that
// the planner cannot use the index job_items_queued: in a table that was never analyzed, that index seems as
// good as the primary key, and then every write of an item reads the whole queue of its job. In a job of
// 30,000 a write takes 68 ms instead of 3 ms until autovacuum analyzes the table.
const stillQueued = "coalesce(outcome, '') = ''"

// saveWork writes one mapping in one statement. Each step depends on the previous one: if the row has changed
// since it was read, it is not locked, so nothing else is written. The clock is read after the lock, so that
// the times in a row never go backwards.
var saveWork = saveWorkSQL()

// saveWorkParameters is the number of parameters of saveWork before those of the mapping columns.
const saveWorkParameters = 17

func saveWorkSQL() string {
	var sets []string
	tier := ""
	for _, c := range mappingColumns {
		if !c.job {
			continue
		}
		parameter := fmt.Sprintf("$%d", saveWorkParameters+len(sets)+1)
		if c.name == "information_security_classification" {
			tier = parameter
		}
		value := parameter + "::" + c.sqlType
		if c.name == "reviewed_at" {
			value = "case when $16 then clock.now else " + value + " end"
		}
		sets = append(sets, c.name+" = "+value)
	}
	return `with ` + lockTimeout + `, locked as materialized (
  select m.id from lock_timeout, pde_mappings m where lock_timeout.is_set <> '' and m.id = $1 and m.version = $2
    for no key update of m
), clock as materialized (
  select clock_timestamp() as now from locked
), mapping as (
  update pde_mappings m set ` + strings.Join(sets, ", ") + `,
    version = m.version + 1, updated_at = clock.now, updated_by = $4
  from clock where m.id = $1
  returning m.id, clock.now
), item as (
  update job_items i set
    outcome = $6, attempt = $7, error_code = $8, classifier = $9, input_tokens = $10, output_tokens = $11,
    cost_usd = $12, duration_ms = $13, information_security_classification = ` + tier + `, error = null,
    waiting_for = null, starts = 0,
    ended_at = mapping.now, updated_at = mapping.now, updated_by = $4
  from mapping where i.job_id = $3 and i.mapping_id = mapping.id and ` + stillQueued + `
  returning i.mapping_id, mapping.now
), history as (
  insert into classification_history
    (id, mapping_id, job_id, changed_at, changed_by, before, after, comment,
      created_at, created_by, updated_at, updated_by)
  select $5, item.mapping_id, $3, item.now, $4, $14,
    case when $16 then ($15::jsonb || jsonb_build_object('reviewed_at', item.now))::json else $15::json end, $17,
    item.now, $4, item.now, $4
  from item
  returning 1
)
select count(*) from history`
}

// SaveWork writes the result of a job for one mapping: the mapping's fields, the item's outcome and a history
// row. It writes all of them or none. If after has a reviewer but no time of the review, the review gets the time of
// the transaction. It returns false if the mapping does not have the version of before any
// more, or if the item is not queued any more. The caller must then roll the transaction back and read
// everything again.
func SaveWork(
	ctx context.Context, tx bun.Tx, jobID string, before, after Mapping, s ItemResult,
) (saved bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("history id: %w", err)
	}
	after.Version = before.Version + 1
	approves := after.ReviewedBy != "" && after.ReviewedAt.IsZero()
	imageBefore, err := changedText(before, after, approves)
	if err != nil {
		return false, err
	}
	imageAfter, err := imageText(after)
	if err != nil {
		return false, err
	}
	args := append(make([]any, 0, 1+saveWorkParameters+len(mappingColumns)), pgx.QueryExecModeCacheStatement,
		before.ID, before.Version, jobID, JobAuthor(jobID), id.String(),
		string(s.Outcome), s.Attempt, nullString(s.Code), nullString(s.Classifier),
		s.Usage.InputTokens, s.Usage.OutputTokens, s.Usage.CostUSD, s.Duration.Milliseconds(), imageBefore, imageAfter,
		approves, nullString(s.Comment))
	for i := range mappingColumns {
		c := &mappingColumns[i]
		if !c.job {
			continue
		}
		value, err := c.value(&after)
		if err != nil {
			return false, err
		}
		args = append(args, value)
	}
	var n int
	if err := tx.Tx.QueryRowContext(ctx, saveWork, args...).Scan(&n); err != nil {
		return false, fmt.Errorf("save mapping %s: %w", before.ID, err)
	}
	return n == 1, nil
}

// skipWork ends an item without a change of its mapping, if the mapping still has the version.
var skipWork = `with ` + lockTimeout + `, locked as materialized (
  select m.id, m.information_security_classification from lock_timeout, pde_mappings m
  where lock_timeout.is_set <> '' and m.id = $2 and m.version = $3 for key share of m
), clock as materialized (
  select clock_timestamp() as now from locked
)
update job_items i set
  outcome = $5, attempt = $6, error_code = $7, classifier = $8, duration_ms = $9, error = null, waiting_for = null,
  information_security_classification = locked.information_security_classification, starts = 0,
  ended_at = clock.now, updated_at = clock.now, updated_by = $4
from clock, locked where i.job_id = $1 and i.mapping_id = locked.id and ` + stillQueued

// SkipWork ends an item whose mapping the job does not change. It returns false in the same cases as [SaveWork].
func SkipWork(ctx context.Context, tx bun.Tx, jobID string, m Mapping, s ItemResult) (saved bool, err error) {
	result, err := tx.Tx.ExecContext(ctx, skipWork, pgx.QueryExecModeCacheStatement, jobID, m.ID, m.Version,
		JobAuthor(jobID), string(s.Outcome), s.Attempt, string(s.Code), nullString(s.Classifier),
		s.Duration.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("skip mapping %s: %w", m.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("skip mapping %s: %w", m.ID, err)
	}
	return n == 1, nil
}

// ListUnlistedWork returns at most limit mappings after the one with this id that a job would work on, without items.
// For a job of the rules lane, these are only the mappings of which a job has recorded the input: the others are not
// unchanged, and cost nothing.
func ListUnlistedWork(ctx context.Context, db *DB, job Job, afterID string, limit int) ([]Work, error) {
	columns := prefixed[Mapping](db.DB, "m", "mapping__")
	columns = append(columns, prefixed[Attribute](db.DB, "a", "attribute__")...)
	query := db.NewSelect().ColumnExpr(strings.Join(columns, ", ")).
		TableExpr("pde_mappings m").Join("join attributes a on a.id = m.attribute_id").
		Where("m.cycle_id = ? and m.report_id = ? and m.id > ?", job.CycleID, job.ReportID, afterID).
		OrderExpr("m.id").Limit(int64(limit))
	if job.Classifier == ClassifierRules {
		query = query.Where("m.input_hash is not null")
	}
	switch job.Scope {
	case ScopeUnmapped:
		query = query.Where("m.source_field is null")
	case ScopeSelected:
		query = query.Where("m.id = any(?)", pgdialect.Array(job.MappingIDs))
	case ScopeAll, ScopeRetry:
	}
	var works []Work
	if err := query.Scan(ctx, &works); err != nil {
		return nil, fmt.Errorf("work of report %s: %w", job.ReportID, err)
	}
	for i := range works {
		works[i].JobType, works[i].Classifier, works[i].Force = job.JobType, job.Classifier, job.Force
		works[i].CycleID, works[i].ReportID = job.CycleID, job.ReportID
	}
	return works, nil
}

// nullString returns null for an empty text.
func nullString[T ~string](text T) sql.NullString {
	return sql.NullString{String: string(text), Valid: text != ""}
}

// lockQueued locks an item that is still queued, and then reads the clock.
const lockQueued = `with ` + lockTimeout + `, locked as materialized (
		select q.job_id, q.mapping_id from lock_timeout, job_items q
		where lock_timeout.is_set <> '' and q.job_id = ? and q.mapping_id = ? and ` + stillQueued + `
		for no key update of q
	), clock as materialized (
		select job_id, mapping_id, clock_timestamp() as now from locked
	)
	`

// PostponeItem records a failed attempt: the item stays queued and is due again after wait. It returns the due
// time. It returns [ErrNotFound] if the item is not queued or not due any more, or if s.Attempt is not its
// next attempt.
func PostponeItem(
	ctx context.Context, tx bun.IDB, jobID, mappingID string, s ItemResult, wait time.Duration,
) (due time.Time, err error) {
	err = tx.NewRaw(lockQueued+`update job_items i set attempt = ?, error_code = ?, error = ?,
		due_at = clock.now + ? * interval '1 millisecond',
		waiting_for = null, starts = 0, duration_ms = ?, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id and i.attempt = ?
			and `+isDue+` returning i.due_at`,
		jobID, mappingID, s.Attempt, s.Code, ErrorText(s.Error), wait.Milliseconds(), s.Duration.Milliseconds(),
		JobAuthor(jobID), s.Attempt-1).
		Scan(ctx, &due)
	if err != nil {
		return due, notFound(err, "queued item of mapping "+mappingID)
	}
	return due, nil
}

// FailItem ends an item as failed. The mapping is not changed. It does nothing if the item is not queued any
// more.
func FailItem(ctx context.Context, tx bun.IDB, jobID, mappingID string, s ItemResult) error {
	_, err := tx.NewRaw(lockQueued+`update job_items i set outcome = ?, attempt = ?, error_code = ?, error = ?,
		classifier = ?, input_tokens = ?, output_tokens = ?, cost_usd = ?, waiting_for = null, duration_ms = ?,
		ended_at = clock.now, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id`,
		jobID, mappingID, OutcomeFailed, s.Attempt, s.Code, ErrorText(s.Error), nullString(s.Classifier),
		s.Usage.InputTokens, s.Usage.OutputTokens, s.Usage.CostUSD, s.Duration.Milliseconds(),
		JobAuthor(jobID)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("fail item %s: %w", mappingID, err)
	}
	return nil
}

// MarkStart counts a start of a queued item before the classifier runs, and returns the number of starts. A
// start that [ClearStarts] does not clear is evidence that the process died while it classified the mapping.
// MarkStart returns [ErrNotFound] if the item is not queued any more.
func MarkStart(ctx context.Context, tx bun.IDB, jobID, mappingID string) (starts int, err error) {
	err = tx.NewRaw(lockQueued+`update job_items i set starts = starts + 1, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id returning i.starts`,
		jobID, mappingID, JobAuthor(jobID)).Scan(ctx, &starts)
	if err != nil {
		return 0, notFound(err, "queued item of mapping "+mappingID)
	}
	return starts, nil
}

// ClearStarts clears the count of [MarkStart], after the classifier has returned. It does nothing if the item
// has an outcome.
func ClearStarts(ctx context.Context, tx bun.IDB, jobID, mappingID string) error {
	_, err := tx.NewRaw(lockQueued+`update job_items i set starts = 0, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id`,
		jobID, mappingID, JobAuthor(jobID)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("clear the starts of mapping %s: %w", mappingID, err)
	}
	return nil
}

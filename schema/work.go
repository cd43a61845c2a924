package schema

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
)

// Work is what the classifier needs to know about one message: the item, what is wanted of its job, the mapping and its attribute, all
// as the rows stand at one moment.
type Work struct {
	Item Item `bun:"embed:item__"`
	// Due reports whether the item may be worked on: its wait is over, or it waits for nothing.
	Due bool `bun:"due"`
	// Breaks reports that judging this job's mappings ends the process: [PoisonLimit] items are poison, and none has succeeded.
	Breaks    bool           `bun:"breaks"`
	JobType   JobType        `bun:"job_type"`
	Kind      ClassifierKind `bun:"classifier"`
	Intent    Intent         `bun:"intent"`
	CycleID   string         `bun:"cycle_id"`
	ReportID  string         `bun:"report_id"`
	Mapping   Mapping        `bun:"embed:mapping__"`
	Attribute Attribute      `bun:"embed:attribute__"`
}

// PoisonLimit is how many poison items show that the cause is their job, and not each of them.
const PoisonLimit = 3

// jobBreaks is the condition of Work.Breaks. Its first part reads a few entries of job_items_poison, which is mostly empty.
var jobBreaks = fmt.Sprintf(`(select count(*) = %d from (select from job_items p where p.job_id = i.job_id and p.outcome in ('failed', 'cancelled')
	and p.error_code = 'poison' limit %d) poison)
	and not exists (select from job_status s where s.job_id = i.job_id and s.succeeded + s.skipped > 0) as breaks`, PoisonLimit, PoisonLimit)

// ReadWork reads the work that a message names. It returns [ErrNotFound] where the job has no such item, and
// [ErrMalformed] if a row of it cannot be read.
func ReadWork(ctx context.Context, db *DB, jobID, mappingID string) (Work, error) {
	var work Work
	rows, err := db.DB.DB.QueryContext(ctx, db.readWork, pgx.QueryExecModeCacheStatement, jobID, mappingID)
	if err != nil {
		return work, fmt.Errorf("read work: %w", err)
	}
	defer rows.Close()
	if err := db.ScanRows(ctx, rows, &work); err != nil {
		if rows.Err() == nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrMalformed, err) // the row is there, and does not fit
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

func readWorkSQL(db *bun.DB) string {
	columns := []string{isDue + " as due", jobBreaks, "j.job_type", "j.classifier", "j.intent", "j.cycle_id", "j.report_id"}
	columns = append(columns, prefixed[Item](db, "i", "item__")...)
	columns = append(columns, prefixed[Mapping](db, "m", "mapping__")...)
	columns = append(columns, prefixed[Attribute](db, "a", "attribute__")...)
	return "select " + strings.Join(columns, ", ") + `
from job_items i
join jobs j on j.id = i.job_id
join pde_mappings m on m.id = i.mapping_id
join attributes a on a.id = m.attribute_id
where i.job_id = $1 and i.mapping_id = $2`
}

// prefixed lists a row's columns for a select, named so that several rows fit into one result.
func prefixed[T any](db *bun.DB, alias, prefix string) []string {
	var columns []string
	for _, field := range db.Table(reflect.TypeFor[T]()).Fields {
		columns = append(columns, alias+"."+field.Name+" as "+prefix+field.Name)
	}
	return columns
}

// Saved is what a transaction wrote for one mapping: the item as it stands after it.
type Saved struct {
	Outcome Outcome
	Code    ErrorCode
	Error   string
	Attempt int
	// Classifier names who judged, as in classified_by.
	Classifier string
	Usage      Usage
	Duration   time.Duration
}

// stillQueued is "outcome is null", said of one item found by its key, in words that the planner cannot match with the index of all
// queued items (job_items_queued). In a table that has never been analyzed that index looks as good as the primary key, and then every
// item's write reads the whole of its job's queue: 68 ms in place of 3 in a job of 30,000, until autovacuum has been there.
const stillQueued = "coalesce(outcome, '') = ''"

// saveWork is the transaction of one mapping in one statement. Each step hangs on the one before: without the row at the version that
// was read there is no lock, without the lock no clock and no write, without that no outcome, without that no history. The clock is
// read behind the lock, so that two writers of one row never write time backwards.
const saveWork = `with ` + patience + `, locked as materialized (
  select m.id from patience, pde_mappings m where patience.is_set <> '' and m.id = $1 and m.version = $2 for no key update of m
), clock as materialized (
  select clock_timestamp() as now from locked
), mapping as (
  update pde_mappings m set
    data_source_id = $6, pde_name = $7, pde_code = $8, pde_description = $9, source_field = $10, mapping_type = $11,
    transformation_rule = $12, confidence_score = $13::bigint, mapping_rationale = $14, alternative_mappings = $15,
    information_security_classification = $16, criticality = $17, risk_level = $18, regulatory_flag = $19, pii_flag = $20,
    classification_confidence = $21::bigint, classification_rationale = $22, regulatory_references = $23, classified_by = $24,
    suggested_source_field = $25, suggested_information_security_classification = $26, suggested_criticality = $27,
    suggested_risk_level = $28, suggested_regulatory_flag = $29, suggested_pii_flag = $30,
    review_status = $31, reviewed_by = $32, reviewed_at = $33,
    version = m.version + 1, updated_at = clock.now, updated_by = $4
  from clock where m.id = $1
  returning m.id, clock.now
), item as (
  update job_items i set
    outcome = $34, attempt = $35, error_code = $36, classifier = $37, input_tokens = $38, output_tokens = $39, cost_usd = $40,
    duration_ms = $41, information_security_classification = $16, error = null, waiting_for = null, starts = 0,
    ended_at = mapping.now, updated_at = mapping.now, updated_by = $4
  from mapping where i.job_id = $3 and i.mapping_id = mapping.id and ` + stillQueued + `
  returning i.mapping_id, mapping.now
), history as (
  insert into classification_history
    (id, mapping_id, job_id, changed_at, changed_by, before, after, created_at, created_by, updated_at, updated_by)
  select $5, item.mapping_id, $3, item.now, $4, $42, $43, item.now, $4, item.now, $4 from item
  returning 1
)
select count(*) from history`

// SaveWork writes what a job found out about one mapping: every field of the mapping, the item's outcome and the history, all of them
// or, where the mapping is no longer at the version of before or the item no longer queued, none; saved says which. The caller rolls
// the transaction back where it is not saved, and reads everything again.
func SaveWork(ctx context.Context, tx bun.Tx, jobID string, before, after Mapping, s Saved) (saved bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("history id: %w", err)
	}
	after.Version = before.Version + 1
	images := [2][]byte{}
	for i, m := range []Mapping{before, after} {
		if images[i], err = json.Marshal(m.Image()); err != nil {
			return false, fmt.Errorf("image of mapping %s: %w: %w", before.ID, ErrMalformed, err)
		}
	}
	lists, err := jsonLists(after)
	if err != nil {
		return false, err
	}
	var n int
	err = tx.Tx.QueryRowContext(ctx, saveWork, pgx.QueryExecModeCacheStatement,
		before.ID, before.Version, jobID, JobAuthor(jobID), id.String(),
		null(after.DataSourceID), null(after.PDEName), null(after.PDECode), null(after.PDEDescription), null(after.SourceField),
		null(after.MappingType), null(after.TransformationRule), after.ConfidenceScore, null(after.MappingRationale), lists[0],
		null(after.InformationSecurityClassification), null(after.Criticality), null(after.RiskLevel), after.RegulatoryFlag, after.PIIFlag,
		after.ClassificationConfidence, null(after.ClassificationRationale), lists[1], null(after.ClassifiedBy),
		null(after.SuggestedSourceField), null(after.SuggestedInformationSecurityClassification), null(after.SuggestedCriticality),
		null(after.SuggestedRiskLevel), after.SuggestedRegulatoryFlag, after.SuggestedPIIFlag,
		string(after.ReviewStatus), null(after.ReviewedBy), sql.NullTime{Time: after.ReviewedAt, Valid: !after.ReviewedAt.IsZero()},
		string(s.Outcome), s.Attempt, null(s.Code), null(s.Classifier), s.Usage.InputTokens, s.Usage.OutputTokens, s.Usage.CostUSD,
		s.Duration.Milliseconds(), string(images[0]), string(images[1]),
	).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("save mapping %s: %w", before.ID, err)
	}
	return n == 1, nil
}

func jsonLists(m Mapping) (lists [2]sql.NullString, err error) {
	if m.AlternativeMappings != nil {
		text, err := json.Marshal(m.AlternativeMappings)
		if err != nil {
			return lists, fmt.Errorf("alternatives of mapping %s: %w: %w", m.ID, ErrMalformed, err)
		}
		lists[0] = sql.NullString{String: string(text), Valid: true}
	}
	if m.RegulatoryReferences != nil {
		text, err := json.Marshal(m.RegulatoryReferences)
		if err != nil {
			return lists, fmt.Errorf("references of mapping %s: %w: %w", m.ID, ErrMalformed, err)
		}
		lists[1] = sql.NullString{String: string(text), Valid: true}
	}
	return lists, nil
}

// null is SQL's null for an empty text.
func null[T ~string](text T) sql.NullString {
	return sql.NullString{String: string(text), Valid: text != ""}
}

// lockQueued locks an item that is still queued, and reads the clock behind the lock.
const lockQueued = `with ` + patience + `, locked as materialized (
		select q.job_id, q.mapping_id from patience, job_items q
		where patience.is_set <> '' and q.job_id = ? and q.mapping_id = ? and ` + stillQueued + ` for no key update of q
	), clock as materialized (
		select job_id, mapping_id, clock_timestamp() as now from locked
	)
	`

// PostponeItem records an attempt whose error counts: the item stays queued and is due again after wait. It returns when that is, or
// [ErrNotFound] where the item is no longer queued, not due, or the attempt no longer its next.
func PostponeItem(ctx context.Context, tx bun.IDB, jobID, mappingID string, s Saved, wait time.Duration) (due time.Time, err error) {
	err = tx.NewRaw(lockQueued+`update job_items i set attempt = ?, error_code = ?, error = ?, due_at = clock.now + ? * interval '1 millisecond',
		waiting_for = null, starts = 0, duration_ms = ?, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id and i.attempt = ? and `+isDue+` returning i.due_at`,
		jobID, mappingID, s.Attempt, s.Code, ErrorText(s.Error), wait.Milliseconds(), s.Duration.Milliseconds(), JobAuthor(jobID), s.Attempt-1).
		Scan(ctx, &due)
	if err != nil {
		return due, notFound(err, "queued item of mapping "+mappingID)
	}
	return due, nil
}

// FailItem ends an item whose mapping stays as it is. It does nothing where the item is no longer queued.
func FailItem(ctx context.Context, tx bun.IDB, jobID, mappingID string, s Saved) error {
	_, err := tx.NewRaw(lockQueued+`update job_items i set outcome = ?, attempt = ?, error_code = ?, error = ?, waiting_for = null, duration_ms = ?,
		ended_at = clock.now, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id`,
		jobID, mappingID, ItemFailed, s.Attempt, s.Code, ErrorText(s.Error), s.Duration.Milliseconds(), JobAuthor(jobID)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("fail item %s: %w", mappingID, err)
	}
	return nil
}

// MarkStart counts a start of judging a queued item before it begins, and returns how many are counted. A start that [ClearStarts] has not
// cleared is evidence that the process died while it judged the item.
func MarkStart(ctx context.Context, tx bun.IDB, jobID, mappingID string) (starts int, err error) {
	err = tx.NewRaw(lockQueued+`update job_items i set starts = starts + 1, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id returning i.starts`,
		jobID, mappingID, JobAuthor(jobID)).Scan(ctx, &starts)
	if err != nil {
		return 0, notFound(err, "queued item of mapping "+mappingID)
	}
	return starts, nil
}

// ClearStarts clears what [MarkStart] has counted: the process has survived judging the item. It does nothing if the item has an outcome.
func ClearStarts(ctx context.Context, tx bun.IDB, jobID, mappingID string) error {
	_, err := tx.NewRaw(lockQueued+`update job_items i set starts = 0, updated_at = clock.now, updated_by = ?
		from clock where i.job_id = clock.job_id and i.mapping_id = clock.mapping_id`, jobID, mappingID, JobAuthor(jobID)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("clear the starts of mapping %s: %w", mappingID, err)
	}
	return nil
}

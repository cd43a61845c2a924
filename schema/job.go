package schema

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// JobType is what a job does to each mapping of its work list.
type JobType string

const (
	// JobTypePDERegeneration maps each attribute to a source column and classifies it, even if it was mapped
	// before.
	JobTypePDERegeneration JobType = "pde_regeneration"
	// JobTypePDEClassification classifies mappings and keeps their source columns.
	JobTypePDEClassification JobType = "pde_classification"
	// JobTypePDEAutoMapping maps and classifies the mappings that have no source column.
	JobTypePDEAutoMapping JobType = "pde_auto_mapping"
)

// JobTypes returns all job types.
func JobTypes() []JobType {
	return []JobType{JobTypePDERegeneration, JobTypePDEClassification, JobTypePDEAutoMapping}
}

// Maps reports whether a job of this type suggests source columns.
func (t JobType) Maps() bool { return t != JobTypePDEClassification }

// Scope selects the mappings of a report that a job works on.
type Scope string

const (
	// ScopeAll selects every mapping of the report.
	ScopeAll Scope = "all"
	// ScopeUnmapped selects the mappings without a source column.
	ScopeUnmapped Scope = "unmapped"
	// ScopeSelected selects the mappings that the request names.
	ScopeSelected Scope = "selected"
	// ScopeRetry selects the mappings that failed or were cancelled in an earlier job.
	ScopeRetry Scope = "retry"
)

// Scopes returns all scopes.
func Scopes() []Scope { return []Scope{ScopeAll, ScopeUnmapped, ScopeSelected, ScopeRetry} }

// Job is one request to work on the mappings of a report, with the state that the dispatcher, the projector
// and the auditor keep of it.
type Job struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	ID             string         `bun:"id,pk"`
	JobType        JobType        `bun:"job_type"`
	CycleID        string         `bun:"cycle_id"`
	ReportID       string         `bun:"report_id"`
	Classifier     ClassifierKind `bun:"classifier"`
	Scope          Scope          `bun:"scope"`
	MappingIDs     []string       `bun:"mapping_ids,array"`
	RetryOf        string         `bun:"retry_of,nullzero"`
	RetryErrorCode ErrorCode      `bun:"retry_error_code"`
	Force          bool           `bun:"force"`
	// MaxCostUSD is the cost at which the job pauses. It is zero if the job has no limit.
	MaxCostUSD USD `bun:"max_cost_usd,nullzero"`
	// MappingCount is the number of mappings at the time of the request. [Job.Total] replaces it by Listed.
	MappingCount int64  `bun:"mapping_count"`
	RequestedBy  string `bun:"requested_by"`
	// Traceparent is the W3C trace context of the POST, carried into every event of the job.
	Traceparent string `bun:"traceparent"`

	// Intent is the newest intent of the job. The classifier reads it with each item.
	Intent        Intent `bun:"intent"`
	IntentVersion int64  `bun:"intent_version"`
	// Version grows with every write of this row that the status of the job depends on, but not with outcomes of
	// items. A status that was computed from an older version lags.
	Version int64 `bun:"version"`

	StartedAt time.Time `bun:"started_at,nullzero"`
	// ListCursor is the last mapping in the work list. Listing continues after it.
	ListCursor string `bun:"list_cursor"`
	// Listed is the number of items in the work list. It is final once ListedAt is set.
	Listed   int64     `bun:"listed"`
	ListedAt time.Time `bun:"listed_at,nullzero"`
	// Cancelled is the number of cancelled items, and CancelledAt the time of the last one. CancelledFrom is the
	// first of their mappings in the order of ids: job_items_outcome does not have cancelled items.
	Cancelled     int64     `bun:"cancelled"`
	CancelledAt   time.Time `bun:"cancelled_at,nullzero"`
	CancelledFrom string    `bun:"cancelled_from,nullzero"`

	PublishedRequested bool  `bun:"published_requested"`
	PublishedStarted   bool  `bun:"published_started"`
	PublishedListed    bool  `bun:"published_listed"`
	PublishedIntent    int64 `bun:"published_intent"`
	PublishedFinished  bool  `bun:"published_finished"`
	// PublishedWaiting is the last published reason why the job waits. It is empty if the job was last
	// reported as not waiting.
	PublishedWaiting string `bun:"published_waiting,nullzero"`

	// PausedFor is the reason why a service paused the job. It is empty if a person did.
	PausedFor string `bun:"paused_for,nullzero"`
	// ProviderWait describes what the model's provider makes the job wait for, and ProviderWaitUntil until when.
	// The classifier writes them, and the dispatcher removes what is over; see [UpdateProviderWait] and
	// [ExpireProviderWaits].
	ProviderWait      string    `bun:"provider_wait,nullzero"`
	ProviderWaitUntil time.Time `bun:"provider_wait_until,nullzero"`
	// LostCalls is the number of calls of a model that were sent and whose reply was lost, and LostUSD what they
	// cost at most.
	LostCalls int64 `bun:"lost_calls"`
	LostUSD   USD   `bun:"lost_usd"`

	// BlockedBy is the reason why the dispatcher cannot advance the job, and BlockedSince the time at which
	// that began. Only the dispatcher writes them; see [UpdateBlockedBy].
	BlockedBy    string    `bun:"blocked_by,nullzero"`
	BlockedSince time.Time `bun:"blocked_since,nullzero"`

	EndedAt   time.Time `bun:"ended_at,nullzero"`
	AuditedAt time.Time `bun:"audited_at,nullzero"`

	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Author returns the name under which the job changes mappings.
func (j Job) Author() string { return JobAuthor(j.ID) }

// JobAuthor returns the name under which the job with this id changes rows.
func JobAuthor(jobID string) string { return "job:" + jobID }

// Total returns the number of mappings of the job. Until the work list is complete, that is an estimate: the
// count at the time of the request, or the number of listed items if that is larger.
func (j Job) Total() int64 {
	if j.ListedAt.IsZero() {
		return max(j.MappingCount, j.Listed)
	}
	return j.Listed
}

// GetJob reads a job without its MappingIDs. It returns [ErrNotFound] if there is no such job.
func GetJob(ctx context.Context, db bun.IDB, jobID string) (Job, error) {
	var job Job
	if err := db.NewSelect().Model(&job).ExcludeColumn("mapping_ids").Where("id = ?", jobID).Scan(ctx); err != nil {
		return job, notFound(err, "job "+jobID)
	}
	return job, nil
}

// LockJob reads a job without its MappingIDs and locks its row until the end of the transaction. It returns
// [ErrNotFound] if there is no such job.
func LockJob(ctx context.Context, tx bun.Tx, jobID string) (Job, error) {
	var job Job
	err := tx.NewSelect().Model(&job).ExcludeColumn("mapping_ids").Where("id = ?", jobID).For("no key update").Scan(ctx)
	if err != nil {
		return job, notFound(err, "job "+jobID)
	}
	return job, nil
}

// JobFilter selects jobs. An empty field selects all.
type JobFilter struct {
	CycleID, ReportID string
	Status            Status
	// Active selects the jobs that have not ended.
	Active bool
	// IDPrefix is the beginning of the ids.
	IDPrefix string
}

// ListJobs returns at most limit jobs without their MappingIDs, newest first. If before is not empty, it
// returns only jobs that are older than the job with that id.
func ListJobs(ctx context.Context, db bun.IDB, filter JobFilter, before string, limit int) ([]Job, error) {
	var jobs []Job
	query := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").OrderExpr("j.id desc").Limit(int64(limit))
	if before != "" {
		query = query.Where("j.id < ?", before)
	}
	if filter.IDPrefix != "" {
		query = query.Where("j.id between ? and ?", filter.IDPrefix, lastWithPrefix(filter.IDPrefix))
	}
	query = query.Where("?", filter.scope("j"))
	if filter.Active {
		query = query.Where("j.ended_at is null and not j.published_finished")
	}
	switch {
	case filter.Status == "":
	case !filter.Active:
		// With the limit, Postgres would read all jobs in their order and compare them with the page.
		query = query.Where("j.id = any (array(?))", jobsOfStatus(db, filter, before, limit)).Limit(0)
	default:
		query = query.Where("coalesce((select status from job_status where job_id = j.id), "+missingStatusSQL+") = ?",
			filter.Status)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return jobs, nil
}

// jobsOfStatus returns a query of the ids of a page of jobs with the status of the filter.
func jobsOfStatus(db bun.IDB, filter JobFilter, before string, limit int) *bun.RawQuery {
	last := lastWithPrefix(filter.IDPrefix)
	if before != "" {
		last = min(last, before)
	}
	return db.NewRaw(`select job_id from (
			(select job_id from job_status s where status = ?0 and job_id >= ?1 and job_id <= ?2 and job_id <> ?3
				and ?5 order by job_id desc limit ?4)
			union all
			(select w.job_id from jobs_without_status w where job_id >= ?1 and job_id <= ?2 and job_id <> ?3
				and (select `+missingStatusSQL+` from jobs j where j.id = w.job_id and ?6) = ?0
				order by w.job_id desc limit ?4)) found
		order by job_id desc limit ?4`, filter.Status, filter.IDPrefix, last, before, limit,
		filter.scope("s"), filter.scope("j"))
}

// scope returns the condition on the cycle and the report of a row of jobs or of job_status.
func (f JobFilter) scope(alias string) any {
	row := bun.Ident(alias)
	switch {
	case f.CycleID != "" && f.ReportID != "":
		return bun.SafeQuery("?.cycle_id = ? and ?.report_id = ?", row, f.CycleID, row, f.ReportID)
	case f.CycleID != "":
		return bun.SafeQuery("?.cycle_id = ?", row, f.CycleID)
	case f.ReportID != "":
		return bun.SafeQuery("?.report_id = ?", row, f.ReportID)
	default:
		return bun.Safe("true")
	}
}

// lastWithPrefix returns the upper end of the range of ids with the prefix, in the collation of ids. Postgres
// can read a range from the index, but not always a pattern.
func lastWithPrefix(prefix string) string { return prefix + string(utf8.MaxRune) }

// ListJobsByID reads the jobs with these ids without their MappingIDs, in no particular order. It omits ids
// that do not exist.
func ListJobsByID(ctx context.Context, db bun.IDB, ids []string) ([]Job, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var jobs []Job
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").Where("id in (?)", bun.List(ids)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("%d jobs: %w", len(ids), err)
	}
	return jobs, nil
}

// ListLastJobs returns the newest job of each of the reports that has had one, without their MappingIDs.
func ListLastJobs(ctx context.Context, db bun.IDB, reports []Report) ([]Job, error) {
	cycles := each(reports, func(r Report) string { return r.CycleID })
	ids := each(reports, func(r Report) string { return r.ReportID })
	var jobs []Job
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").
		ModelTableExpr("unnest(?::text[], ?::text[]) as r (cycle_id, report_id)",
			pgdialect.Array(cycles), pgdialect.Array(ids)).
		Join(`cross join lateral (select * from jobs where cycle_id = r.cycle_id and report_id = r.report_id
			order by id desc limit 1) as j`).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("last jobs of %d reports: %w", len(reports), err)
	}
	return jobs, nil
}

// InsertJob writes a job with its first intent, which is to run. It returns the job with the fields that it
// has set. If another job of the report is active, it writes nothing and inserted is false. It returns
// [ErrNotFound] if there is no such report.
func InsertJob(ctx context.Context, tx bun.Tx, job Job) (written Job, inserted bool, err error) {
	// The lock keeps the report from being changed or removed. After [LockReport] the transaction has it already.
	var held int
	err = tx.NewRaw("select 1 from reports where cycle_id = ? and report_id = ? for key share",
		job.CycleID, job.ReportID).Scan(ctx, &held)
	if err != nil {
		return job, false, notFound(err, fmt.Sprintf("report %s of cycle %s", job.ReportID, job.CycleID))
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return job, false, err
	}
	job.Intent, job.IntentVersion, job.Version, job.PublishedIntent = IntentRun, 1, 1, 1
	job.CreatedAt, job.CreatedBy, job.UpdatedAt, job.UpdatedBy = now, job.RequestedBy, now, job.RequestedBy
	// If another request has inserted a job and not committed it yet, this waits for its end.
	result, err := tx.NewInsert().Model(&job).
		On("conflict (cycle_id, report_id) where ended_at is null do nothing").Exec(ctx)
	if err != nil {
		return job, false, fmt.Errorf("job %s: %w", job.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return job, false, err
	}
	return job, true, insertIntentRow(ctx, tx, job, job.RequestedBy, job.Traceparent, now)
}

// TryLockJob locks the job until the transaction ends, so that several dispatchers share the jobs. It returns
// false if another dispatcher has locked the job. The lock is advisory and blocks no other service.
func TryLockJob(ctx context.Context, tx bun.Tx, jobID string) (taken bool, err error) {
	if err := tx.NewRaw("select pg_try_advisory_xact_lock(hashtextextended(?, 0))", "job:"+jobID).
		Scan(ctx, &taken); err != nil {
		return false, fmt.Errorf("lock job %s: %w", jobID, err)
	}
	return taken, nil
}

// MarkStarted records the start of the job, unless the job has started, or its intent is no longer to run.
func MarkStarted(ctx context.Context, db bun.IDB, jobID string) error {
	_, err := db.NewRaw(`with `+lockTimeout+`, locked as materialized (
			select j.id from lock_timeout, jobs j where lock_timeout.is_set <> '' and id = ?
				and started_at is null and intent = ? for no key update of j
		), clock as materialized (
			select id, clock_timestamp() as now from locked
		)
		update jobs j set started_at = clock.now, version = j.version + 1, updated_at = clock.now, updated_by = ?
		from clock where j.id = clock.id`, jobID, IntentRun, ServiceDispatcher).Exec(ctx)
	if err != nil {
		return fmt.Errorf("start job %s: %w", jobID, err)
	}
	return nil
}

// UpdateBlockedBy records why the dispatcher cannot move the job, or, with an empty reason, that it can. It
// writes only if the reason differs from the recorded one, and increments the job's version so that the
// projector computes the status again.
func UpdateBlockedBy(ctx context.Context, db bun.IDB, jobID, reason string) error {
	_, err := db.NewRaw(`with `+lockTimeout+`, locked as materialized (
			select j.id from lock_timeout, jobs j where lock_timeout.is_set <> '' and id = ?
				and blocked_by is distinct from nullif(?, '') and ended_at is null for no key update of j
		), clock as materialized (
			select id, clock_timestamp() as now from locked
		)
		update jobs j set blocked_by = nullif(?, ''),
			blocked_since = case when ? <> '' then coalesce(j.blocked_since, clock.now) end,
			version = j.version + 1, updated_at = clock.now, updated_by = ?
		from clock where j.id = clock.id`, jobID, reason, reason, reason, ServiceDispatcher).Exec(ctx)
	if err != nil {
		return fmt.Errorf("blocked state of job %s: %w", jobID, err)
	}
	return nil
}

// ListBlockedJobs returns the jobs of the scope that the dispatcher cannot move, the oldest first.
func ListBlockedJobs(ctx context.Context, db bun.IDB, scope CheckScope) ([]Job, error) {
	var jobs []Job
	err := db.NewSelect().Model(&jobs).ExcludeColumn("mapping_ids").
		Where("not published_finished and blocked_by is not null and intent <> ? and ended_at is null", IntentPause).
		Where("?", scope.within("j.cycle_id = ?0 and j.report_id = ?1")).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("blocked jobs: %w", err)
	}
	return jobs, nil
}

// JobEvent is the column that records that an event of a job, which occurs once, was published.
type JobEvent string

// The events that are published once for each job.
const (
	JobEventRequested JobEvent = "published_requested"
	JobEventStarted   JobEvent = "published_started"
	JobEventListed    JobEvent = "published_listed"
	JobEventFinished  JobEvent = "published_finished"
)

// MarkPublished records that the stream contains the event; by is the service that published it.
func MarkPublished(ctx context.Context, db bun.IDB, jobID string, what JobEvent, by Service) error {
	_, err := db.NewUpdate().Model((*Job)(nil)).
		Set("? = true, updated_at = clock_timestamp(), updated_by = ?", bun.Ident(what), by).
		Where("id = ? and not ?", jobID, bun.Ident(what)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%s of job %s: %w", what, jobID, err)
	}
	return nil
}

// MarkWaitingPublished records the last published reason for which the job waits; it is empty if the job waits
// for nothing.
func MarkWaitingPublished(ctx context.Context, db bun.IDB, jobID, waitingFor string) error {
	_, err := db.NewUpdate().Model((*Job)(nil)).
		Set("published_waiting = nullif(?, '')", waitingFor).
		Set("updated_at = clock_timestamp(), updated_by = ?", ServiceProjector).
		Where("id = ?", jobID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("published wait of job %s: %w", jobID, err)
	}
	return nil
}

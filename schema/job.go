package schema

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"
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

// Status is the state of a job.
type Status string

const (
	// StatusPending means that the job was requested and has not started.
	StatusPending Status = "pending"
	// StatusRunning means that the job has started. It is committed before any outcome is counted.
	StatusRunning Status = "running"
	// StatusPaused means that no item starts until a person resumes the job.
	StatusPaused Status = "paused"
	// StatusCompleted means that every mapping succeeded or was skipped.
	StatusCompleted Status = "completed"
	// StatusFailed means that at least one mapping failed. The results of the others are saved.
	StatusFailed Status = "failed"
	// StatusCancelled means that at least one mapping was cancelled, or that the job was cancelled before it
	// had any.
	StatusCancelled Status = "cancelled"
)

// Statuses returns all statuses.
func Statuses() []Status {
	return []Status{StatusPending, StatusRunning, StatusPaused, StatusCompleted, StatusFailed, StatusCancelled}
}

// IsFinal reports whether the job has ended.
func (s Status) IsFinal() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// CanBecome reports whether the status of a job may change from s to next. A job is running before it
// completes or fails, so that clients can see its start. A job can be cancelled before it starts. A paused job
// may end, because the items that were running when it was paused still finish. A job that was paused before
// it started is pending again when it is resumed.
func (s Status) CanBecome(next Status) bool {
	switch s {
	case StatusPending:
		return next == StatusRunning || next == StatusPaused || next == StatusCancelled
	case StatusRunning:
		return next == StatusPaused || next.IsFinal()
	case StatusPaused:
		return next == StatusRunning || next == StatusPending || next.IsFinal()
	case StatusCompleted, StatusFailed, StatusCancelled:
		return false
	default:
		return false
	}
}

// ClassifierKind is the kind of classifier that a job uses.
type ClassifierKind string

const (
	// ClassifierRules applies the policy file.
	ClassifierRules ClassifierKind = "rules"
	// ClassifierLLM calls a language model.
	ClassifierLLM ClassifierKind = "llm"
	// ClassifierHybrid applies the policy file, and calls a language model if the rules are unsure.
	ClassifierHybrid ClassifierKind = "hybrid"
)

// ClassifierKinds returns all classifiers.
func ClassifierKinds() []ClassifierKind {
	return []ClassifierKind{ClassifierRules, ClassifierLLM, ClassifierHybrid}
}

// Lane returns the lane of the jobs that use this classifier.
func (k ClassifierKind) Lane() Lane {
	if k == ClassifierRules {
		return LaneRules
	}
	return LaneLLM
}

// Lane is one of the two queues of work. They are separate because different resources limit them, so that
// neither delays the other.
type Lane string

const (
	// LaneRules is limited by the database.
	LaneRules Lane = "rules"
	// LaneLLM is limited by the model's provider.
	LaneLLM Lane = "llm"
)

// Lanes returns all lanes.
func Lanes() []Lane { return []Lane{LaneRules, LaneLLM} }

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

// Intent is a request of a person to run, pause or cancel a job.
type Intent string

const (
	// IntentRun starts or resumes the job.
	IntentRun Intent = "run"
	// IntentPause starts no more items until the job is resumed.
	IntentPause Intent = "pause"
	// IntentCancel ends the job. It cannot be undone.
	IntentCancel Intent = "cancel"
)

// Intents returns all intents.
func Intents() []Intent { return []Intent{IntentRun, IntentPause, IntentCancel} }

// IsAllowedFrom reports whether the intent may be recorded for a job with this status: run for a paused job,
// pause for a pending or running job, and cancel for any job that has not ended.
func (i Intent) IsAllowedFrom(s Status) bool { return slices.Contains(i.From(), s) }

// From returns the statuses from which the intent is allowed.
func (i Intent) From() []Status {
	switch i {
	case IntentRun:
		return []Status{StatusPaused}
	case IntentPause:
		return []Status{StatusPending, StatusRunning}
	case IntentCancel:
		return []Status{StatusPending, StatusRunning, StatusPaused}
	default:
		return nil
	}
}

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
	// MappingCount is the number of mappings at the time of the request. [Job.Total] replaces it by Listed.
	MappingCount int64  `bun:"mapping_count"`
	RequestedBy  string `bun:"requested_by"`
	// Traceparent is the W3C trace context of the POST, carried into every event of the job.
	Traceparent string `bun:"traceparent"`

	// Intent is the newest intent of the job. The classifier reads it with each item.
	Intent        Intent `bun:"intent"`
	IntentVersion int64  `bun:"intent_version"`
	// Version grows with every write that the status of the job depends on. A status that was computed from an
	// older version lags.
	Version int64 `bun:"version"`

	StartedAt time.Time `bun:"started_at,nullzero"`
	// ListCursor is the last mapping in the work list. Listing continues after it.
	ListCursor string `bun:"list_cursor"`
	// Listed is the number of items in the work list. It is final once ListedAt is set.
	Listed   int64     `bun:"listed"`
	ListedAt time.Time `bun:"listed_at,nullzero"`
	// Cancelled is the number of cancelled items, and CancelledAt the time of the last one.
	Cancelled   int64     `bun:"cancelled"`
	CancelledAt time.Time `bun:"cancelled_at,nullzero"`

	PublishedRequested bool  `bun:"published_requested"`
	PublishedStarted   bool  `bun:"published_started"`
	PublishedListed    bool  `bun:"published_listed"`
	PublishedIntent    int64 `bun:"published_intent"`
	PublishedFinished  bool  `bun:"published_finished"`
	// PublishedWaiting is the last published reason why the job waits. It is empty if the job was last
	// reported as not waiting.
	PublishedWaiting string `bun:"published_waiting,nullzero"`

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

// JobIntent is one recorded intent of a job. The first has version 1.
type JobIntent struct {
	bun.BaseModel `bun:"table:job_intents,alias:ji"`

	JobID       string    `bun:"job_id,pk"`
	Version     int64     `bun:"version,pk"`
	Intent      Intent    `bun:"intent"`
	RequestedBy string    `bun:"requested_by"`
	Traceparent string    `bun:"traceparent"`
	CreatedAt   time.Time `bun:"created_at"`
	CreatedBy   string    `bun:"created_by"`
	UpdatedAt   time.Time `bun:"updated_at"`
	UpdatedBy   string    `bun:"updated_by"`
}

package schema

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// JobType says what a job does to each mapping of its list.
type JobType string

// The job types.
const (
	// JobTypePDERegeneration suggests the source column again and classifies again.
	JobTypePDERegeneration JobType = "pde_regeneration"
	// JobTypePDEClassification only classifies.
	JobTypePDEClassification JobType = "pde_classification"
	// JobTypePDEAutoMapping maps and classifies the mappings that have no source column yet.
	JobTypePDEAutoMapping JobType = "pde_auto_mapping"
)

// JobTypes lists every job type.
func JobTypes() []JobType {
	return []JobType{JobTypePDERegeneration, JobTypePDEClassification, JobTypePDEAutoMapping}
}

// Maps reports whether the job suggests source columns.
func (t JobType) Maps() bool { return t != JobTypePDEClassification }

// Status says where a job stands.
type Status string

// The statuses.
const (
	// StatusPending means asked for and not started.
	StatusPending Status = "pending"
	// StatusRunning means started; it is committed before any mapping counts.
	StatusRunning Status = "running"
	// StatusPaused means that nothing new starts until somebody resumes the job.
	StatusPaused Status = "paused"
	// StatusCompleted means that every mapping succeeded or was skipped for a named reason.
	StatusCompleted Status = "completed"
	// StatusFailed means that at least one mapping failed; the rest is saved.
	StatusFailed Status = "failed"
	// StatusCancelled means that at least one mapping was cancelled, or the job itself before it had any.
	StatusCancelled Status = "cancelled"
)

// Statuses lists every status.
func Statuses() []Status {
	return []Status{StatusPending, StatusRunning, StatusPaused, StatusCompleted, StatusFailed, StatusCancelled}
}

// IsFinal reports whether a job with this status has ended.
func (s Status) IsFinal() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// CanBecome reports whether a job may go from s to next. A job goes through running before it completes or fails, so that its start can
// be seen; a job that is cancelled before it started need not. A paused job may end, because pause lets finish what is running, and one
// that was paused before it started is pending again when it is resumed.
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

// ClassifierKind names what judges the mappings of a job.
type ClassifierKind string

// The classifiers.
const (
	// ClassifierRules is the policy file.
	ClassifierRules ClassifierKind = "rules"
	// ClassifierLLM is a language model.
	ClassifierLLM ClassifierKind = "llm"
	// ClassifierHybrid asks the rules first and a language model where they are unsure.
	ClassifierHybrid ClassifierKind = "hybrid"
)

// ClassifierKinds lists every classifier.
func ClassifierKinds() []ClassifierKind {
	return []ClassifierKind{ClassifierRules, ClassifierLLM, ClassifierHybrid}
}

// Lane is the lane whose workers do the classifier's work.
func (k ClassifierKind) Lane() Lane {
	if k == ClassifierRules {
		return LaneRules
	}
	return LaneLLM
}

// Lane is one of the two queues of work, apart by what bounds them, so that neither waits behind the other.
type Lane string

// The lanes.
const (
	// LaneRules is bound by the database.
	LaneRules Lane = "rules"
	// LaneLLM is bound by the model's provider.
	LaneLLM Lane = "llm"
)

// Lanes lists every lane.
func Lanes() []Lane { return []Lane{LaneRules, LaneLLM} }

// Scope says which mappings of its report a job works on.
type Scope string

// The scopes.
const (
	// ScopeAll is every mapping of the report.
	ScopeAll Scope = "all"
	// ScopeUnmapped is every mapping without a source column.
	ScopeUnmapped Scope = "unmapped"
	// ScopeSelected is the mappings named by the caller.
	ScopeSelected Scope = "selected"
	// ScopeRetry is what failed or was cancelled in an earlier job.
	ScopeRetry Scope = "retry"
)

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{ScopeAll, ScopeUnmapped, ScopeSelected, ScopeRetry} }

// Intent is what somebody wants of a job.
type Intent string

// The intents.
const (
	// IntentRun asks for the job to go on.
	IntentRun Intent = "run"
	// IntentPause asks that nothing new starts.
	IntentPause Intent = "pause"
	// IntentCancel asks for the job to end now; it cannot be taken back.
	IntentCancel Intent = "cancel"
)

// Intents lists every intent.
func Intents() []Intent { return []Intent{IntentRun, IntentPause, IntentCancel} }

// IsAllowedFrom reports whether the intent may be recorded for a job with this status: run resumes a paused job, pause is for pending and
// running, cancel for all that has not ended.
func (i Intent) IsAllowedFrom(s Status) bool { return slices.Contains(i.From(), s) }

// From lists the statuses in which a job takes the intent.
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

// Job is one request to work on the mappings of a report: what was asked for, and what the dispatcher, the projector and the auditor
// have to remember of it.
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
	// MappingCount is how many mappings the POST counted; the list's length replaces it.
	MappingCount int64  `bun:"mapping_count"`
	RequestedBy  string `bun:"requested_by"`
	// Traceparent is the W3C trace context of the POST, carried into every event of the job.
	Traceparent string `bun:"traceparent"`

	// Intent is the newest of the job's intents, kept here so that the classifier reads it with the item.
	Intent        Intent `bun:"intent"`
	IntentVersion int64  `bun:"intent_version"`
	// Version grows with every write that the job's status depends on; a status computed from an older one lags.
	Version int64 `bun:"version"`

	StartedAt time.Time `bun:"started_at,nullzero"`
	// ListCursor is the last mapping written to the work list; listing goes on behind it.
	ListCursor string `bun:"list_cursor"`
	// Listed counts the work list so far; once ListedAt is set it is the job's length.
	Listed   int64     `bun:"listed"`
	ListedAt time.Time `bun:"listed_at,nullzero"`
	// Cancelled is how many items are cancelled, and CancelledAt when the last of them was.
	Cancelled   int64     `bun:"cancelled"`
	CancelledAt time.Time `bun:"cancelled_at,nullzero"`

	PublishedRequested bool  `bun:"published_requested"`
	PublishedStarted   bool  `bun:"published_started"`
	PublishedListed    bool  `bun:"published_listed"`
	PublishedIntent    int64 `bun:"published_intent"`
	PublishedFinished  bool  `bun:"published_finished"`
	// PublishedWaiting is what was last said of what the job waits for; empty where that was nothing.
	PublishedWaiting string `bun:"published_waiting,nullzero"`

	// BlockedBy is why the dispatcher cannot move the job at the moment, and BlockedSince when that began. Only the dispatcher writes
	// them; see [UpdateBlockedBy].
	BlockedBy    string    `bun:"blocked_by,nullzero"`
	BlockedSince time.Time `bun:"blocked_since,nullzero"`

	EndedAt   time.Time `bun:"ended_at,nullzero"`
	AuditedAt time.Time `bun:"audited_at,nullzero"`

	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Author is how the job signs the mappings that it writes.
func (j Job) Author() string { return JobAuthor(j.ID) }

// JobAuthor is how the job with this id signs what it writes.
func JobAuthor(jobID string) string { return "job:" + jobID }

// Total is how many mappings the job has, as well as is known: the count of the POST, or what is listed if that is more, until the
// list is complete.
func (j Job) Total() int64 {
	if j.ListedAt.IsZero() {
		return max(j.MappingCount, j.Listed)
	}
	return j.Listed
}

// GetJob reads the job's row, without the mappings that a caller named.
func GetJob(ctx context.Context, db bun.IDB, jobID string) (Job, error) {
	var job Job
	if err := db.NewSelect().Model(&job).ExcludeColumn("mapping_ids").Where("id = ?", jobID).Scan(ctx); err != nil {
		return job, notFound(err, "job "+jobID)
	}
	return job, nil
}

// LockJob reads the job's row, without the mappings that a caller named, and locks it for this transaction. It returns [ErrNotFound]
// where there is no such job.
func LockJob(ctx context.Context, tx bun.Tx, jobID string) (Job, error) {
	var job Job
	err := tx.NewSelect().Model(&job).ExcludeColumn("mapping_ids").Where("id = ?", jobID).For("no key update").Scan(ctx)
	if err != nil {
		return job, notFound(err, "job "+jobID)
	}
	return job, nil
}

// JobIntent is one thing that somebody asked of a job, in the order of the versions.
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

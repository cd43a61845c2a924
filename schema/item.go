package schema

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Outcome says what happened to one mapping in a job. An item without one is queued.
type Outcome string

// The outcomes.
const (
	// OutcomeSucceeded means that everything the job computed for the mapping is saved.
	OutcomeSucceeded Outcome = "succeeded"
	// OutcomeSkipped means that nothing but suggestions was written, for the reason in the item's error code.
	OutcomeSkipped Outcome = "skipped"
	// OutcomeFailed means that the mapping is unchanged, for the reason in the item's error.
	OutcomeFailed Outcome = "failed"
	// OutcomeCancelled means that the job was cancelled before the mapping's turn.
	OutcomeCancelled Outcome = "cancelled"
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{OutcomeSucceeded, OutcomeSkipped, OutcomeFailed, OutcomeCancelled}
}

// ErrorCode names why an item was skipped, is tried again, or failed.
type ErrorCode string

// The error codes.
const (
	// ErrorCodeConfirmed skips: a person has confirmed the row, and all the job had to say went to the suggestions.
	ErrorCodeConfirmed ErrorCode = "confirmed"
	// ErrorCodePanic counts: the classifier's own code broke on this mapping.
	ErrorCodePanic ErrorCode = "panic"
	// ErrorCodeClassifier counts: the classifier answered with an error, or with what no mapping may hold.
	ErrorCodeClassifier ErrorCode = "classifier_error"
	// ErrorCodePoison fails at once: five starts without an outcome, so the mapping probably ends the process that works on it.
	ErrorCodePoison ErrorCode = "poison"
)

// ErrorCodes lists every error code.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{ErrorCodeConfirmed, ErrorCodePanic, ErrorCodeClassifier, ErrorCodePoison}
}

// FailureCodes lists the error codes with which an item can fail, and for which a retry may ask.
func FailureCodes() []ErrorCode {
	return []ErrorCode{ErrorCodePanic, ErrorCodeClassifier, ErrorCodePoison}
}

// Usage is what a model was asked for and what that cost; zero where no model was asked.
type Usage struct {
	InputTokens  int64
	OutputTokens int64
	// CostUSD is in US dollars.
	CostUSD float64
}

// Item is one mapping in the work list of a job.
type Item struct {
	bun.BaseModel `bun:"table:job_items,alias:i"`

	JobID     string  `bun:"job_id,pk"`
	MappingID string  `bun:"mapping_id,pk"`
	Outcome   Outcome `bun:"outcome,nullzero"`
	// Attempt counts the attempts whose errors count, the one that gave the outcome included.
	Attempt int `bun:"attempt"`
	// Starts counts the times when a process died while it judged the mapping; see [MarkStart].
	Starts int `bun:"starts"`
	// DueAt is when the item may be published at the earliest; the Unix epoch unless it waits for something.
	DueAt     time.Time `bun:"due_at"`
	ErrorCode ErrorCode `bun:"error_code,nullzero"`
	Error     string    `bun:"error,nullzero"`
	// WaitingFor is the lock that the item waits for until DueAt; empty if it waits for its next attempt or for nothing.
	WaitingFor   string  `bun:"waiting_for,nullzero"`
	Classifier   string  `bun:"classifier,nullzero"`
	InputTokens  int64   `bun:"input_tokens"`
	OutputTokens int64   `bun:"output_tokens"`
	CostUSD      float64 `bun:"cost_usd"`
	DurationMS   int64   `bun:"duration_ms"`
	// InformationSecurityClassification is the tier with which the job left the mapping; empty where it has nothing to do with it.
	InformationSecurityClassification Tier `bun:"information_security_classification,nullzero"`
	// EndedAt is when the item got its outcome.
	EndedAt time.Time `bun:"ended_at,nullzero"`
	// FoldedAt is when the outcome was counted in the job's status.
	FoldedAt  time.Time `bun:"folded_at,nullzero"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Usage is what the item used of a model.
func (i Item) Usage() Usage {
	return Usage{InputTokens: i.InputTokens, OutputTokens: i.OutputTokens, CostUSD: i.CostUSD}
}

// GetItem reads one item of a job's work list.
func GetItem(ctx context.Context, db bun.IDB, jobID, mappingID string) (Item, error) {
	var item Item
	if err := db.NewSelect().Model(&item).Where("job_id = ? and mapping_id = ?", jobID, mappingID).Scan(ctx); err != nil {
		return item, notFound(err, "item of job "+jobID+" and mapping "+mappingID)
	}
	return item, nil
}

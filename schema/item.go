package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Outcome is what happened to one mapping in a job. An item without an outcome is queued.
type Outcome string

const (
	// OutcomeSucceeded means that the results of the job for the mapping are saved.
	OutcomeSucceeded Outcome = "succeeded"
	// OutcomeSkipped means that only suggestions were saved, for the reason in the item's error code.
	OutcomeSkipped Outcome = "skipped"
	// OutcomeFailed means that the mapping is unchanged, for the reason in the item's error.
	OutcomeFailed Outcome = "failed"
	// OutcomeCancelled means that the job was cancelled before the mapping was processed.
	OutcomeCancelled Outcome = "cancelled"
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{OutcomeSucceeded, OutcomeSkipped, OutcomeFailed, OutcomeCancelled}
}

// ErrorCode is the reason why an item was skipped, is retried, or failed.
type ErrorCode string

const (
	// ErrorCodeConfirmed skips the item: a person has confirmed the mapping, so the job saved its results as
	// suggestions.
	ErrorCodeConfirmed ErrorCode = "confirmed"
	// ErrorCodeUnchanged skips the item: nothing that its result depends on has changed since the last job.
	ErrorCodeUnchanged ErrorCode = "unchanged"
	// ErrorCodePanic counts as an attempt: the classifier panicked on this mapping.
	ErrorCodePanic ErrorCode = "panic"
	// ErrorCodeClassifier counts as an attempt: the classifier returned an error, or values that a mapping
	// cannot have.
	ErrorCodeClassifier ErrorCode = "classifier_error"
	// ErrorCodePoison fails the item at once: the item was started five times without an outcome, so it
	// probably crashes the process.
	ErrorCodePoison ErrorCode = "poison"
)

// ErrorCodes returns all error codes.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		ErrorCodeConfirmed, ErrorCodeUnchanged, ErrorCodePanic, ErrorCodeClassifier, ErrorCodePoison,
	}
}

// FailureCodes returns the error codes of failed items. A retry can be limited to one of them.
func FailureCodes() []ErrorCode {
	return []ErrorCode{ErrorCodePanic, ErrorCodeClassifier, ErrorCodePoison}
}

// Usage is the number of tokens that a model used and their cost. It is zero if no model was called.
type Usage struct {
	InputTokens  int64
	OutputTokens int64
	CostUSD      USD
}

// Item is one mapping in the work list of a job.
type Item struct {
	bun.BaseModel `bun:"table:job_items,alias:i"`

	JobID     string  `bun:"job_id,pk"`
	MappingID string  `bun:"mapping_id,pk"`
	Outcome   Outcome `bun:"outcome,nullzero"`
	// Attempt is the number of attempts that count, including the one that gave the outcome.
	Attempt int `bun:"attempt"`
	// Starts is the number of times that a process died while it classified the mapping; see [MarkStart].
	Starts int `bun:"starts"`
	// DueAt is the earliest time at which the item may be published. It is the Unix epoch if the item need not
	// wait.
	DueAt     time.Time `bun:"due_at"`
	ErrorCode ErrorCode `bun:"error_code,nullzero"`
	Error     string    `bun:"error,nullzero"`
	// WaitingFor describes the lock that the item waits for until DueAt. It is empty if the item waits for no
	// lock.
	WaitingFor   string `bun:"waiting_for,nullzero"`
	Classifier   string `bun:"classifier,nullzero"`
	InputTokens  int64  `bun:"input_tokens"`
	OutputTokens int64  `bun:"output_tokens"`
	CostUSD      USD    `bun:"cost_usd"`
	DurationMS   int64  `bun:"duration_ms"`
	// InformationSecurityClassification is the tier of the mapping after the job saved it. It is empty for
	// failed, cancelled and queued items.
	InformationSecurityClassification Tier `bun:"information_security_classification,nullzero"`
	// EndedAt is the time of the outcome.
	EndedAt time.Time `bun:"ended_at,nullzero"`
	// FoldedAt is the time at which the outcome was counted in the job's status.
	FoldedAt  time.Time `bun:"folded_at,nullzero"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Usage returns the tokens and the cost of the item.
func (i Item) Usage() Usage {
	return Usage{InputTokens: i.InputTokens, OutputTokens: i.OutputTokens, CostUSD: i.CostUSD}
}

// GetItem reads one item of a job's work list. It returns [ErrNotFound] if the job has no such item.
func GetItem(ctx context.Context, db bun.IDB, jobID, mappingID string) (Item, error) {
	var item Item
	err := db.NewSelect().Model(&item).Where("job_id = ? and mapping_id = ?", jobID, mappingID).Scan(ctx)
	if err != nil {
		return item, notFound(err, "item of job "+jobID+" and mapping "+mappingID)
	}
	return item, nil
}

// ItemFilter selects items of a job. The zero value selects all.
type ItemFilter struct {
	Outcome Outcome
	// Queued selects the items without an outcome.
	Queued bool
}

// ListItems returns at most limit items of the job after the mapping with the id after, in the order of
// mapping ids.
func ListItems(
	ctx context.Context, db bun.IDB, jobID string, filter ItemFilter, after string, limit int,
) ([]Item, error) {
	var items []Item
	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := readInIndexOrder(ctx, tx); err != nil {
			return err
		}
		return selectItems(tx, &items, jobID, filter, after, limit).Scan(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("items of job %s: %w", jobID, err)
	}
	return items, nil
}

// fromFirstCancelled limits a query of a job's cancelled items, which have no index of their own, to those from the
// first one on: a job takes its mappings in the order of their ids, so most of the following ones are cancelled too.
// The argument is the job's id.
const fromFirstCancelled = "mapping_id >= (select cancelled_from from jobs where id = ?)"

func selectItems(tx bun.Tx, into *[]Item, jobID string, filter ItemFilter, after string, limit int) *bun.SelectQuery {
	items := func() *bun.SelectQuery {
		return tx.NewSelect().Model(into).Where("job_id = ? and mapping_id > ?", jobID, after)
	}
	page := func(query *bun.SelectQuery) *bun.SelectQuery { return query.Order("mapping_id").Limit(int64(limit)) }
	switch {
	case filter.Outcome == OutcomeCancelled:
		return page(items().Where("outcome = ?", filter.Outcome).Where(fromFirstCancelled, jobID))
	case filter.Outcome != "":
		return page(items().Where("outcome = ?", filter.Outcome))
	case filter.Queued:
		// Most queued items need not wait. They are read in the order of job_items_queued, which has no items with
		// an outcome. Few items wait, and all of them are read. A limit would make Postgres read the job in the
		// order of the limit.
		return page(tx.NewSelect().Model(into).ModelTableExpr("((?) union all (?)) as i",
			page(items().Where("outcome is null and due_at = 'epoch'")),
			items().Where("outcome is null and due_at > 'epoch'")))
	default:
		return page(items())
	}
}

// CountRetryableItems counts the items that a retry of the job would include: those that failed or were
// cancelled and whose mapping exists. If code is not empty, only items with this error code count.
func CountRetryableItems(ctx context.Context, db bun.IDB, jobID string, code ErrorCode) (n int64, err error) {
	if err = db.NewRaw("select count(*) from (?) i", retryable(db, jobID, code, "")).Scan(ctx, &n); err != nil {
		return 0, fmt.Errorf("retryable items of job %s: %w", jobID, err)
	}
	return n, nil
}

// retryable returns a query of the mappings that a retry of the job includes. which and its arguments select a page in
// each part of the query. The query looks up each mapping: with exists, Postgres would join all mappings for each page
// if it expects few items.
func retryable(db bun.IDB, jobID string, code ErrorCode, which string, args ...any) *bun.RawQuery {
	const exists = "(?2 = '' or error_code = ?2) and (select true from pde_mappings where id = mapping_id) ?3"
	return db.NewRaw(`(select mapping_id from job_items where job_id = ?0 and outcome = ?1 and `+exists+`)
		union all
		(select mapping_id from job_items where job_id = ?0 and outcome = ?4 and ?5 and `+exists+`)`,
		jobID, OutcomeFailed, code, bun.SafeQuery(which, args...), OutcomeCancelled,
		bun.SafeQuery(fromFirstCancelled, jobID))
}

package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// ProgressKind is the kind of a job.progress event.
type ProgressKind string

const (
	// KindStarted is published when a job begins.
	KindStarted ProgressKind = "started"
	// KindListed is published when every item of a job is inserted. It carries their number.
	KindListed ProgressKind = "listed"
	// KindItem is published when a mapping has succeeded, was skipped or failed. Cancelled mappings have no event.
	KindItem ProgressKind = "item"
	// KindWaiting is published when a job begins to wait, and with nulls when the wait is over.
	KindWaiting ProgressKind = "waiting"
	// KindPaused is published when a user pauses a job.
	KindPaused ProgressKind = "paused"
	// KindResumed is published when a user resumes a job.
	KindResumed ProgressKind = "resumed"
	// KindCancelled is published when a user cancels a job.
	KindCancelled ProgressKind = "cancelled"
	// KindBell makes the projector read the rows of a job again. It reports no change.
	KindBell ProgressKind = "bell"
)

// ProgressKinds lists every kind of progress.
func ProgressKinds() []ProgressKind {
	return []ProgressKind{
		KindStarted, KindListed, KindItem, KindWaiting, KindPaused, KindResumed, KindCancelled, KindBell,
	}
}

// JobProgress reports a step of a job. The part that belongs to its kind is set and the others are nil. On the
// wire the fields of the part are members of the body, next to job_id and kind.
type JobProgress struct {
	JobID string
	Kind  ProgressKind

	Listed   *Listed
	Item     *Item
	Waiting  *Waiting
	Intended *Intended
}

// progressBody is the wire format of [JobProgress]. Embedding puts the fields of each part into the body itself.
// It is private because an embedded pointer lets code read the fields of a part that is nil.
type progressBody struct {
	JobID string       `json:"job_id"`
	Kind  ProgressKind `json:"kind"`

	*Listed
	*Item
	*Waiting
	*Intended
}

// MarshalJSON writes the body of the event.
func (e JobProgress) MarshalJSON() ([]byte, error) {
	return json.Marshal(progressBody{
		JobID: e.JobID, Kind: e.Kind, Listed: e.Listed, Item: e.Item, Waiting: e.Waiting, Intended: e.Intended,
	})
}

// UnmarshalJSON reads a body and drops the fields of other kinds.
func (e *JobProgress) UnmarshalJSON(data []byte) error {
	var body progressBody
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	*e = JobProgress{JobID: body.JobID, Kind: body.Kind}
	switch body.Kind {
	case KindListed:
		e.Listed = body.Listed
	case KindItem:
		e.Item = body.Item
	case KindWaiting:
		e.Waiting = body.Waiting
	case KindPaused, KindResumed, KindCancelled:
		e.Intended = body.Intended
	case KindStarted, KindBell:
	}
	return nil
}

// Listed is the part of a listed event.
type Listed struct {
	TotalSteps int64 `json:"total_steps"`
}

// Item is the part of an item event.
type Item struct {
	MappingID string         `json:"mapping_id"`
	Outcome   schema.Outcome `json:"outcome"`
	// Attempt is the number of counted attempts, including the one that led to the outcome.
	Attempt int `json:"attempt"`
	// ErrorCode is the reason of a skipped or failed mapping, and Error the text of a failure; null otherwise.
	ErrorCode *schema.ErrorCode `json:"error_code"`
	Error     *string           `json:"error"`
	// Classifier is the classifier with its version, as in classified_by; null if none ran.
	Classifier *string `json:"classifier"`
	Usage      Usage   `json:"usage"`
	DurationMS int64   `json:"duration_ms"`
}

// Usage is the use of a model in tokens, and its cost in US dollars.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// UsageOf returns the usage as it is published.
func UsageOf(u schema.Usage) Usage {
	return Usage{InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CostUSD: u.CostUSD.Float()}
}

// Waiting is the part of a waiting event.
type Waiting struct {
	// WaitingFor is the reason, null when the wait is over. Until is null then, and if the end is not known.
	WaitingFor *string    `json:"waiting_for"`
	Until      *time.Time `json:"until"`
	// Since is when this wait began or ended. It tells one wait from the next.
	Since time.Time `json:"since"`
}

// Intended is the part of a paused, resumed or cancelled event.
type Intended struct {
	// IntentVersion is the version of the intent in the job's row.
	IntentVersion int64 `json:"intent_version"`
}

// JobStarted returns the event that the job has begun.
func JobStarted(jobID string) JobProgress { return JobProgress{JobID: jobID, Kind: KindStarted} }

// JobListed returns the event that all items of the job are inserted.
func JobListed(jobID string, totalSteps int64) JobProgress {
	return JobProgress{JobID: jobID, Kind: KindListed, Listed: &Listed{TotalSteps: totalSteps}}
}

// JobItem returns the item event of a mapping of the job. One with the outcome cancelled is only recorded in the
// audit log.
func JobItem(jobID string, item Item) JobProgress {
	return JobProgress{JobID: jobID, Kind: KindItem, Item: &item}
}

// JobItemOf returns the event of an item that has an outcome.
func JobItemOf(item schema.Item) JobProgress {
	return JobItem(item.JobID, Item{
		MappingID:  item.MappingID,
		Outcome:    item.Outcome,
		Attempt:    item.Attempt,
		ErrorCode:  orNull(item.ErrorCode),
		Error:      orNull(schema.ErrorText(item.Error)),
		Classifier: orNull(item.Classifier),
		Usage:      UsageOf(item.Usage()),
		DurationMS: item.DurationMS,
	})
}

// JobWaiting returns the event that the job begins or ceases to wait.
func JobWaiting(jobID string, waiting Waiting) JobProgress {
	return JobProgress{JobID: jobID, Kind: KindWaiting, Waiting: &waiting}
}

// JobIntentOf returns the event of a pause, resume or cancel. The first intent of a job has none;
// [RegenerateRequested] reports it.
func JobIntentOf(intent schema.JobIntent) JobProgress {
	kind := KindResumed
	switch intent.Intent {
	case schema.IntentPause:
		kind = KindPaused
	case schema.IntentCancel:
		kind = KindCancelled
	case schema.IntentRun:
	}
	return JobProgress{JobID: intent.JobID, Kind: kind, Intended: &Intended{IntentVersion: intent.Version}}
}

// JobBell returns the event that makes the projector read the rows of the job.
func JobBell(jobID string) JobProgress { return JobProgress{JobID: jobID, Kind: KindBell} }

// Subject is job.progress.<job>.
func (e JobProgress) Subject() Subject { return JobProgressSubject(e.JobID) }

// ID is <kind>/<job>, followed by the mapping of an item, the version of an intent, or the time at which a wait
// began or ended. All bells of a job have the same id, because a bell reports no change.
func (e JobProgress) ID() string {
	id := string(e.Kind) + "/" + e.JobID
	switch {
	case e.Item != nil:
		return id + "/" + e.Item.MappingID
	case e.Waiting != nil:
		return id + "/" + e.Waiting.Since.UTC().Format(time.RFC3339Nano)
	case e.Intended != nil:
		return fmt.Sprintf("%s/%d", id, e.Intended.IntentVersion)
	default:
		return id
	}
}

func (e JobProgress) check() error {
	errs := []error{checkID("job_id", e.JobID), oneOf("kind", e.Kind, ProgressKinds())}
	switch e.Kind {
	case KindListed:
		if e.Listed == nil {
			errs = append(errs, errors.New("total_steps is missing"))
		} else {
			errs = append(errs, notNegative("total_steps", e.Listed.TotalSteps))
		}
	case KindItem:
		errs = append(errs, e.Item.check())
	case KindWaiting:
		if e.Waiting == nil || e.Waiting.Since.IsZero() {
			errs = append(errs, errors.New("since is missing"))
		}
	case KindPaused, KindResumed, KindCancelled:
		if e.Intended == nil {
			errs = append(errs, errors.New("intent_version is missing"))
		} else {
			errs = append(errs, positive("intent_version", e.Intended.IntentVersion))
		}
	case KindStarted, KindBell:
	}
	return errors.Join(errs...)
}

func (i *Item) check() error {
	if i == nil {
		return errors.New("mapping_id is missing")
	}
	errs := []error{
		checkID("mapping_id", i.MappingID),
		oneOf(
			"outcome",
			i.Outcome,
			[]schema.Outcome{schema.OutcomeSucceeded, schema.OutcomeSkipped, schema.OutcomeFailed},
		),
		notNegative("attempt", i.Attempt),
		notNegative("usage.input_tokens", i.Usage.InputTokens),
		notNegative("usage.output_tokens", i.Usage.OutputTokens),
		notNegative("usage.cost_usd", i.Usage.CostUSD),
		notNegative("duration_ms", i.DurationMS),
	}
	return errors.Join(errs...)
}

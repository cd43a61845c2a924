package events

import (
	"errors"
	"fmt"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// ProgressKind says which step of a job is told.
type ProgressKind string

// The kinds of progress.
const (
	// KindStarted says that the job has begun.
	KindStarted ProgressKind = "started"
	// KindListed says that the job's work list is complete, and how long it is.
	KindListed ProgressKind = "listed"
	// KindItem says that a mapping is accounted for.
	KindItem ProgressKind = "item"
	// KindWaiting says what the job waits for, or that it no longer does.
	KindWaiting ProgressKind = "waiting"
	// KindPaused says that somebody paused the job.
	KindPaused ProgressKind = "paused"
	// KindResumed says that somebody resumed it.
	KindResumed ProgressKind = "resumed"
	// KindCancelled says that somebody cancelled it.
	KindCancelled ProgressKind = "cancelled"
	// KindBell says nothing of its own but: look at the rows.
	KindBell ProgressKind = "bell"
)

// ProgressKinds lists every kind of progress.
func ProgressKinds() []ProgressKind {
	return []ProgressKind{KindStarted, KindListed, KindItem, KindWaiting, KindPaused, KindResumed, KindCancelled, KindBell}
}

// JobProgress says that something happened in a job. It says where to look; the rows say what is true. At most one of the embedded
// parts is set, by kind, and its fields stand in the body beside job_id and kind.
type JobProgress struct {
	JobID string       `json:"job_id"`
	Kind  ProgressKind `json:"kind"`

	*Listed
	*Item
	*Waiting
	*Intended
}

// Listed is what a listed event tells.
type Listed struct {
	TotalSteps int64 `json:"total_steps"`
}

// Item is what an item event tells.
type Item struct {
	MappingID string         `json:"mapping_id"`
	Outcome   schema.Outcome `json:"outcome"`
	// Attempt counts the attempts whose errors count, the one that gave the outcome included.
	Attempt int `json:"attempt"`
	// ErrorCode and Error say why the mapping was skipped or failed; null where it succeeded.
	ErrorCode *schema.ErrorCode `json:"error_code"`
	Error     *string           `json:"error"`
	// Classifier is who judged, as in classified_by; null where nobody did.
	Classifier *string `json:"classifier"`
	Usage      Usage   `json:"usage"`
	DurationMS int64   `json:"duration_ms"`
}

// Usage is what a model was asked for and what that cost, in US dollars.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// Waiting is what a waiting event tells.
type Waiting struct {
	// WaitingFor is null when the wait is over; Until is null then, and where nobody knows.
	WaitingFor *string    `json:"waiting_for"`
	Until      *time.Time `json:"until"`
	// Since is when that began to be so. It tells one wait from the next.
	Since time.Time `json:"since"`
}

// Intended is what a paused, resumed or cancelled event tells.
type Intended struct {
	// IntentVersion is the version of the intent, the job's own count of what was asked of it.
	IntentVersion int64 `json:"intent_version"`
}

// JobStarted says that the job has begun.
func JobStarted(jobID string) JobProgress { return JobProgress{JobID: jobID, Kind: KindStarted} }

// JobListed says that the job's work list is complete.
func JobListed(jobID string, totalSteps int64) JobProgress {
	return JobProgress{JobID: jobID, Kind: KindListed, Listed: &Listed{TotalSteps: totalSteps}}
}

// JobItem says that a mapping of the job is accounted for.
func JobItem(jobID string, item Item) JobProgress {
	return JobProgress{JobID: jobID, Kind: KindItem, Item: &item}
}

// JobItemOf says that the mapping of this row is accounted for.
func JobItemOf(item schema.Item) JobProgress {
	return JobItem(item.JobID, Item{
		MappingID:  item.MappingID,
		Outcome:    item.Outcome,
		Attempt:    item.Attempt,
		ErrorCode:  orNull(item.ErrorCode),
		Error:      orNull(schema.ErrorText(item.Error)),
		Classifier: orNull(item.Classifier),
		Usage:      Usage{InputTokens: item.InputTokens, OutputTokens: item.OutputTokens, CostUSD: item.CostUSD},
		DurationMS: item.DurationMS,
	})
}

// JobWaiting says what the job waits for, or that it no longer does.
func JobWaiting(jobID string, waiting Waiting) JobProgress {
	return JobProgress{JobID: jobID, Kind: KindWaiting, Waiting: &waiting}
}

// JobIntentOf says that somebody paused, resumed or cancelled the job, as the intent's row has it. The first intent of a job is not
// said this way: the request says it.
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

// JobBell asks everybody who keeps something about the job to look at its rows.
func JobBell(jobID string) JobProgress { return JobProgress{JobID: jobID, Kind: KindBell} }

// Subject is where it is said.
func (e JobProgress) Subject() Subject { return JobProgressSubject(e.JobID) }

// ID is <kind>/<job>, followed by the mapping of an item, by the version of an intent, or by the moment at which a wait began or ended.
// All bells of a job are one event, because a bell is not something that happened.
func (e JobProgress) ID() string {
	id := string(e.Kind) + "/" + e.JobID
	switch {
	case e.Kind == KindItem && e.Item != nil:
		return id + "/" + e.MappingID
	case e.Kind == KindWaiting && e.Waiting != nil:
		return id + "/" + e.Since.UTC().Format(time.RFC3339Nano)
	case e.intended() && e.Intended != nil:
		return fmt.Sprintf("%s/%d", id, e.IntentVersion)
	default:
		return id
	}
}

func (e JobProgress) intended() bool {
	return e.Kind == KindPaused || e.Kind == KindResumed || e.Kind == KindCancelled
}

// complete drops what belongs to other kinds: a body may say more than its kind needs.
func (e *JobProgress) complete(Subject) {
	if e.Kind != KindListed {
		e.Listed = nil
	}
	if e.Kind != KindItem {
		e.Item = nil
	}
	if e.Kind != KindWaiting {
		e.Waiting = nil
	}
	if !e.intended() {
		e.Intended = nil
	}
}

func (e JobProgress) check() error {
	errs := []error{checkID("job_id", e.JobID), oneOf("kind", e.Kind, ProgressKinds())}
	switch e.Kind {
	case KindListed:
		if e.Listed == nil {
			errs = append(errs, errors.New("total_steps is missing"))
		} else {
			errs = append(errs, notNegative("total_steps", e.TotalSteps))
		}
	case KindItem:
		errs = append(errs, e.Item.check())
	case KindWaiting:
		if e.Waiting == nil || e.Since.IsZero() {
			errs = append(errs, errors.New("since is missing"))
		}
	case KindPaused, KindResumed, KindCancelled:
		if e.Intended == nil {
			errs = append(errs, errors.New("intent_version is missing"))
		} else {
			errs = append(errs, positive("intent_version", e.IntentVersion))
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
		oneOf("outcome", i.Outcome, []schema.Outcome{schema.Succeeded, schema.Skipped, schema.ItemFailed}),
		notNegative("attempt", i.Attempt),
		notNegative("usage.input_tokens", i.Usage.InputTokens),
		notNegative("usage.output_tokens", i.Usage.OutputTokens),
		notNegative("usage.cost_usd", i.Usage.CostUSD),
		notNegative("duration_ms", i.DurationMS),
	}
	return errors.Join(errs...)
}

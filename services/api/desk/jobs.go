package desk

import (
	"net/url"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// Jobs is the list of jobs.
type Jobs struct {
	Caller
	Rows []JobRow
	// State is the filter: a status, active, or empty for all.
	State string
	// Seen is the id of the state of the jobs, or empty if the page does not follow them.
	Seen string
	// More is the URL of the next page, or empty.
	More string
}

// JobRow is a job, in the list or on its page.
type JobRow struct{ events.JobStatus }

func (Jobs) page() (name, title, section string) { return "jobs", "Jobs", "jobs" }

// EventsURL returns the address of the changes of the list.
func (v Jobs) EventsURL() string { return "/jobs/events?state=" + url.QueryEscape(v.State) }

// States returns the filters of the list with their names.
func (Jobs) States() []struct{ Value, Word string } {
	return []struct{ Value, Word string }{
		{"", "All"},
		{"active", "Active"},
		{string(schema.StatusFailed), "Failed"},
		{string(schema.StatusCompleted), "Completed"},
		{string(schema.StatusCancelled), "Cancelled"},
	}
}

// Job is the page of one job.
type Job struct {
	Caller
	JobRow
	// Failures are the failed items by error code.
	Failures []schema.FailureCount
	// Outcome selects the items: an outcome, queued, or empty for none. Items are the first of them, and More is the
	// URL of the next ones, or empty.
	Outcome string
	Items   []JobItem
	More    string
	// Seen is the ETag of the status.
	Seen string
	// Now is the time of the page.
	Now time.Time
}

// JobItem is an item with the name of its attribute, which is empty if the mapping was removed.
type JobItem struct {
	schema.Item
	AttributeName string
}

func (v Job) page() (name, title, section string) { return "job", v.Name(), "jobs" }

// Name returns what the job does and the report it works on.
func (r JobRow) Name() string {
	verb := "Regenerate"
	switch r.JobType {
	case schema.JobTypePDEClassification:
		verb = "Classify"
	case schema.JobTypePDEAutoMapping:
		verb = "Auto-map"
	case schema.JobTypePDERegeneration:
	}
	if r.Metadata.RetryOf != nil {
		verb = "Retry"
	}
	return verb + " " + r.Metadata.ReportID
}

// ReportURL returns the address of the report of the job.
func (r JobRow) ReportURL() string { return ReportURL(r.Metadata.CycleID, r.Metadata.ReportID) }

// Active reports whether the job has not ended.
func (r JobRow) Active() bool { return !r.Status.IsFinal() }

// CanPause reports whether the status allows to pause the job.
func (v Job) CanPause() bool {
	return v.Status == schema.StatusPending || v.Status == schema.StatusRunning
}

// CanResume reports whether the status allows to resume the job.
func (v Job) CanResume() bool { return v.Status == schema.StatusPaused }

// CanRetry reports whether the status allows to retry the job.
func (v Job) CanRetry() bool {
	return v.Status == schema.StatusFailed || v.Status == schema.StatusCancelled
}

// Queued returns the number of items without an outcome.
func (v Job) Queued() int64 { return v.TotalSteps - v.CompletedSteps }

// Retryable returns the number of items that a retry of the whole job would contain.
func (v Job) Retryable() int64 { return v.Failed + v.Cancelled }

// Took returns the time from the start of the job to its end, or to now.
func (v Job) Took() time.Duration {
	if v.StartedAt == nil {
		return 0
	}
	end := v.Now
	if v.CompletedAt != nil {
		end = *v.CompletedAt
	}
	return max(end.Sub(*v.StartedAt), 0)
}

// Rate returns the number of mappings a second since the start.
func (v Job) Rate() float64 {
	if took := v.Took().Seconds(); took > 0 {
		return float64(v.CompletedSteps) / took
	}
	return 0
}

package schema

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

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

// JobStatus is the status of a job: a function of its row and its items, which the projector computes and
// stores.
type JobStatus struct {
	bun.BaseModel `bun:"table:job_status,alias:s"`

	JobID              string `bun:"job_id,pk"`
	CycleID            string `bun:"cycle_id"`
	ReportID           string `bun:"report_id"`
	Status             Status `bun:"status"`
	ProgressPercentage int    `bun:"progress_percentage"`
	CurrentStep        string `bun:"current_step"`
	TotalSteps         int64  `bun:"total_steps"`
	CompletedSteps     int64  `bun:"completed_steps"`

	Counts `bun:"embed:"`

	Message    string `bun:"message"`
	WaitingFor string `bun:"waiting_for,nullzero"`
	// WaitingUntil is when the wait ends. It is computed with the status and not stored.
	WaitingUntil time.Time `bun:"-"`

	Error      string `bun:"error,nullzero"`
	ETASeconds *int64 `bun:"eta_seconds"`

	StartedAt   time.Time `bun:"started_at,nullzero"`
	CompletedAt time.Time `bun:"completed_at,nullzero"`
	// JobVersion is the version of the job's row from which the status was computed.
	JobVersion int64     `bun:"job_version"`
	CreatedAt  time.Time `bun:"created_at"`
	UpdatedAt  time.Time `bun:"updated_at"`
	UpdatedBy  string    `bun:"updated_by"`
}

// Counts counts the items of a job that have an outcome.
type Counts struct {
	Succeeded int64 `bun:"succeeded"`
	Skipped   int64 `bun:"skipped"`
	Failed    int64 `bun:"failed"`
	Cancelled int64 `bun:"cancelled"`

	// The numbers of mappings by the tier that the job has given or left them.
	HRCI         int64 `bun:"hrci"`
	Confidential int64 `bun:"confidential"`
	Proprietary  int64 `bun:"proprietary"`
	Public       int64 `bun:"public"`

	InputTokens  int64 `bun:"input_tokens"`
	OutputTokens int64 `bun:"output_tokens"`
	CostUSD      USD   `bun:"cost_usd"`

	// LastEndedAt is when the last of the counted items ended.
	LastEndedAt time.Time `bun:"last_ended_at,nullzero"`
}

// Completed returns the number of items with an outcome.
func (c Counts) Completed() int64 { return c.Succeeded + c.Skipped + c.Failed + c.Cancelled }

// Plus returns the sum of both counts, with the later LastEndedAt.
func (c Counts) Plus(more Counts) Counts {
	c.Succeeded += more.Succeeded
	c.Skipped += more.Skipped
	c.Failed += more.Failed
	c.Cancelled += more.Cancelled
	c.HRCI += more.HRCI
	c.Confidential += more.Confidential
	c.Proprietary += more.Proprietary
	c.Public += more.Public
	c.InputTokens += more.InputTokens
	c.OutputTokens += more.OutputTokens
	c.CostUSD += more.CostUSD
	if more.LastEndedAt.After(c.LastEndedAt) {
		c.LastEndedAt = more.LastEndedAt
	}
	return c
}

// Equal reports whether s and other are equal except for UpdatedAt, UpdatedBy and WaitingUntil.
func (s JobStatus) Equal(other JobStatus) bool {
	for _, status := range []*JobStatus{&s, &other} {
		status.UpdatedAt, status.UpdatedBy, status.WaitingUntil = time.Time{}, "", time.Time{}
		for _, at := range []*time.Time{
			&status.LastEndedAt, &status.StartedAt, &status.CompletedAt, &status.CreatedAt,
		} {
			*at = at.UTC().Round(0)
		}
	}
	return reflect.DeepEqual(s, other)
}

// Waiting describes why a job waits.
type Waiting struct {
	// Items counts the items that are not accounted for, if all of them wait; otherwise it is zero.
	Items int64
	// DueAt is when the first of them is due.
	DueAt time.Time
	// Lock describes the lock that one of them waits for. If it is empty, all of them failed before and wait
	// for their next attempt.
	Lock string
	// Paused is how long the job has been paused so far.
	Paused time.Duration
}

// FailureCount is the number of items of a job that failed with one error code.
type FailureCount struct {
	ErrorCode ErrorCode `bun:"error_code"`
	Items     int64     `bun:"items"`
	// Error is the error text of one of them.
	Error string `bun:"error"`
}

// StatusOf computes the status of a job from its row, the counts of its items, the reason why the queued ones
// wait and, for a job that ends, its failures by error code. The result depends on these alone, except for
// UpdatedAt, which the caller sets.
func StatusOf(job Job, counts Counts, waiting Waiting, failures []FailureCount) JobStatus {
	completed := counts.Completed()
	total := max(job.Total(), completed)
	s := JobStatus{
		JobID:          job.ID,
		CycleID:        job.CycleID,
		ReportID:       job.ReportID,
		Status:         statusFrom(job, counts),
		TotalSteps:     total,
		CompletedSteps: completed,
		Counts:         counts,
		StartedAt:      job.StartedAt,
		JobVersion:     job.Version,
		CreatedAt:      job.CreatedAt,
	}
	switch {
	case total > 0:
		s.ProgressPercentage = int(completed * 100 / total)
	case s.Status.IsFinal():
		s.ProgressPercentage = 100
	}
	switch {
	case job.PausedFor != "" && job.Intent == IntentPause && !s.Status.IsFinal():
		s.WaitingFor = job.PausedFor
	case job.BlockedBy != "" && job.Intent != IntentPause && !s.Status.IsFinal():
		s.WaitingFor = job.BlockedBy
	case job.ProviderWait != "" && job.Intent == IntentRun && !s.Status.IsFinal():
		s.WaitingFor, s.WaitingUntil = job.ProviderWait, job.ProviderWaitUntil
		if !s.WaitingUntil.IsZero() {
			s.WaitingFor += ", until " + s.WaitingUntil.UTC().Format(time.RFC3339)
		}
	case job.Intent != IntentRun || job.ListedAt.IsZero() || waiting.Items == 0 || waiting.Items != total-completed:
	case waiting.Lock != "":
		s.WaitingFor = waiting.Lock
		if waiting.Items > 1 {
			s.WaitingFor += fmt.Sprintf("; %s wait in all", mappings(waiting.Items))
		}
	default:
		s.WaitingFor = fmt.Sprintf("%s that failed before will be tried again, the first at %s",
			mappings(waiting.Items), waiting.DueAt.UTC().Format(time.RFC3339))
		s.WaitingUntil = waiting.DueAt
	}
	if s.Status.IsFinal() {
		s.CompletedAt = job.ListedAt
		if counts.LastEndedAt.After(s.CompletedAt) {
			s.CompletedAt = counts.LastEndedAt
		}
	}
	if s.Status == StatusFailed {
		s.Error = summary(counts.Failed, total, failures)
	}
	s.ETASeconds = eta(job, s, waiting.Paused)
	s.CurrentStep = currentStep(job, s)
	s.Message = message(job, s) + lostCalls(job)
	return s
}

func statusFrom(job Job, counts Counts) Status {
	switch {
	case !job.ListedAt.IsZero() && counts.Completed() >= job.Listed:
		switch {
		case counts.Cancelled > 0, job.Listed == 0 && job.Intent == IntentCancel:
			return StatusCancelled
		case counts.Failed > 0:
			return StatusFailed
		default:
			return StatusCompleted
		}
	case job.Intent == IntentPause:
		return StatusPaused
	case !job.StartedAt.IsZero():
		return StatusRunning
	default:
		return StatusPending
	}
}

// eta extrapolates the remaining time from the pace so far, in whole seconds, rounded up. It returns nil if
// there is no pace yet.
func eta(job Job, s JobStatus, paused time.Duration) *int64 {
	taken := s.LastEndedAt.Sub(job.StartedAt) - paused
	if s.Status != StatusRunning || s.CompletedSteps == 0 || taken <= 0 {
		return nil
	}
	left := time.Duration(float64(taken) / float64(s.CompletedSteps) * float64(s.TotalSteps-s.CompletedSteps))
	seconds := int64((left + time.Second - 1) / time.Second)
	return &seconds
}

func currentStep(job Job, s JobStatus) string {
	switch {
	case s.Status.IsFinal():
		return "All mappings are accounted for"
	case s.Status == StatusPending:
		return "Waiting to start"
	case s.Status == StatusPaused:
		return "Paused; nothing new starts until the job is resumed"
	case job.Intent == IntentCancel:
		return "Cancelling what has not started"
	case job.ListedAt.IsZero():
		return fmt.Sprintf("Listing the mappings, %d so far", job.Listed)
	default:
		return fmt.Sprintf("%s mapping %d of %d", doing(job.JobType), min(s.CompletedSteps+1, s.TotalSteps),
			s.TotalSteps)
	}
}

func doing(t JobType) string {
	if t.Maps() {
		return "Mapping and classifying"
	}
	return "Classifying"
}

func message(job Job, s JobStatus) string {
	switch s.Status {
	case StatusPending:
		return fmt.Sprintf("Asked for by %s, not started yet", job.RequestedBy)
	case StatusRunning, StatusPaused:
		return fmt.Sprintf("%d of %s accounted for", s.CompletedSteps, mappings(s.TotalSteps))
	case StatusCompleted, StatusFailed, StatusCancelled:
		return fmt.Sprintf("%s: %d succeeded, %d skipped, %d failed, %d cancelled",
			mappings(s.TotalSteps), s.Succeeded, s.Skipped, s.Failed, s.Cancelled)
	default:
		return ""
	}
}

// lostCalls reports the calls of a model that may be paid for without a result.
func lostCalls(job Job) string {
	if job.LostCalls == 0 {
		return ""
	}
	return fmt.Sprintf("; %d model calls were sent and their replies lost, which may cost up to %s USD in addition",
		job.LostCalls, job.LostUSD)
}

func summary(failed, total int64, failures []FailureCount) string {
	parts := make([]string, 0, len(failures))
	for _, l := range failures {
		parts = append(parts, fmt.Sprintf("%d × %s, such as: %s", l.Items, l.ErrorCode, ErrorText(l.Error)))
	}
	return fmt.Sprintf("%d of %s failed, the rest is saved (%s)", failed, mappings(total), strings.Join(parts, "; "))
}

func mappings(n int64) string {
	if n == 1 {
		return "1 mapping"
	}
	return fmt.Sprintf("%d mappings", n)
}

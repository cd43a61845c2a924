package events

import (
	"errors"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// JobStatus is the status of a job, as the API returns it and job.finished carries it.
type JobStatus struct {
	JobID   string         `json:"job_id"`
	JobType schema.JobType `json:"job_type" enum:"pde_regeneration,pde_classification,pde_auto_mapping"`
	Status  schema.Status  `json:"status" enum:"pending,running,paused,completed,failed,cancelled"`
	// ProgressPercentage is a whole number, rounded down.
	ProgressPercentage int `json:"progress_percentage"`
	// CurrentStep is a sentence for the user.
	CurrentStep    string `json:"current_step"`
	TotalSteps     int64  `json:"total_steps"`
	CompletedSteps int64  `json:"completed_steps"`
	Succeeded      int64  `json:"succeeded"`
	Skipped        int64  `json:"skipped"`
	Failed         int64  `json:"failed"`
	Cancelled      int64  `json:"cancelled"`
	Message        string `json:"message"`
	// WaitingFor is the reason why the job makes no progress; null if it does.
	WaitingFor *string `json:"waiting_for"`
	// Error summarises the failures; null if there are none.
	Error *string `json:"error"`
	// Result is null until the status is final.
	Result *JobResult `json:"result"`
	// ETASeconds is null if there is no estimate.
	ETASeconds  *int64      `json:"eta_seconds"`
	CreatedAt   time.Time   `json:"created_at"`
	StartedAt   *time.Time  `json:"started_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
	CompletedAt *time.Time  `json:"completed_at"`
	Metadata    JobMetadata `json:"metadata"`
	Usage       Usage       `json:"usage"`
}

// JobResult is the result of a job that has ended.
type JobResult struct {
	Succeeded       int64           `json:"succeeded"`
	Skipped         int64           `json:"skipped"`
	Failed          int64           `json:"failed"`
	Cancelled       int64           `json:"cancelled"`
	Classifications Classifications `json:"classifications"`
}

// Classifications counts the mappings of a job by the tier that it saved.
type Classifications struct {
	HRCI         int64 `json:"HRCI"`
	Confidential int64 `json:"Confidential"`
	Proprietary  int64 `json:"Proprietary"`
	Public       int64 `json:"Public"`
}

// JobMetadata describes the request for a job.
type JobMetadata struct {
	CycleID     string                `json:"cycle_id"`
	ReportID    string                `json:"report_id"`
	RequestedBy string                `json:"requested_by"`
	Classifier  schema.ClassifierKind `json:"classifier" enum:"rules,llm,hybrid"`
	// RetryOf is the job whose failed and cancelled mappings this job retries; null if there is none.
	RetryOf *string `json:"retry_of"`
}

// StatusOf returns the public status of a job from its rows in jobs and job_status.
func StatusOf(job schema.Job, s schema.JobStatus) JobStatus {
	status := JobStatus{
		JobID:              job.ID,
		JobType:            job.JobType,
		Status:             s.Status,
		ProgressPercentage: s.ProgressPercentage,
		CurrentStep:        s.CurrentStep,
		TotalSteps:         s.TotalSteps,
		CompletedSteps:     s.CompletedSteps,
		Succeeded:          s.Succeeded,
		Skipped:            s.Skipped,
		Failed:             s.Failed,
		Cancelled:          s.Cancelled,
		Message:            s.Message,
		WaitingFor:         orNull(s.WaitingFor),
		Error:              orNull(s.Error),
		ETASeconds:         s.ETASeconds,
		CreatedAt:          s.CreatedAt.UTC(),
		StartedAt:          timeOrNull(s.StartedAt),
		UpdatedAt:          s.UpdatedAt.UTC(),
		CompletedAt:        timeOrNull(s.CompletedAt),
		Metadata: JobMetadata{
			CycleID:     job.CycleID,
			ReportID:    job.ReportID,
			RequestedBy: job.RequestedBy,
			Classifier:  job.Classifier,
			RetryOf:     orNull(job.RetryOf),
		},
		Usage: Usage{InputTokens: s.InputTokens, OutputTokens: s.OutputTokens, CostUSD: s.CostUSD.Float()},
	}
	if s.Status.IsFinal() {
		status.Result = &JobResult{
			Succeeded: s.Succeeded,
			Skipped:   s.Skipped,
			Failed:    s.Failed,
			Cancelled: s.Cancelled,
			Classifications: Classifications{
				HRCI:         s.HRCI,
				Confidential: s.Confidential,
				Proprietary:  s.Proprietary,
				Public:       s.Public,
			},
		}
	}
	return status
}

func orNull[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

func timeOrNull(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func (s JobStatus) check() error {
	errs := []error{
		checkID("job_id", s.JobID),
		oneOf("job_type", s.JobType, schema.JobTypes()),
		oneOf("status", s.Status, schema.Statuses()),
		required("metadata.cycle_id", s.Metadata.CycleID),
		required("metadata.report_id", s.Metadata.ReportID),
		oneOf("metadata.classifier", s.Metadata.Classifier, schema.ClassifierKinds()),
		optionalID("metadata.retry_of", s.Metadata.RetryOf),
	}
	for _, n := range []struct {
		field string
		value int64
	}{
		{"total_steps", s.TotalSteps},
		{"completed_steps", s.CompletedSteps},
		{"succeeded", s.Succeeded},
		{"skipped", s.Skipped},
		{"failed", s.Failed},
		{"cancelled", s.Cancelled},
	} {
		errs = append(errs, notNegative(n.field, n.value))
	}
	if s.CompletedSteps > s.TotalSteps {
		errs = append(errs, errors.New("completed_steps is more than total_steps"))
	}
	return errors.Join(errs...)
}

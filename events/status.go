package events

import (
	"errors"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// JobStatus is where a job stands, as the API answers it and as job.finished says it.
type JobStatus struct {
	JobID   string         `json:"job_id"`
	JobType schema.JobType `json:"job_type" enum:"pde_regeneration,pde_classification,pde_auto_mapping"`
	Status  schema.Status  `json:"status" enum:"pending,running,paused,completed,failed,cancelled"`
	// ProgressPercentage is a whole number, rounded down.
	ProgressPercentage int `json:"progress_percentage"`
	// CurrentStep is a sentence.
	CurrentStep    string `json:"current_step"`
	TotalSteps     int64  `json:"total_steps"`
	CompletedSteps int64  `json:"completed_steps"`
	Succeeded      int64  `json:"succeeded"`
	Skipped        int64  `json:"skipped"`
	Failed         int64  `json:"failed"`
	Cancelled      int64  `json:"cancelled"`
	Message        string `json:"message"`
	// WaitingFor says why the job is not moving; null where it is.
	WaitingFor *string `json:"waiting_for"`
	// Error sums up what failed; null where nothing did.
	Error *string `json:"error"`
	// Result is null until the job has ended.
	Result *JobResult `json:"result"`
	// ETASeconds is null where there is no telling.
	ETASeconds  *int64      `json:"eta_seconds"`
	CreatedAt   time.Time   `json:"created_at"`
	StartedAt   *time.Time  `json:"started_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
	CompletedAt *time.Time  `json:"completed_at"`
	Metadata    JobMetadata `json:"metadata"`
	Usage       Usage       `json:"usage"`
}

// JobResult is what a job came to.
type JobResult struct {
	Succeeded       int64           `json:"succeeded"`
	Skipped         int64           `json:"skipped"`
	Failed          int64           `json:"failed"`
	Cancelled       int64           `json:"cancelled"`
	Classifications Classifications `json:"classifications"`
}

// Classifications counts mappings by the tier with which the job left them.
type Classifications struct {
	HRCI         int64 `json:"HRCI"`
	Confidential int64 `json:"Confidential"`
	Proprietary  int64 `json:"Proprietary"`
	Public       int64 `json:"Public"`
}

// JobMetadata is what a job was asked to do, and by whom.
type JobMetadata struct {
	CycleID     string                `json:"cycle_id"`
	ReportID    string                `json:"report_id"`
	RequestedBy string                `json:"requested_by"`
	Classifier  schema.ClassifierKind `json:"classifier" enum:"rules,llm,hybrid"`
	// RetryOf is the job whose lost mappings this one tries again; null where there is none.
	RetryOf *string `json:"retry_of"`
}

// StatusOf is the status of a job as the world sees it, from its row and from what the projector keeps.
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
		Usage: Usage{InputTokens: s.InputTokens, OutputTokens: s.OutputTokens, CostUSD: s.CostUSD},
	}
	if s.Status.Final() {
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

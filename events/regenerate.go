package events

import (
	"errors"

	"github.com/pdeflow/pdeflow/schema"
)

// RegenerateRequested reports a new job of any type.
type RegenerateRequested struct {
	JobID       string                `json:"job_id"`
	JobType     schema.JobType        `json:"job_type"`
	CycleID     string                `json:"cycle_id"`
	ReportID    string                `json:"report_id"`
	Classifier  schema.ClassifierKind `json:"classifier"`
	RequestedBy string                `json:"requested_by"`
	// MappingCount is the number of mappings of the job when it was requested.
	MappingCount int64 `json:"mapping_count"`
	// RetryOf is the job whose failed and cancelled mappings this job retries; null if there is none.
	RetryOf *string `json:"retry_of"`
}

// RegenerateRequestedOf returns the event of a job.
func RegenerateRequestedOf(job schema.Job) RegenerateRequested {
	return RegenerateRequested{
		JobID:        job.ID,
		JobType:      job.JobType,
		CycleID:      job.CycleID,
		ReportID:     job.ReportID,
		Classifier:   job.Classifier,
		RequestedBy:  job.RequestedBy,
		MappingCount: job.MappingCount,
		RetryOf:      orNull(job.RetryOf),
	}
}

// Subject is regenerate.requested.<job>.
func (e RegenerateRequested) Subject() Subject { return RegenerateRequestedSubject(e.JobID) }

// ID is requested/<job>.
func (e RegenerateRequested) ID() string { return "requested/" + e.JobID }

func (e RegenerateRequested) check() error {
	return errors.Join(
		checkID("job_id", e.JobID),
		oneOf("job_type", e.JobType, schema.JobTypes()),
		required("cycle_id", e.CycleID),
		required("report_id", e.ReportID),
		oneOf("classifier", e.Classifier, schema.ClassifierKinds()),
		required("requested_by", e.RequestedBy),
		notNegative("mapping_count", e.MappingCount),
		optionalID("retry_of", e.RetryOf),
	)
}

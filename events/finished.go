package events

import (
	"errors"
	"fmt"
)

// JobFinished reports the end of a job with its final status, in the format of the API.
type JobFinished struct {
	JobStatus
}

// Subject is job.finished.<job>.
func (e JobFinished) Subject() Subject { return JobFinishedSubject(e.JobID) }

// ID is finished/<job>.
func (e JobFinished) ID() string { return "finished/" + e.JobID }

func (e JobFinished) check() error {
	errs := []error{e.JobStatus.check()}
	if !e.Status.IsFinal() {
		errs = append(errs, fmt.Errorf("status %q is not final", e.Status))
	}
	if e.Result == nil {
		errs = append(errs, errors.New("result is missing"))
	}
	return errors.Join(errs...)
}

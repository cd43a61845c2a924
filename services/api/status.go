package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// maxWait is the longest time for which a request can wait for a change.
const maxWait = time.Minute

type statusInput struct {
	JobPath
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of the last known status."`
	Wait        string `query:"wait" doc:"The time to wait for a change, such as 30s or 30; at most 60s."`
}

type statusOutput struct {
	Status int
	ETag   string `header:"ETag"`
	// RetryAfter is empty if the job has ended.
	RetryAfter string `header:"Retry-After"`
	Body       events.JobStatus
}

// registerStatus registers the route of a job's status.
func (s *Server) registerStatus() {
	route(s, Viewer, huma.Operation{
		OperationID: "job-status", Method: http.MethodGet, Path: prefix + "/jobs/{job_id}/status",
		Tags:    []string{"jobs"},
		Summary: "Reads the status of a job",
		Description: "With wait, the response is sent as soon as the status differs from If-None-Match or, without " +
			"that, from the status " +
			"at the time of the request. If the job has ended, the response is sent immediately.",
		Responses: map[string]*huma.Response{"304": {Description: "The status has the ETag in If-None-Match"}},
	}, s.status)
}

func (s *Server) status(ctx context.Context, in *statusInput) (*statusOutput, error) {
	wait, err := parseWait(in.Wait)
	if err != nil {
		return nil, err
	}
	var reading jobReading
	if wait > 0 {
		reading, err = s.statuses.await(ctx, in.JobID, in.IfNoneMatch, wait)
	} else {
		reading, err = s.readStatus(ctx, in.JobID)
	}
	if err != nil {
		return nil, err
	}
	out := &statusOutput{Status: http.StatusOK, ETag: reading.etag, Body: reading.status}
	if !reading.status.Status.IsFinal() {
		out.RetryAfter = "1"
	}
	if in.IfNoneMatch != "" && matches(in.IfNoneMatch, out.ETag) {
		out.Status = http.StatusNotModified
	}
	return out, nil
}

// jobReading is the status of a job at the time of a read.
type jobReading struct {
	status events.JobStatus
	etag   string
}

// readStatus reads the status of one job.
func (s *Server) readStatus(ctx context.Context, jobID string) (jobReading, error) {
	readings, err := s.readStatuses(ctx, []string{jobID})
	if err != nil {
		return jobReading{}, err
	}
	return found(readings, jobID)
}

// readStatuses reads the statuses of the jobs, by id. It omits jobs that do not exist.
func (s *Server) readStatuses(ctx context.Context, jobIDs []string) (map[string]jobReading, error) {
	jobs, err := schema.ListJobsByID(ctx, s.db, jobIDs)
	if err != nil {
		return nil, err
	}
	statuses, err := schema.ListStatuses(ctx, s.db, jobs)
	if err != nil {
		return nil, err
	}
	readings := make(map[string]jobReading, len(jobs))
	for i, job := range jobs {
		status := events.StatusOf(job, statuses[i])
		s.addReadOnly(ctx, &status)
		if readings[job.ID], err = newReading(status); err != nil {
			return nil, err
		}
	}
	return readings, nil
}

// addReadOnly adds to the status of an active job that the database is read-only. No row can record this.
func (s *Server) addReadOnly(ctx context.Context, status *events.JobStatus) {
	if status.Status.IsFinal() {
		return
	}
	if err := s.db.Writable(ctx); schema.IsReadOnly(err) {
		reason := err.Error()
		status.WaitingFor = &reason
	}
}

func newReading(status events.JobStatus) (jobReading, error) {
	tag, err := etagOf(status)
	return jobReading{status: status, etag: tag}, err
}

// etagOf returns an ETag of two hashes. The first one covers only the state, so that a comparison shows whether two
// statuses differ in their state or only in their progress.
func etagOf(status events.JobStatus) (string, error) {
	whole, err := json.Marshal(status)
	if err != nil {
		return "", fmt.Errorf("status of job %s: %w", status.JobID, err)
	}
	state, err := json.Marshal([]any{status.Status, status.WaitingFor, status.Error})
	if err != nil {
		return "", fmt.Errorf("state of job %s: %w", status.JobID, err)
	}
	hash := func(text []byte, length int) string {
		sum := sha256.Sum256(text)
		return base64.RawURLEncoding.EncodeToString(sum[:length])
	}
	return `"` + hash(state, 6) + "." + hash(whole, 15) + `"`, nil
}

// knowsState reports whether the list of an If-None-Match header has a tag of the same state.
func knowsState(list, tag string) bool {
	state, _, _ := strings.Cut(tag, ".")
	for known := range strings.SplitSeq(list, ",") {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(known), "W/"), state+".") {
			return true
		}
	}
	return false
}

// matches reports whether the list of an If-None-Match header contains the tag, by weak comparison.
func matches(list, tag string) bool {
	for known := range strings.SplitSeq(list, ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == tag {
			return true
		}
	}
	return false
}

// parseWait parses a duration in the format of Go, or a number of seconds.
func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseUint(text, 10, 16); numeric == nil {
		wait, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || wait < 0 || wait > maxWait {
		return 0, newFieldProblem("query.wait", "must be a duration of at most 60s, such as 30s, or a number of "+
			"seconds")
	}
	return wait, nil
}

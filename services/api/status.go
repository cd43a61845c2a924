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

const (
	// maxWait is how long a client may wait for a change.
	maxWait = time.Minute
	// pollEvery is how often the row is read for a client that waits. One read by primary key takes a fraction of a millisecond, so a
	// hundred who wait cost less than one who works; and it needs nothing that could be away while the row is there.
	pollEvery = 100 * time.Millisecond
)

type statusInput struct {
	JobPath
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of the status that the client has."`
	Wait        string `query:"wait" doc:"How long to wait for a change, such as 30s or 30; 60s at most."`
}

type statusOutput struct {
	Status int
	ETag   string `header:"ETag"`
	// RetryAfter is empty once the job has ended.
	RetryAfter string `header:"Retry-After"`
	Body       events.JobStatus
}

// registerStatus registers the routes that say where a job stands.
func (s *Server) registerStatus() {
	route(s, Viewer, huma.Operation{
		OperationID: "job-status", Method: http.MethodGet, Path: prefix + "/jobs/{job_id}/status", Tags: []string{"jobs"},
		Summary: "Says where a job stands",
		Description: "With wait the answer comes as soon as the status differs from If-None-Match, or without that from what it was when " +
			"asked; at once where the job has ended, since nothing more will come.",
		Responses: map[string]*huma.Response{"304": {Description: "The status is what If-None-Match says"}},
	}, s.status)
}

func (s *Server) status(ctx context.Context, in *statusInput) (*statusOutput, error) {
	wait, err := parseWait(in.Wait)
	if err != nil {
		return nil, err
	}
	job, err := s.readJob(ctx, in.JobID)
	if err != nil {
		return nil, err
	}
	out, err := s.statusNow(ctx, job)
	if err != nil {
		return nil, err
	}
	known := in.IfNoneMatch
	if known == "" {
		known = out.ETag
	}
	if wait > 0 {
		if out, err = s.waitForChange(ctx, job, out, known, wait); err != nil {
			return nil, err
		}
	}
	if in.IfNoneMatch != "" && matches(in.IfNoneMatch, out.ETag) {
		out.Status = http.StatusNotModified
	}
	return out, nil
}

// statusNow reads where the job stands.
func (s *Server) statusNow(ctx context.Context, job schema.Job) (*statusOutput, error) {
	kept, err := schema.ReadStatus(ctx, s.db, job)
	if err != nil {
		return nil, err
	}
	out := &statusOutput{Status: http.StatusOK, Body: events.StatusOf(job, kept)}
	text, err := json.Marshal(out.Body)
	if err != nil {
		return nil, fmt.Errorf("status of job %s: %w", job.ID, err)
	}
	sum := sha256.Sum256(text)
	out.ETag = `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	if !out.Body.Status.Final() {
		out.RetryAfter = "1"
	}
	return out, nil
}

// waitForChange reads the status until it is not the known one, final, or the time is over.
func (s *Server) waitForChange(ctx context.Context, job schema.Job, out *statusOutput, known string, wait time.Duration) (*statusOutput, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for matches(known, out.ETag) && !out.Body.Status.Final() {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.stopping:
			return out, nil
		case <-over.C:
			return out, nil
		case <-tick.C:
		}
		var err error
		if out, err = s.statusNow(ctx, job); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// matches tells whether the list of an If-None-Match header holds the tag, by the weak comparison that is asked for there.
func matches(list, tag string) bool {
	for known := range strings.SplitSeq(list, ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == tag {
			return true
		}
	}
	return false
}

// parseWait reads a duration as Go writes it, or a number of seconds.
func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseUint(text, 10, 16); numeric == nil {
		wait, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || wait < 0 || wait > maxWait {
		return 0, refuseField("query.wait", "it has to be a duration of at most 60s, such as 30s, or a number of seconds")
	}
	return wait, nil
}

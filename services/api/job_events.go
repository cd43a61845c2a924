package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/pdeflow/pdeflow/events"
)

const (
	// heartbeat is the time after which a stream without an event sends a comment, so that no proxy closes it.
	heartbeat = 15 * time.Second
	// streamWrite is the time in which a client must take what is sent.
	streamWrite = 30 * time.Second
	// retryAfter is the time after which a client connects again, in milliseconds.
	retryAfter = 2000
)

// registerJobEvents registers the stream of the statuses of a job.
func (s *Server) registerJobEvents() {
	route(s, Viewer, huma.Operation{
		OperationID: "job-events", Method: http.MethodGet, Path: prefix + "/jobs/{job_id}/events",
		Tags:    []string{"jobs"},
		Summary: "Streams the statuses of a job as server-sent events",
		Description: "Sends the status immediately and after each change, and ends after the final one. The id of an " +
			"event is the ETag of the status. With Last-Event-ID, the stream begins with the first status that " +
			"differs from it; 204 if that was the final one. Comments keep the connection open.",
		Responses: map[string]*huma.Response{
			"200": {
				Description: "A stream of statuses, each as JSON in one line of data",
				Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
			},
			"204": {Description: "The job has ended, and the client has its final status"},
		},
	}, s.jobEvents)
}

func (s *Server) jobEvents(ctx context.Context, in *struct {
	JobPath
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that the client has received."`
},
) (*huma.StreamResponse, error) {
	reading, err := s.readStatus(ctx, in.JobID)
	if err != nil {
		return nil, err
	}
	if reading.status.Status.IsFinal() && reading.etag == in.LastEventID {
		return &huma.StreamResponse{Body: func(ctx huma.Context) { ctx.SetStatus(http.StatusNoContent) }}, nil
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humachi.Unwrap(ctx)
		stream, err := newEventStream(w)
		if err == nil {
			err = s.sendStatuses(ctx.Context(), stream, reading, in.LastEventID)
		}
		if err != nil && ctx.Context().Err() == nil {
			exchangeFrom(ctx.Context()).log.DebugContext(ctx.Context(), "stream of statuses ended", "error", err)
		}
	}}, nil
}

// sendStatuses sends the statuses of the job, beginning with the reading unless the client has it, until the final one.
func (s *Server) sendStatuses(ctx context.Context, stream *eventStream, reading jobReading, known string) error {
	for {
		if reading.etag != known {
			if err := stream.sendStatus(reading.etag, reading.status); err != nil {
				return err
			}
			known = reading.etag
		} else if err := stream.beat(); err != nil {
			return err
		}
		if reading.status.Status.IsFinal() {
			return nil
		}
		select {
		case <-s.stopping:
			return nil
		default:
		}
		var err error
		if reading, err = s.statuses.await(ctx, reading.status.JobID, known, heartbeat); err != nil {
			return err
		}
	}
}

// eventStream writes server-sent events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// newEventStream begins the response.
func newEventStream(w http.ResponseWriter) (*eventStream, error) {
	s := &eventStream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // proxies would collect several events
	w.WriteHeader(http.StatusOK)
	return s, s.write(fmt.Sprintf("retry: %d\n\n", retryAfter))
}

func (s *eventStream) sendStatus(id string, status events.JobStatus) error {
	text, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("status of job %s: %w", status.JobID, err)
	}
	return s.send(id, string(text))
}

// send sends an event with one line of data.
func (s *eventStream) send(id, data string) error {
	return s.write("id: " + id + "\ndata: " + data + "\n\n")
}

// beat sends a comment.
func (s *eventStream) beat() error { return s.write(":\n\n") }

func (s *eventStream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	_, err := io.WriteString(s.w, text)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return nil
}

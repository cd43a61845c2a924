package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// ModelCall is a call of a language model for a mapping in a job, with the raw reply, for the audit.
type ModelCall struct {
	ID            string           `json:"id"`
	MappingID     string           `json:"mapping_id"`
	Attempt       int              `json:"attempt"`
	Step          schema.CallStep  `json:"step" enum:"tables,answer,repair"`
	State         schema.CallState `json:"state" enum:"sent,answered,failed,aborted,lost"`
	Model         string           `json:"model"`
	RepliedModel  *string          `json:"replied_model" doc:"The model that the reply names."`
	PromptVersion string           `json:"prompt_version"`
	RequestSHA256 string           `json:"request_sha256" doc:"The digest of everything that was sent."`
	Usage         events.Usage     `json:"usage"`
	CachedTokens  int64            `json:"cached_input_tokens" doc:"Of the input tokens, those from the cache."`
	Reply         *string          `json:"reply" doc:"The body of the response, at most its first 64 KiB."`
	Error         *string          `json:"error"`
	DurationMS    int64            `json:"duration_ms"`
	CreatedAt     time.Time        `json:"created_at"`
	UpdatedAt     time.Time        `json:"updated_at"`
}

// registerModelCalls registers the list of the calls of a job.
func (s *Server) registerModelCalls() {
	route(s, Viewer, huma.Operation{
		OperationID: "list-model-calls", Method: http.MethodGet, Path: prefix + "/jobs/{job_id}/calls",
		Tags:    []string{"jobs"},
		Summary: "Lists the calls of the model for the mappings of a job, the oldest first, with the raw replies",
	}, func(ctx context.Context, in *struct {
		JobPath
		PageQuery
		MappingID string `query:"mapping_id" doc:"Only the calls for this mapping."`
	},
	) (*pageOutput[ModelCall], error) {
		after, err := in.afterID()
		if err != nil {
			return nil, err
		}
		if _, err := s.readJob(ctx, in.JobID); err != nil {
			return nil, err
		}
		calls, err := schema.ListModelCalls(ctx, s.db, in.JobID, in.MappingID, after, in.rows())
		if err != nil {
			return nil, err
		}
		idOf := func(c schema.ModelCall) []string { return []string{c.ID} }
		body, err := pageOf(in.PageQuery, calls, newModelCall, idOf)
		return &pageOutput[ModelCall]{Body: body}, err
	})
}

func newModelCall(c schema.ModelCall) ModelCall {
	usage := schema.Usage{InputTokens: c.InputTokens, OutputTokens: c.OutputTokens, CostUSD: c.CostUSD}
	return ModelCall{
		ID: c.ID, MappingID: c.MappingID, Attempt: c.Attempt, Step: c.Step, State: c.State, Model: c.Model,
		RepliedModel: orNull(c.RepliedModel), PromptVersion: c.PromptVersion, RequestSHA256: c.RequestSHA256,
		Usage: events.UsageOf(usage), CachedTokens: c.CachedInputTokens, Reply: orNull(c.Reply), Error: orNull(c.Error),
		DurationMS: c.DurationMS, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
}

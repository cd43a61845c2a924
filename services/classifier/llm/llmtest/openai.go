package llmtest

import (
	"encoding/json"
	"net/http"
)

// openAI is the protocol of chat completions.
type openAI struct{}

func (openAI) read(body []byte) (question, error) {
	var in struct {
		Model    string `json:"model"`
		Messages []struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"messages"`
		ResponseFormat struct {
			JSONSchema struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"json_schema"`
		} `json:"response_format"`
		LogProbs bool `json:"logprobs"`
	}
	err := json.Unmarshal(body, &in)
	q := question{model: in.Model, schema: in.ResponseFormat.JSONSchema.Schema, logProbs: in.LogProbs}
	for _, m := range in.Messages {
		if m.Role == "system" {
			q.system += m.Content
		} else {
			q.texts = append(q.texts, m.Content)
		}
	}
	return q, err
}

func (openAI) reply(_ question, a outcome) any {
	message := map[string]any{"role": "assistant", "content": a.text, "refusal": nil}
	finish := "stop"
	switch {
	case a.refusal:
		message["content"], message["refusal"] = nil, a.text
	case a.cutOff:
		finish = "length"
	}
	choice := map[string]any{"index": 0, "message": message, "finish_reason": finish, "logprobs": nil}
	if a.logProbs != nil {
		choice["logprobs"] = map[string]any{"content": a.logProbs}
	}
	choices := []any{choice}
	if a.empty {
		choices = []any{}
	}
	return map[string]any{
		"id": a.id, "object": "chat.completion", "model": a.model, "choices": choices, "usage": map[string]any{
			"prompt_tokens": a.used.input, "completion_tokens": a.used.output,
			"total_tokens":          a.used.input + a.used.output,
			"prompt_tokens_details": map[string]any{"cached_tokens": a.used.cached},
		},
	}
}

func (openAI) failure(fault Fault) (status int, body any) {
	switch fault {
	case RateLimited, RateLimitedNoHint:
		return http.StatusTooManyRequests, openAIError("Rate limit reached", "requests", "rate_limit_exceeded")
	case Overloaded:
		return http.StatusServiceUnavailable, openAIError("The engine is currently overloaded", "server_error", nil)
	default:
		return http.StatusInternalServerError, openAIError("The server had an error", "server_error", nil)
	}
}

func (openAI) unknown(model string) any {
	return openAIError("The model `"+model+"` does not exist", "invalid_request_error", "model_not_found")
}

func (openAI) unauthorized() any {
	return openAIError("Incorrect API key provided", "invalid_request_error", "invalid_api_key")
}

func openAIError(message, kind string, code any) any {
	return map[string]any{"error": map[string]any{"message": message, "type": kind, "param": nil, "code": code}}
}

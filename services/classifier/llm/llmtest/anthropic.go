package llmtest

import (
	"encoding/json"
	"net/http"
)

// anthropic is the protocol of messages.
type anthropic struct{}

// statusOverloaded is the status of overloaded_error.
const statusOverloaded = 529

func (anthropic) read(body []byte) (question, error) {
	var in struct {
		Model  string `json:"model"`
		System []struct {
			Text string `json:"text"`
		} `json:"system"`
		Messages []struct {
			Content string `json:"content"`
		} `json:"messages"`
		OutputConfig struct {
			Format struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"output_config"`
		Tools []struct {
			Name        string          `json:"name"`
			InputSchema json.RawMessage `json:"input_schema"`
		} `json:"tools"`
	}
	err := json.Unmarshal(body, &in)
	q := question{model: in.Model, schema: in.OutputConfig.Format.Schema}
	for _, block := range in.System {
		q.system += block.Text
	}
	for _, m := range in.Messages {
		q.texts = append(q.texts, m.Content)
	}
	if len(in.Tools) > 0 {
		q.tool, q.schema = in.Tools[0].Name, in.Tools[0].InputSchema
	}
	return q, err
}

func (anthropic) reply(q question, a outcome) any {
	content := []any{map[string]any{"type": "text", "text": a.text}}
	stop := "end_turn"
	if q.tool != "" && json.Valid([]byte(a.text)) {
		stop = "tool_use"
		content = []any{map[string]any{
			"type": "tool_use", "id": "test", "name": q.tool, "input": json.RawMessage(a.text),
		}}
	}
	switch {
	case a.refusal:
		stop = "refusal"
	case a.cutOff:
		stop = "max_tokens"
	case a.empty:
		content = []any{}
	}
	return map[string]any{
		"id": a.id, "type": "message", "role": "assistant", "model": a.model, "content": content, "stop_reason": stop,
		"usage": map[string]any{
			"input_tokens": a.used.input - a.used.cached, "cache_read_input_tokens": a.used.cached,
			"cache_creation_input_tokens": 0, "output_tokens": a.used.output,
		},
	}
}

func (anthropic) failure(fault Fault) (status int, body any) {
	switch fault {
	case RateLimited, RateLimitedNoHint:
		return http.StatusTooManyRequests, anthropicError("rate_limit_error", "This would exceed the rate limit")
	case Overloaded:
		return statusOverloaded, anthropicError("overloaded_error", "Overloaded")
	default:
		return http.StatusInternalServerError, anthropicError("api_error", "Internal server error")
	}
}

func (anthropic) unknown(model string) any { return anthropicError("not_found_error", "model: "+model) }

func (anthropic) unauthorized() any {
	return anthropicError("authentication_error", "invalid x-api-key")
}

func anthropicError(kind, message string) any {
	return map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": message}}
}

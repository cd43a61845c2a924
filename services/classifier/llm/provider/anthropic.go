package provider

import (
	"cmp"
	"encoding/json"
	"net/http"
)

// anthropicVersion is the version of the protocol that this package speaks.
const anthropicVersion = "2023-06-01"

// anthropic is the protocol of messages.
type anthropic struct{}

type anthropicRequest struct {
	Model        string             `json:"model"`
	MaxTokens    int                `json:"max_tokens"`
	System       []anthropicBlock   `json:"system,omitempty"`
	Messages     []anthropicMessage `json:"messages"`
	OutputConfig *anthropicOutput   `json:"output_config,omitempty"`
	Tools        []anthropicTool    `json:"tools,omitempty"`
	ToolChoice   *anthropicChoice   `json:"tool_choice,omitempty"`
}

type anthropicMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type anthropicBlock struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	CacheControl *anthropicCache `json:"cache_control,omitempty"`
}

type anthropicCache struct {
	Type string `json:"type"`
}

type anthropicOutput struct {
	Format anthropicFormat `json:"format"`
}

type anthropicFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type anthropicTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"`
}

type anthropicChoice struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type anthropicReply struct {
	Type       string             `json:"type"`
	Model      string             `json:"model"`
	Content    []anthropicContent `json:"content"`
	StopReason string             `json:"stop_reason"`
	Usage      struct {
		InputTokens              int64 `json:"input_tokens"`
		CacheReadInputTokens     int64 `json:"cache_read_input_tokens"`
		CacheCreationInputTokens int64 `json:"cache_creation_input_tokens"`
		OutputTokens             int64 `json:"output_tokens"`
	} `json:"usage"`
}

type anthropicContent struct {
	Type  string          `json:"type"`
	Text  string          `json:"text"`
	Input json.RawMessage `json:"input"`
}

func (anthropic) path() string { return "v1/messages" }

func (anthropic) modelPath() string { return "v1/models" }

func (anthropic) authorize(h http.Header, _, key string) {
	h.Set("Anthropic-Version", anthropicVersion)
	if key != "" {
		h.Set("X-Api-Key", key)
	}
}

func (anthropic) encode(model string, r Request, with features) any {
	body := anthropicRequest{Model: model, MaxTokens: cmp.Or(r.MaxOutputTokens, defaultMaxOutputTokens)}
	if r.System != "" {
		body.System = []anthropicBlock{{Type: "text", Text: r.System, CacheControl: &anthropicCache{Type: "ephemeral"}}}
	}
	for _, m := range r.Messages {
		body.Messages = append(body.Messages, anthropicMessage{Role: m.Role, Content: m.Text})
	}
	switch {
	case r.Schema == nil:
	case with.format:
		body.OutputConfig = &anthropicOutput{Format: anthropicFormat{Type: "json_schema", Schema: r.Schema}}
	default:
		body.Tools = []anthropicTool{{Name: r.SchemaName, Description: "Returns the answer.", InputSchema: r.Schema}}
		body.ToolChoice = &anthropicChoice{Type: "tool", Name: r.SchemaName}
	}
	return body
}

func (anthropic) decode(body []byte, reply *Reply) error {
	var in anthropicReply
	if err := json.Unmarshal(body, &in); err != nil {
		return malformed(err)
	}
	used := in.Usage
	reply.Model, reply.Stopped = in.Model, in.StopReason
	reply.Usage = Usage{
		// The provider counts cached tokens separately.
		InputTokens:  used.InputTokens + used.CacheReadInputTokens + used.CacheCreationInputTokens,
		CachedTokens: used.CacheReadInputTokens, CacheWriteTokens: used.CacheCreationInputTokens,
		OutputTokens: used.OutputTokens,
	}
	for _, block := range in.Content {
		switch block.Type { // thinking is not part of the answer
		case "text":
			reply.Text += block.Text
		case "tool_use":
			reply.Text = string(block.Input)
		}
	}
	switch {
	case in.StopReason == "refusal":
		return &Error{
			Kind:    KindRefusal,
			Status:  http.StatusOK,
			Message: cmp.Or(reply.Text, "the model refused to answer"),
		}
	case len(in.Content) == 0:
		return &Error{Kind: KindMalformed, Status: http.StatusOK, Message: "the reply has no content"}
	case reply.Text == "":
		return &Error{Kind: KindMalformed, Status: http.StatusOK, Message: "the reply has no text"}
	}
	return nil
}

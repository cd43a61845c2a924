package provider

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// defaultMaxOutputTokens limits an answer for which the caller gives no limit.
const defaultMaxOutputTokens = 1024

// openAI is the protocol of chat completions.
type openAI struct{}

type openAIRequest struct {
	Model               string          `json:"model"`
	Messages            []openAIMessage `json:"messages"`
	ResponseFormat      *openAIFormat   `json:"response_format,omitempty"`
	MaxTokens           int             `json:"max_tokens,omitempty"`
	MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
	Temperature         *float64        `json:"temperature,omitempty"`
	LogProbs            bool            `json:"logprobs,omitempty"`
}

type openAIMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type openAIFormat struct {
	Type       string       `json:"type"`
	JSONSchema openAISchema `json:"json_schema"`
}

type openAISchema struct {
	Name   string          `json:"name"`
	Strict bool            `json:"strict"`
	Schema json.RawMessage `json:"schema"`
}

type openAIReply struct {
	Model   string         `json:"model"`
	Choices []openAIChoice `json:"choices"`
	Usage   struct {
		PromptTokens        int64 `json:"prompt_tokens"`
		CompletionTokens    int64 `json:"completion_tokens"`
		PromptTokensDetails struct {
			CachedTokens     int64 `json:"cached_tokens"`
			CacheWriteTokens int64 `json:"cache_write_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

type openAIChoice struct {
	Message struct {
		Content string `json:"content"`
		Refusal string `json:"refusal"`
	} `json:"message"`
	FinishReason string `json:"finish_reason"`
	LogProbs     struct {
		Content []LogProb `json:"content"`
	} `json:"logprobs"`
}

func (openAI) path() string { return "chat/completions" }

func (openAI) modelPath() string { return "models" }

func (openAI) authorize(h http.Header, host, key string) {
	if key == "" {
		return
	}
	h.Set("Authorization", "Bearer "+key)
	if azure(host) {
		h.Set("Api-Key", key)
	}
}

// azure reports whether a host is one of Azure, whose keys have a header of their own.
func azure(host string) bool { return strings.HasSuffix(host, ".azure.com") }

func (openAI) encode(model string, r Request, with features) any {
	body := openAIRequest{Model: model, LogProbs: with.logProbs}
	if r.System != "" {
		body.Messages = append(body.Messages, openAIMessage{Role: "system", Content: r.System})
	}
	for _, m := range r.Messages {
		body.Messages = append(body.Messages, openAIMessage{Role: m.Role, Content: m.Text})
	}
	if r.Schema != nil {
		body.ResponseFormat = &openAIFormat{
			Type: "json_schema", JSONSchema: openAISchema{Name: r.SchemaName, Strict: true, Schema: r.Schema},
		}
	}
	if limit := cmp.Or(r.MaxOutputTokens, defaultMaxOutputTokens); with.completionTokens {
		body.MaxCompletionTokens = limit
	} else {
		body.MaxTokens = limit
	}
	if with.temperature {
		body.Temperature = new(float64)
	}
	return body
}

func (openAI) decode(body []byte, reply *Reply) error {
	var in openAIReply
	if err := json.Unmarshal(body, &in); err != nil {
		return malformed(err)
	}
	used := in.Usage
	reply.Model = in.Model
	reply.Usage = Usage{
		InputTokens: used.PromptTokens, CachedTokens: used.PromptTokensDetails.CachedTokens,
		CacheWriteTokens: used.PromptTokensDetails.CacheWriteTokens, OutputTokens: used.CompletionTokens,
	}
	if len(in.Choices) == 0 {
		return &Error{Kind: KindMalformed, Status: http.StatusOK, Message: "the reply has no choices"}
	}
	choice := in.Choices[0]
	reply.Text, reply.Stopped, reply.LogProbs = choice.Message.Content, choice.FinishReason, choice.LogProbs.Content
	switch {
	case choice.Message.Refusal != "":
		return &Error{Kind: KindRefusal, Status: http.StatusOK, Message: choice.Message.Refusal}
	case choice.FinishReason == "content_filter":
		return &Error{Kind: KindRefusal, Status: http.StatusOK, Message: "a content filter removed the answer"}
	case reply.Text == "":
		return &Error{Kind: KindMalformed, Status: http.StatusOK, Message: "the reply has no text"}
	}
	return nil
}

// malformed returns the error of a body that cannot be decoded.
func malformed(err error) error {
	return &Error{
		Kind: KindMalformed, Status: http.StatusOK, Message: "the reply is not JSON of the protocol: " + err.Error(),
	}
}

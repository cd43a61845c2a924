package provider_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

func TestComplete_NamesTheKindOfAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, protocol string
		status         int
		body           string
		want           provider.Kind
	}{
		{
			"OpenAI: rate", provider.OpenAI, 429,
			`{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`,
			provider.KindRateLimited,
		},
		{
			"OpenAI: no credit", provider.OpenAI, 429,
			`{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}`,
			provider.KindCredit,
		},
		{
			"OpenAI: overloaded", provider.OpenAI, 503,
			`{"error":{"message":"The engine is currently overloaded, please try again later"}}`,
			provider.KindOverloaded,
		},
		{
			"OpenAI: too long", provider.OpenAI, 400,
			`{"error":{"message":"The maximum context length is 8192 tokens","code":"context_length_exceeded"}}`,
			provider.KindTooLong,
		},
		{
			"OpenAI: schema", provider.OpenAI, 400,
			`{"error":{"message":"Invalid schema for response_format 'answer'","param":"response_format"}}`,
			provider.KindRequest,
		},
		{
			"Azure: deployment", provider.OpenAI, 404,
			`{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`,
			provider.KindModel,
		},
		{
			"Azure: filter", provider.OpenAI, 400,
			`{"error":{"code":"content_filter","message":"The response was filtered"}}`, provider.KindRefusal,
		},
		{
			"vLLM: model", provider.OpenAI, 404,
			`{"object":"error","message":"The model model-1 does not exist.","type":"NotFoundError","code":404}`,
			provider.KindModel,
		},
		{
			"Ollama: model", provider.OpenAI, 404,
			`{"error":{"message":"model 'model-1' not found","type":"not_found_error"}}`, provider.KindModel,
		},
		{"gateway: text", provider.OpenAI, 502, `<html>bad gateway</html>`, provider.KindUnavailable},
		{"gateway: string", provider.OpenAI, 401, `{"error":"unauthorized"}`, provider.KindKey},
		{"wrong path", provider.OpenAI, 404, `404 page not found`, provider.KindRequest},
		{
			"Anthropic: rate", provider.Anthropic, 429,
			`{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`, provider.KindRateLimited,
		},
		{
			"Anthropic: overloaded", provider.Anthropic, 529,
			`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, provider.KindOverloaded,
		},
		{
			"Anthropic: error", provider.Anthropic, 500,
			`{"type":"error","error":{"type":"api_error","message":"Internal server error"}}`,
			provider.KindUnavailable,
		},
		{
			"Anthropic: key", provider.Anthropic, 401,
			`{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, provider.KindKey,
		},
		{
			"Anthropic: model", provider.Anthropic, 404,
			`{"type":"error","error":{"type":"not_found_error","message":"model: model-1"}}`, provider.KindModel,
		},
		{
			"Anthropic: no credit", provider.Anthropic, 400,
			`{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}`,
			provider.KindCredit,
		},
		{
			"Anthropic: too long", provider.Anthropic, 400,
			`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens"}}`,
			provider.KindTooLong,
		},
		{
			"Anthropic: too large", provider.Anthropic, 413,
			`{"type":"error","error":{"type":"request_too_large","message":"Request too large"}}`,
			provider.KindTooLong,
		},

		{
			"OpenAI: refusal", provider.OpenAI, 200,
			`{"choices":[{"message":{"content":null,"refusal":"I cannot help with that."},"finish_reason":"stop"}],` +
				`"usage":{"prompt_tokens":9}}`, provider.KindRefusal,
		},
		{
			"OpenAI: removed", provider.OpenAI, 200,
			`{"choices":[{"message":{"content":"x"},"finish_reason":"content_filter"}],"usage":{"prompt_tokens":9}}`,
			provider.KindRefusal,
		},
		{
			"OpenAI: no choices",
			provider.OpenAI,
			200,
			`{"choices":[],"usage":{"prompt_tokens":9}}`,
			provider.KindMalformed,
		},
		{
			"OpenAI: no text", provider.OpenAI, 200,
			`{"choices":[{"message":{"content":""},"finish_reason":"length"}],"usage":{"prompt_tokens":9}}`,
			provider.KindMalformed,
		},
		{"OpenAI: truncated", provider.OpenAI, 200, openAIAnswer[:60], provider.KindMalformed},
		{
			"Anthropic: refusal", provider.Anthropic, 200,
			`{"content":[],"stop_reason":"refusal","usage":{"input_tokens":9}}`, provider.KindRefusal,
		},
		{
			"Anthropic: no content", provider.Anthropic, 200,
			`{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":9}}`, provider.KindMalformed,
		},
		{
			"Anthropic: only thinking", provider.Anthropic, 200,
			`{"content":[{"type":"thinking","thinking":"hm"}],"stop_reason":"max_tokens","usage":{"input_tokens":9}}`,
			provider.KindMalformed,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, test.protocol, func(w http.ResponseWriter, _ *http.Request) {
				write(w, test.status, test.body)
			})
			reply, err := client.Complete(t.Context(), question())
			if got := kind(err); got != test.want {
				t.Errorf("Complete: got %v, want kind %s", err, test.want)
			}
			if paid := test.status == http.StatusOK && !strings.Contains(test.name, "truncated"); paid &&
				(reply.Usage.InputTokens != 9 || string(reply.Raw) != test.body) {
				t.Errorf("got usage %+v and body %q, want 9 tokens and the whole body", reply.Usage, reply.Raw)
			}
		})
	}
}

func TestComplete_RefusesABodyOverOneMegabyte(t *testing.T) {
	t.Parallel()
	client := serve(t, provider.OpenAI, func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, `{"choices":[{"message":{"content":"`+strings.Repeat("a", 1<<20)+`"}}]}`)
	})
	reply, err := client.Complete(t.Context(), question())
	if kind(err) != provider.KindMalformed || len(reply.Raw) != 1<<20 {
		t.Errorf("Complete: got %v and %d bytes, want kind %s and 1 MB", err, len(reply.Raw), provider.KindMalformed)
	}
}

// A connection that breaks in the middle of a body is an outage, so that no item fails.
func TestComplete_ABrokenConnectionIsAnOutage(t *testing.T) {
	t.Parallel()
	client := serve(t, provider.OpenAI, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		write(w, http.StatusOK, openAIAnswer[:60])
		panic(http.ErrAbortHandler)
	})
	if _, err := client.Complete(t.Context(), question()); kind(err) != provider.KindUnavailable {
		t.Errorf("Complete: got %v, want kind %s", err, provider.KindUnavailable)
	}
}

func TestComplete_ReadsHints(t *testing.T) {
	t.Parallel()
	began := time.Now()
	inAMinute := began.Add(time.Minute)
	tests := []struct {
		name    string
		headers []string
		want    time.Duration
	}{
		{"none", nil, 0},
		{"seconds", []string{"Retry-After", "7"}, 7 * time.Second},
		{"fraction", []string{"Retry-After", "0.5"}, 500 * time.Millisecond},
		{"date", []string{"Retry-After", inAMinute.UTC().Format(http.TimeFormat)}, time.Minute},
		{"past date", []string{"Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"}, 0},
		{"milliseconds first", []string{"Retry-After-Ms", "250", "Retry-After", "9"}, 250 * time.Millisecond},
		{"a year", []string{"Retry-After", "31536000"}, time.Hour},
		{"nonsense", []string{"Retry-After", "soon"}, 0},
		{"not a number", []string{"Retry-After", "NaN"}, 0},
		{"negative", []string{"Retry-After", "-5"}, 0},
		{
			"OpenAI: requests",
			[]string{"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "6m0s"},
			6 * time.Minute,
		},
		{"OpenAI: the longer of two", []string{
			"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "20ms",
			"X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", "3s",
		}, 3 * time.Second},
		{
			"OpenAI: not exhausted",
			[]string{"X-Ratelimit-Remaining-Requests", "5", "X-Ratelimit-Reset-Requests", "6m0s"},
			0,
		},
		{
			"Azure: seconds",
			[]string{"X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", "12"},
			12 * time.Second,
		},
		{"Anthropic", []string{
			"Anthropic-Ratelimit-Input-Tokens-Remaining", "0",
			"Anthropic-Ratelimit-Input-Tokens-Reset", inAMinute.UTC().Format(time.RFC3339),
		}, time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, provider.OpenAI, func(w http.ResponseWriter, _ *http.Request) {
				write(w, http.StatusTooManyRequests, "", test.headers...)
			})
			_, err := client.Complete(t.Context(), question())
			failure, ok := errors.AsType[*provider.Error](err)
			if !ok {
				t.Fatalf("Complete: got %v, want an *Error", err)
			}
			// A header with a time has whole seconds, and the time has come closer since the test began.
			if got := failure.RetryAfter; got > test.want || got < test.want-time.Since(began)-time.Second {
				t.Errorf("got a wait of %s, want %s", got, test.want)
			}
		})
	}
}

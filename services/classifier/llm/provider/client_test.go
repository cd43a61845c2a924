package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// key is long enough to be recognised in an error.
const key = "sk-test-0123456789"

// serve runs a server for the test and returns a client of it.
func serve(t *testing.T, protocol string, handler http.HandlerFunc) *provider.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	base := server.URL
	if protocol == provider.OpenAI {
		base += "/v1"
	}
	return newClient(t, provider.Config{Protocol: protocol, BaseURL: base})
}

func newClient(t *testing.T, c provider.Config) *provider.Client {
	t.Helper()
	c.Model, c.APIKey = "model-1", key
	client, err := provider.New(c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return client
}

// question is a request with every field.
func question() provider.Request {
	return provider.Request{
		System: "Choose.", Messages: []provider.Message{{Role: provider.RoleUser, Text: "Which?"}},
		SchemaName: "answer", Schema: json.RawMessage(`{"type":"object"}`), MaxOutputTokens: 200,
	}
}

// write sends a body with a status and headers, which are pairs of a name and a value.
func write(w http.ResponseWriter, status int, body string, headers ...string) {
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	io.WriteString(w, body) //nolint:errcheck // the client reports what it misses
}

func readJSON(t *testing.T, r *http.Request) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Errorf("body of %s: %v", r.URL.Path, err)
	}
	return body
}

const openAIAnswer = `{"id":"c1","object":"chat.completion","model":"model-1-2026","choices":[{"index":0,
	"message":{"role":"assistant","content":"{\"index\":3}","refusal":null},
	"logprobs":{"content":[{"token":"3","logprob":-0.25,"top_logprobs":[]}]},"finish_reason":"stop"}],
	"usage":{"prompt_tokens":120,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":64}}}`

const anthropicAnswer = `{"id":"m1","type":"message","role":"assistant","model":"model-1-2026",
	"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"{\"index\":3}"}],"stop_reason":"end_turn",
	"usage":{"input_tokens":20,"cache_read_input_tokens":64,"cache_creation_input_tokens":36,"output_tokens":8}}`

func TestComplete_SpeaksOpenAI(t *testing.T) {
	t.Parallel()
	client := serve(t, provider.OpenAI, func(w http.ResponseWriter, r *http.Request) {
		want := map[string]any{
			"model":    "model-1",
			"messages": []any{message("system", "Choose."), message("user", "Which?")},
			"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{
				"name": "answer", "strict": true, "schema": map[string]any{"type": "object"},
			}},
			"max_tokens": 200.0, "temperature": 0.0, "logprobs": true,
		}
		if d := cmp.Diff(want, readJSON(t, r)); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
		if got, want := r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"),
			"POST /v1/chat/completions Bearer "+key; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		write(w, http.StatusOK, openAIAnswer, "X-Request-Id", "r1")
	})
	got, err := client.Complete(t.Context(), question())
	if err != nil {
		t.Fatal(err)
	}
	want := provider.Reply{
		Text: `{"index":3}`, Model: "model-1-2026", Stopped: "stop", RequestID: "r1", Raw: []byte(openAIAnswer),
		Usage:    provider.Usage{InputTokens: 120, CachedTokens: 64, OutputTokens: 8},
		LogProbs: []provider.LogProb{{Token: "3", LogProb: -0.25}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("reply (-want +got):\n%s", d)
	}
}

func message(role, text string) map[string]any { return map[string]any{"role": role, "content": text} }

func TestComplete_SpeaksAnthropic(t *testing.T) {
	t.Parallel()
	client := serve(t, provider.Anthropic, func(w http.ResponseWriter, r *http.Request) {
		want := map[string]any{
			"model": "model-1", "max_tokens": 200.0,
			"system": []any{map[string]any{
				"type": "text", "text": "Choose.", "cache_control": map[string]any{"type": "ephemeral"},
			}},
			"messages": []any{message("user", "Which?")},
			"output_config": map[string]any{"format": map[string]any{
				"type": "json_schema", "schema": map[string]any{"type": "object"},
			}},
		}
		if d := cmp.Diff(want, readJSON(t, r)); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
		if got, want := fmt.Sprint(r.Method, r.URL.Path, r.Header["X-Api-Key"], r.Header["Anthropic-Version"]),
			"POST/v1/messages["+key+"] [2023-06-01]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		write(w, http.StatusOK, anthropicAnswer, "Request-Id", "r1")
	})
	got, err := client.Complete(t.Context(), question())
	if err != nil {
		t.Fatal(err)
	}
	want := provider.Reply{
		Text: `{"index":3}`, Model: "model-1-2026", Stopped: "end_turn", RequestID: "r1", Raw: []byte(anthropicAnswer),
		Usage: provider.Usage{InputTokens: 120, CachedTokens: 64, CacheWriteTokens: 36, OutputTokens: 8},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("reply (-want +got):\n%s", d)
	}
}

// A server that refuses a parameter is asked again without it, once for all calls.
func TestComplete_OmitsRefusedParameters(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, protocol string
		refuse         func(body map[string]any) string
		answer         string
	}{
		{"reasoning model", provider.OpenAI, func(body map[string]any) string {
			for _, parameter := range []string{"logprobs", "temperature", "max_tokens"} {
				if _, ok := body[parameter]; ok {
					return `{"error":{"message":"Unsupported parameter","type":"invalid_request_error","param":"` +
						parameter + `","code":"unsupported_parameter"}}`
				}
			}
			return ""
		}, openAIAnswer},
		{"model without output_config", provider.Anthropic, func(body map[string]any) string {
			if body["output_config"] != nil {
				return `{"type":"error","error":{"type":"invalid_request_error",` +
					`"message":"This model does not support output_config."}}`
			}
			return ""
		}, `{"model":"m","content":[{"type":"tool_use","name":"answer","input":{"index":3}}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused := 0
			client := serve(t, test.protocol, func(w http.ResponseWriter, r *http.Request) {
				if text := test.refuse(readJSON(t, r)); text != "" {
					refused++
					write(w, http.StatusBadRequest, text)
					return
				}
				write(w, http.StatusOK, test.answer)
			})
			for range 2 {
				reply, err := client.Complete(t.Context(), question())
				if err != nil || reply.Text != `{"index":3}` {
					t.Errorf("Complete: got %q, %v", reply.Text, err)
				}
			}
			if want := map[string]int{provider.OpenAI: 3, provider.Anthropic: 1}[test.protocol]; refused != want {
				t.Errorf("got %d refused requests in two calls, want %d", refused, want)
			}
		})
	}
}

func TestNew_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give provider.Config
		want string
	}{
		{"protocol", provider.Config{Protocol: "ollama", Model: "m"}, "PDEFLOW_LLM"},
		{"model", provider.Config{Protocol: provider.OpenAI, APIKey: key}, "PDEFLOW_LLM_MODEL"},
		{"OpenAI key", provider.Config{Protocol: provider.OpenAI, Model: "m"}, "OPENAI_API_KEY"},
		{"Anthropic key", provider.Config{Protocol: provider.Anthropic, Model: "m"}, "ANTHROPIC_API_KEY"},
		{
			"key with a line break",
			provider.Config{Protocol: provider.OpenAI, Model: "m", APIKey: key + "\n"},
			"OPENAI_API_KEY",
		},
		{
			"URL",
			provider.Config{Protocol: provider.OpenAI, Model: "m", BaseURL: "localhost:11434/" + key},
			"OPENAI_BASE_URL",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := provider.New(test.give)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), key) {
				t.Errorf("New: got error %v, want one that names %s and not the key", err, test.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const noRoute, noModel = `{"detail":"Not Found"}`, `{"error":{"message":"The model 'model-1' does not exist",` +
		`"type":"invalid_request_error","param":null,"code":"model_not_found"}}`
	tests := []struct {
		name                   string
		modelStatus, askStatus int
		model, ask             string
		want                   provider.Kind
	}{
		{"known model", 200, 500, `{"id":"model-1","object":"model"}`, "", ""},
		{
			"refused key",
			401,
			500,
			`{"error":{"message":"Incorrect API key provided: sk-te***89"}}`,
			"",
			provider.KindKey,
		},
		{"unknown model", 404, 404, noModel, noModel, provider.KindModel},
		{"no route of models", 404, 200, noRoute, openAIAnswer, ""},
		{"neither route", 404, 404, noRoute, noRoute, provider.KindRequest},
		{"key that may not list models", 403, 200, `{"error":{"message":"Missing scopes"}}`, openAIAnswer, ""},
		{"a page instead of a model", 200, 200, `<html>`, openAIAnswer, ""},
		{"outage", 503, 200, "", openAIAnswer, provider.KindUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, provider.OpenAI, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/v1/models/model-1":
					write(w, test.modelStatus, test.model)
				case "/v1/chat/completions":
					write(w, test.askStatus, test.ask)
				default:
					t.Errorf("unexpected request of %s", r.URL.Path)
				}
			})
			if got := kind(client.Check(t.Context())); got != test.want {
				t.Errorf("Check: got kind %q, want %q", got, test.want)
			}
		})
	}
}

// kind returns the kind of an error of a call, or "" for nil.
func kind(err error) provider.Kind {
	if failure, ok := errors.AsType[*provider.Error](err); ok {
		return failure.Kind
	}
	if err != nil {
		return "not an *Error"
	}
	return ""
}

func TestComplete_ReturnsTheContextsErrorOnCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	client := serve(t, provider.OpenAI, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // the server notices the end of the connection after the body
		cancel()
		<-r.Context().Done()
		close(ended)
	})
	if _, err := client.Complete(ctx, question()); !errors.Is(err, context.Canceled) {
		t.Errorf("Complete: got %v, want %v", err, context.Canceled)
	}
	<-ended // the cancel has reached the server
}

func TestComplete_TimesOutInTheMiddleOfABody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // see above
		write(w, http.StatusOK, `{"choices":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	client := newClient(t, provider.Config{
		Protocol: provider.OpenAI, BaseURL: server.URL, Timeout: 50 * time.Millisecond,
	})
	if _, err := client.Complete(t.Context(), question()); kind(err) != provider.KindUnavailable {
		t.Errorf("Complete: got %v, want kind %s", err, provider.KindUnavailable)
	}
}

func TestComplete_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	client := serve(t, provider.Anthropic, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("the client followed the redirect")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if _, err := client.Complete(t.Context(), question()); kind(err) != provider.KindRequest {
		t.Errorf("Complete: got %v, want kind %s", err, provider.KindRequest)
	}
}

// No error contains the key: not of a server that repeats it, and not of a URL with the key in its query.
func TestComplete_ErrorsDoNotContainTheKey(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			client := serve(t, provider.OpenAI, func(w http.ResponseWriter, _ *http.Request) {
				write(
					w,
					status,
					`{"error":{"message":"the key `+key+` of the request is wrong"}}`,
					"X-Request-Id",
					"r7",
				)
			})
			_, err := client.Complete(t.Context(), question())
			if err == nil || strings.Contains(err.Error(), key) {
				t.Errorf("Complete: got error %v, want one without the key", err)
			}
		})
	}
	t.Run("connection refused", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		client := newClient(t, provider.Config{
			Protocol: provider.OpenAI, BaseURL: "http://" + listener.Addr().String() + "/v1?key=" + key,
		})
		_, err = client.Complete(t.Context(), question())
		if kind(err) != provider.KindUnavailable || strings.Contains(err.Error(), key) {
			t.Errorf("Complete: got error %v, want kind %s without the key", err, provider.KindUnavailable)
		}
		if text := fmt.Sprintf("%+v", client); strings.Contains(text, key) {
			t.Errorf("the client prints its key: %s", text)
		}
	})
}

package provider_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// answerWith is a transport that answers every request with a body.
type answerWith string

func (body answerWith) RoundTrip(r *http.Request) (*http.Response, error) {
	text := io.NopCloser(strings.NewReader(string(body)))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: text, Request: r}, nil
}

// BenchmarkComplete measures a call without the network: the request is written and the reply decoded.
func BenchmarkComplete(b *testing.B) {
	// The log-probabilities of 150 tokens, as a provider returns them.
	token := `{"token":"index","logprob":-0.0012,"bytes":[105,110,100,101,120],"top_logprobs":[]},`
	logProbs := strings.Replace(openAIAnswer, `{"token":"3","logprob":-0.25,"top_logprobs":[]}`,
		strings.TrimSuffix(strings.Repeat(token, 150), ","), 1)
	request := question()
	request.System = strings.Repeat("The rules of the classification. ", 200)
	for _, test := range []struct{ name, protocol, body string }{
		{"OpenAI", provider.OpenAI, openAIAnswer},
		{"OpenAI with log-probabilities", provider.OpenAI, logProbs},
		{"Anthropic", provider.Anthropic, anthropicAnswer},
	} {
		b.Run(test.name, func(b *testing.B) {
			client, err := provider.New(provider.Config{
				Protocol: test.protocol, Model: "model-1", APIKey: key,
				HTTP: &http.Client{Transport: answerWith(test.body)},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Complete(b.Context(), request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

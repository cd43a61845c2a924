package llmtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// start runs a server for the test.
func start(t *testing.T, o llmtest.Options) *llmtest.Server {
	t.Helper()
	server, err := llmtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func client(t *testing.T, server *llmtest.Server, protocol string, timeout time.Duration) *provider.Client {
	t.Helper()
	config := server.Config(protocol)
	config.Timeout = timeout
	c, err := provider.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const schema = `{"type":"object","additionalProperties":false,"required":["column","tier","flag","reason","laws"],
	"properties":{"column":{"type":["integer","null"]},"tier":{"type":"string","enum":["HRCI","Public"]},
	"flag":{"type":"boolean"},"reason":{"type":"string"},"laws":{"type":"array","items":{"enum":["GLBA"]}}}}`

func question() provider.Request {
	return provider.Request{
		System: "Choose the column.", SchemaName: "answer", Schema: json.RawMessage(schema),
		Messages: []provider.Message{{
			Role: provider.RoleUser, Text: "Account status\n[0, \"a.b.status\"]\n[1, \"a.b.code\"]",
		}},
	}
}

// protocols are both of them.
func protocols() []string { return []string{provider.OpenAI, provider.Anthropic} }

func TestAServerAnswersBothProtocolsAlike(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Key: "secret"})
	var texts []string
	for _, protocol := range protocols() {
		c := client(t, server, protocol, 0)
		if err := c.Check(t.Context()); err != nil {
			t.Fatalf("%s: Check: %v", protocol, err)
		}
		for range 2 {
			reply, err := c.Complete(t.Context(), question())
			if err != nil {
				t.Fatalf("%s: Complete: %v", protocol, err)
			}
			texts = append(texts, reply.Text)
			if reply.Usage.InputTokens == 0 || reply.Usage.OutputTokens == 0 {
				t.Errorf("%s: got usage %+v, want tokens", protocol, reply.Usage)
			}
			if got, want := len(reply.LogProbs) > 0, protocol == provider.OpenAI; got != want {
				t.Errorf("%s: got log-probabilities %v, want %v", protocol, got, want)
			}
		}
	}
	var answer struct {
		Column *int
		Tier   string
		Laws   []string
	}
	if err := json.Unmarshal([]byte(texts[0]), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Column == nil || *answer.Column > 1 || (answer.Tier != "HRCI" && answer.Tier != "Public") {
		t.Errorf("got %s, want an answer of the schema", texts[0])
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("got %s, want the same answer as before: %s", text, texts[0])
		}
	}
	counts := server.Counts()
	if counts.Calls != 4 || counts.Answered != 4 || counts.CachedTokens == 0 {
		t.Errorf("got %+v, want 4 calls, 4 answers and cached tokens", counts)
	}
	if requests := server.Requests(); len(requests) != 4 || !strings.Contains(requests[0].Prompt, "Account status") {
		t.Errorf("got %d requests, want 4 with their prompts", len(requests))
	}
}

// The text that a fault leaves in a reply, for faults that the client cannot see.
var garbled = map[llmtest.Fault]func(text string) bool{
	llmtest.CutOff:        func(text string) bool { return !json.Valid([]byte(text)) },
	llmtest.Prose:         func(text string) bool { return strings.Contains(text, "```json\n{") },
	llmtest.WrongIndex:    func(text string) bool { return strings.Contains(text, `"column":1002`) },
	llmtest.InventedTier:  func(text string) bool { return strings.Contains(text, `"Top Secret"`) },
	llmtest.DuplicateKeys: func(text string) bool { return strings.Count(text, `"tier"`) == 2 },
}

func TestFaults(t *testing.T) {
	t.Parallel()
	kinds := map[llmtest.Fault]provider.Kind{
		llmtest.RateLimited:       provider.KindRateLimited,
		llmtest.RateLimitedNoHint: provider.KindRateLimited,
		llmtest.ServerError:       provider.KindUnavailable,
		llmtest.Overloaded:        provider.KindOverloaded,
		llmtest.Reset:             provider.KindUnavailable,
		llmtest.ResetInBody:       provider.KindUnavailable,
		llmtest.SlowBody:          provider.KindUnavailable,
		llmtest.TruncatedJSON:     provider.KindMalformed,
		llmtest.NotJSON:           provider.KindMalformed,
		llmtest.Refusal:           provider.KindRefusal,
		llmtest.EmptyChoices:      provider.KindMalformed,
		llmtest.Megabyte:          provider.KindMalformed,
	}
	for _, fault := range llmtest.Faults() {
		for _, protocol := range protocols() {
			t.Run(string(fault)+" "+protocol, func(t *testing.T) {
				t.Parallel()
				server := start(t, llmtest.Options{
					Script: llmtest.Sequence(fault), RetryAfter: 3 * time.Second,
				})
				timeout := 10 * time.Second
				if fault == llmtest.SlowBody {
					timeout = 50 * time.Millisecond
				}
				c := client(t, server, protocol, timeout)
				reply, err := c.Complete(t.Context(), question())
				failure, failed := errors.AsType[*provider.Error](err)
				if want := kinds[fault]; want != "" && (!failed || failure.Kind != want) {
					t.Errorf("Complete: got %v, want kind %s", err, want)
				}
				if check := garbled[fault]; check != nil && (err != nil || !check(reply.Text)) {
					t.Errorf("Complete: got %.200s, %v, want a garbled text", reply.Text, err)
				}
				if want := fault == llmtest.RateLimited; failed && (failure.RetryAfter == 3*time.Second) != want {
					t.Errorf("got a hint of %s", failure.RetryAfter)
				}
				if _, err := c.Complete(t.Context(), question()); err != nil {
					t.Errorf("Complete after the fault: %v", err)
				}
			})
		}
	}
}

func TestAStoppedServerRefusesConnections(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{})
	c := client(t, server, provider.OpenAI, 0)
	server.Stop()
	_, err := c.Complete(t.Context(), question())
	if failure, ok := errors.AsType[*provider.Error](err); !ok || failure.Kind != provider.KindUnavailable {
		t.Errorf("Complete: got %v, want kind %s", err, provider.KindUnavailable)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Complete(t.Context(), question()); err != nil {
		t.Errorf("Complete after the restart: %v", err)
	}
}

func TestAServerKnowsOneModelAndOneKey(t *testing.T) {
	t.Parallel()
	for _, noModels := range []bool{false, true} {
		server := start(t, llmtest.Options{Model: "known", Key: "secret", NoModels: noModels})
		for _, protocol := range protocols() {
			for _, test := range []struct {
				model, key string
				want       provider.Kind
			}{{"other", "secret", provider.KindModel}, {"known", "wrong", provider.KindKey}, {"known", "secret", ""}} {
				config := server.Config(protocol)
				config.Model, config.APIKey = test.model, test.key
				c, err := provider.New(config)
				if err != nil {
					t.Fatal(err)
				}
				err = c.Check(t.Context())
				failure, failed := errors.AsType[*provider.Error](err)
				if failed != (test.want != "") || failed && failure.Kind != test.want {
					t.Errorf("Check of %s at %s with key %s: got %v, want kind %q",
						test.model, protocol, test.key, err, test.want)
				}
			}
		}
	}
}

func TestLimit_RefusesWhatIsOverTheRate(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Limit: llmtest.Limit{PerSecond: 0.01, Burst: 2}})
	c := client(t, server, provider.Anthropic, 0)
	for i := range 3 {
		_, err := c.Complete(t.Context(), question())
		failure, failed := errors.AsType[*provider.Error](err)
		if failed != (i == 2) {
			t.Errorf("call %d: got %v", i, err)
		}
		if failed && (failure.RetryAfter < 90*time.Second || failure.RetryAfter > 100*time.Second) {
			t.Errorf("got a hint of %s, want 100 s", failure.RetryAfter)
		}
	}
	if got := server.Counts().Limited; got != 1 {
		t.Errorf("got %d limited calls, want 1", got)
	}
}

func TestACancelReachesTheServer(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	server := start(t, llmtest.Options{
		Latency: llmtest.Latency{Median: time.Hour},
		Script: func(llmtest.Call) llmtest.Fault {
			arrived <- struct{}{}
			return llmtest.None
		},
	})
	c := client(t, server, provider.OpenAI, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var call sync.WaitGroup
	call.Go(func() {
		if _, err := c.Complete(ctx, question()); !errors.Is(err, context.Canceled) {
			t.Errorf("Complete: got %v, want %v", err, context.Canceled)
		}
	})
	<-arrived
	cancel()
	call.Wait()
	server.Close()
	if got := server.Counts(); got.Aborted != 1 || got.Answered != 0 {
		t.Errorf("got %+v, want one aborted call", got)
	}
}

func TestLatency_HasTheMedianAndTheMeanOfTheDistribution(t *testing.T) {
	t.Parallel()
	latency := llmtest.Latency{Median: 800 * time.Millisecond, P95: 2500 * time.Millisecond}
	// exp(sigma²/2) is 1.271 for a sigma of ln(2.5/0.8)/1.6449.
	if got := latency.Mean(); got < 1016*time.Millisecond || got > 1018*time.Millisecond {
		t.Errorf("Mean: got %s, want 1.017 s", got)
	}
}

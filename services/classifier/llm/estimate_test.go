package llm

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

func TestEstimate(t *testing.T) {
	t.Parallel()
	prices, err := ParsePrices(`{"plain": {"input": 4, "output": 20},
		"cached": {"input": 4, "output": 20, "cached_input": 0.4}}`)
	if err != nil {
		t.Fatal(err)
	}
	var calls Calls
	for range 10 {
		calls.Add(provider.Request{
			System: string(make([]byte, 8000)), Schema: make([]byte, 1000),
			Messages: []provider.Message{{Text: string(make([]byte, 2000))}},
		})
	}
	past := schema.PastCalls{
		Calls: 30, Planned: 20, RequestBytes: 30 * 11000, InputTokens: 30 * 2200, CachedInputTokens: 30 * 1100,
		OutputTokens: 30 * 200,
	}
	few := past
	few.Calls = minPast - 1
	for _, test := range []struct {
		name, model string
		past        schema.PastCalls
		want        schema.Usage
	}{
		{"without past calls", "plain", schema.PastCalls{}, schema.Usage{
			InputTokens: 25_000, OutputTokens: 1300, CostUSD: schema.USDOf(25_000*4e-6 + 1300*20e-6),
		}},
		{"with a price of cached tokens", "cached", few, schema.Usage{
			InputTokens: 25_000, OutputTokens: 1300, CostUSD: schema.USDOf(7000*4e-6 + 18_000*0.4e-6 + 1300*20e-6),
		}},
		{"with past calls", "cached", past, schema.Usage{
			InputTokens: 33_000, OutputTokens: 3000, CostUSD: schema.USDOf(16_500*4e-6 + 16_500*0.4e-6 + 3000*20e-6),
		}},
		{"without a price", "free", past, schema.Usage{InputTokens: 33_000, OutputTokens: 3000}},
		{
			"of a server that reports no usage", "plain",
			schema.PastCalls{Calls: 30, Planned: 30, RequestBytes: 9},
			schema.Usage{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, err := provider.New(provider.Config{Protocol: provider.OpenAI, Model: test.model, APIKey: "k"})
			if err != nil {
				t.Fatal(err)
			}
			m := New(client, &Prompt{}, prices)
			if got := m.Estimate(calls, test.past); got != test.want {
				t.Errorf("Estimate: got %+v, want %+v", got, test.want)
			}
		})
	}
}

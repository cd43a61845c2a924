package llm

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// newModel returns a model that is never called, with the prompt of the default policy.
func newModel(t *testing.T, name, prices string) *Model {
	t.Helper()
	table, err := ParsePrices(prices)
	if err != nil {
		t.Fatal(err)
	}
	client, err := provider.New(provider.Config{Protocol: provider.OpenAI, Model: name, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	return New(client, NewPrompt(policy.Default()), table)
}

func TestParsePrices_NamesTheModelAndTheField(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"no JSON":        {`input: 3`, "must be JSON"},
		"no output":      {`{"m-1": {"input": 3}}`, "m-1: output is missing"},
		"an unknown one": {`{"m-1": {"input": 3, "output": 3, "tax": 1}}`, `m-1: "tax" is none of input, output`},
		"a negative one": {`{"m-1": {"input": 3, "output": -3}}`, "m-1: output must be from 0 to"},
		"seven decimals": {`{"m-1": {"input": 0.0000001, "output": 3}}`, "m-1: input must be from 0 to"},
		"too high":       {`{"m-1": {"input": 3, "output": 100001}}`, "m-1: output must be from 0 to"},
		"a cached one": {
			`{"m-1": {"input": 3, "output": 3, "cached_input": 100001}}`, "m-1: cached_input must be from 0 to",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePrices(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParsePrices: got %v, want %q", err, tt.want)
			}
		})
	}
	for _, text := range []string{"", " \n", "{}"} {
		if prices, err := ParsePrices(text); err != nil || len(prices) != 0 {
			t.Errorf("ParsePrices of %q: got %v, %v; want no prices", text, prices, err)
		}
	}
}

func TestCost_CountsEachKindOfTokenOnce(t *testing.T) {
	t.Parallel()
	m := newModel(t, "m", `{"m": {"input": 10, "output": 50, "cached_input": 1, "cache_write": 12.5}}`)
	for name, tt := range map[string]struct {
		usage provider.Usage
		want  float64
	}{
		"nothing":          {provider.Usage{}, 0},
		"input and output": {provider.Usage{InputTokens: 1000, OutputTokens: 100}, 0.010 + 0.005},
		"cached":           {provider.Usage{InputTokens: 1000, CachedTokens: 900}, 0.001 + 0.0009},
		"written to cache": {provider.Usage{InputTokens: 1000, CacheWriteTokens: 1000}, 0.0125},
		"all kinds": {
			provider.Usage{InputTokens: 3, CachedTokens: 1, CacheWriteTokens: 1, OutputTokens: 1}, 73.5e-6,
		},
		"more cached":       {provider.Usage{InputTokens: 10, CachedTokens: 20}, 20e-6},
		"a million of each": {provider.Usage{InputTokens: 1_000_000, OutputTokens: 1_000_000}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, want := m.Cost(tt.usage), schema.USDOf(tt.want); got != want {
				t.Errorf("Cost: got %v, want %v", got, want)
			}
		})
	}
}

func TestMaxCost_IsNotExceededByACall(t *testing.T) {
	t.Parallel()
	m := newModel(t, "m", `{"m": {"input": 10, "output": 50, "cache_write": 12.5}}`)
	for name, text := range map[string]string{
		"an empty text": "", "English": strings.Repeat("balance ", 500), "Japanese": strings.Repeat("残高", 500),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := m.Prompt().Answer(newQuestion(text))
			// A token has two bytes or more, and all may be written to the cache.
			input := Bytes(r) / 2
			most := provider.Usage{
				InputTokens: input, CacheWriteTokens: input, OutputTokens: int64(r.MaxOutputTokens),
			}
			if got := m.MaxCost(r); got < m.Cost(most) || got > 2*m.Cost(most) {
				t.Errorf("MaxCost: got %v, want at least %v and at most twice that", got, m.Cost(most))
			}
		})
	}
	if free := newModel(t, "free", ""); free.HasPrice() || free.MaxCost(provider.Request{}) != 0 {
		t.Errorf("without a price: got %v, want zero", free.MaxCost(provider.Request{}))
	}
}

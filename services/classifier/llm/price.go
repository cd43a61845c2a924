package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// Price is what the tokens of a model cost, in US dollars for a single token.
type Price struct {
	Input, Output schema.USD
	// CachedInput and CacheWrite are for tokens that are read from and written to the provider's prompt cache.
	CachedInput, CacheWrite schema.USD
}

// Prices has the prices by model.
type Prices map[string]Price

// maxPrice bounds a price per million tokens, so that no sum overflows.
const maxPrice = 100_000 * schema.Dollar

// ParsePrices reads a price table such as {"model": {"input": 3, "output": 15}}, in US dollars for a million tokens.
// Optional are cached_input and cache_write, which are as input if they are absent. A price has at most six decimals.
func ParsePrices(text string) (Prices, error) {
	prices := Prices{}
	if strings.TrimSpace(text) == "" {
		return prices, nil
	}
	var table map[string]map[string]json.Number
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		return nil, errors.New(`it must be JSON such as {"model": {"input": 3, "output": 15}}`)
	}
	for model, fields := range table {
		price, err := parsePrice(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", model, err)
		}
		prices[model] = price
	}
	return prices, nil
}

func parsePrice(fields map[string]json.Number) (Price, error) {
	names := []string{"input", "output", "cached_input", "cache_write"}
	for name := range fields {
		if !slices.Contains(names, name) {
			return Price{}, fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
		}
	}
	var price Price
	for _, f := range []struct {
		name string
		to   *schema.USD
		or   *schema.USD
	}{
		{"input", &price.Input, nil},
		{"output", &price.Output, nil},
		{"cached_input", &price.CachedInput, &price.Input},
		{"cache_write", &price.CacheWrite, &price.Input},
	} {
		number, ok := fields[f.name]
		switch {
		case !ok && f.or == nil:
			return price, fmt.Errorf("%s is missing", f.name)
		case !ok:
			*f.to = *f.or
			continue
		}
		perMillion, err := schema.ParseUSD(number.String())
		if err != nil {
			return price, fmt.Errorf("%s: %w", f.name, err)
		}
		if perMillion < 0 || perMillion > maxPrice || perMillion%million != 0 {
			return price, fmt.Errorf("%s must be from 0 to %s, with at most six decimals", f.name, maxPrice)
		}
		*f.to = perMillion / million
	}
	return price, nil
}

const million = 1_000_000

// Cost returns the exact cost of a call.
func (p Price) Cost(u provider.Usage) schema.USD {
	plain := max(u.InputTokens-u.CachedTokens-u.CacheWriteTokens, 0)
	return schema.USD(plain)*p.Input + schema.USD(u.CachedTokens)*p.CachedInput +
		schema.USD(u.CacheWriteTokens)*p.CacheWrite + schema.USD(u.OutputTokens)*p.Output
}

// most returns the most that a call with so many tokens can cost.
func (p Price) most(input, output int64) schema.USD {
	return schema.USD(input)*max(p.Input, p.CacheWrite) + schema.USD(output)*p.Output
}

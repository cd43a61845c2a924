package llm

import (
	"math"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// minPast is the number of calls from which their usage is better evidence than the assumptions that follow.
	minPast = 20
	// bytesPerToken and answerTokens are assumptions for a model that has not been called. The bytes are those of the
	// instructions and the data; the schema counts as tokens for some providers and not for others.
	bytesPerToken, answerTokens = 4, 130
)

// Calls adds up requests that are not sent.
type Calls struct {
	// N is the number of requests, and Bytes the size of their texts.
	N, Bytes int64
	// shared is the size of the texts that are the same in all requests, and schema that of their schemas.
	shared, schema int64
}

// Add adds a request.
func (c *Calls) Add(r provider.Request) {
	c.N++
	c.Bytes += Bytes(r)
	c.shared = int64(len(r.System))
	c.schema += int64(len(r.Schema))
}

// Estimate returns what the calls will use and cost. If there are enough past calls of the model, each byte and each
// question uses as much as theirs, with repairs and caching. If not, the shared text is assumed to be cached after the
// first call, if the price of cached tokens differs.
func (m *Model) Estimate(c Calls, past schema.PastCalls) schema.Usage {
	var u provider.Usage
	if past.Calls >= minPast {
		perQuestion := float64(past.Calls) / float64(past.Planned)
		perByte := float64(past.InputTokens) / float64(past.RequestBytes)
		u.InputTokens = round(float64(c.Bytes) * perQuestion * perByte)
		u.CachedTokens = round(float64(u.InputTokens) * float64(past.CachedInputTokens) / float64(past.InputTokens))
		u.OutputTokens = round(float64(c.N) * float64(past.OutputTokens) / float64(past.Planned))
	} else {
		u.InputTokens = (c.Bytes - c.schema) / bytesPerToken
		u.CachedTokens = c.shared / bytesPerToken * max(c.N-1, 0)
		u.OutputTokens = c.N * answerTokens
	}
	return schema.Usage{InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CostUSD: m.Cost(u)}
}

func round(x float64) int64 {
	if math.IsNaN(x) { // the past calls report no usage
		return 0
	}
	return int64(math.Round(x))
}

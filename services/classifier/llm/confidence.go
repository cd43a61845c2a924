package llm

import (
	"math"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// prior is the share of a model's answers that are right if nothing else is known. It is an assumption, which a
	// [Calibration] of the model corrects.
	prior = 0.85
	// maxAgreed is the most confidence if the model and the rules agree, and maxDisputed if they differ.
	maxAgreed, maxDisputed = 97, 60
	// maxAlone is the most if the rules have no opinion.
	maxAlone = schema.MaxUnagreed
)

// Agreed returns the confidence, in percent, of an answer that the rules also give with a confidence: both would have
// to be wrong. It is not less than that of the rules, nor than if they differed.
func Agreed(rules int, certainty float64) int {
	model, other := prior*certainty, probability(rules)
	both := model * other / (model*other + (1-model)*(1-other))
	return min(max(percent(both), rules, Disputed(rules, certainty)), maxAgreed)
}

// Disputed returns the confidence in the model's answer if the rules give another one with a confidence.
func Disputed(rules int, certainty float64) int {
	model, other := prior*certainty, probability(rules)
	mine := model * (1 - other) / (model*(1-other) + (1-model)*other)
	return min(percent(mine), maxDisputed)
}

// Alone returns the confidence in the model's answer if the rules have no opinion.
func Alone(certainty float64) int { return min(percent(prior*certainty), maxAlone) }

// probability returns a percentage as a probability that is neither 0 nor 1.
func probability(percent int) float64 { return min(max(float64(percent)/100, 0.02), 0.98) }

func percent(p float64) int { return int(math.Round(100 * min(max(p, 0.01), 0.99))) }

// certainty returns the probability of the tokens of a field's value in the reply, or 1 if the provider returns no
// probabilities or they do not fit the text. It is measured; what a model says of its own certainty is not asked.
func certainty(reply provider.Reply, field string) float64 {
	var text strings.Builder
	for _, token := range reply.LogProbs {
		text.WriteString(token.Token)
	}
	all := text.String()
	if all == "" || !strings.Contains(all, strings.TrimSpace(reply.Text)) {
		return 1
	}
	_, after, found := strings.Cut(all, `"`+field+`"`)
	if !found {
		return 1
	}
	from := len(all) - len(strings.TrimLeft(after, " \t\n:"))
	end := strings.IndexAny(all[from:], ",}\n")
	if end < 0 {
		return 1
	}
	sum, at := 0.0, 0
	for _, token := range reply.LogProbs {
		if at < from+end && at+len(token.Token) > from {
			sum += min(token.LogProb, 0)
		}
		at += len(token.Token)
	}
	return math.Exp(sum)
}

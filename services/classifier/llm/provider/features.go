package provider

import (
	"errors"
	"net/http"
	"strings"
)

// features are the optional parameters of a request, which not every server or model accepts.
type features struct {
	// logProbs requests log-probabilities.
	logProbs bool
	// temperature sends temperature 0, so that the same question has the same answer.
	temperature bool
	// completionTokens sends max_completion_tokens, and otherwise max_tokens.
	completionTokens bool
	// switchedTokens is true if the server has refused the other one.
	switchedTokens bool
	// format sends Anthropic's output_config, and otherwise forces a tool.
	format bool
}

// without returns the features without those that the error names as refused, and whether there are any.
func (f features) without(err error) (features, bool) {
	failure, ok := errors.AsType[*Error](err)
	if !ok || failure.Kind != KindRequest ||
		(failure.Status != http.StatusBadRequest && failure.Status != http.StatusUnprocessableEntity) {
		return f, false
	}
	text := strings.ToLower(failure.Message + " " + failure.parameter)
	if !containsAny(text+" "+failure.code, "support", "permit", "allow", "unknown", "unrecognized", "deprecated") {
		return f, false
	}
	before := f
	switch {
	case containsAny(text, "logprobs"):
		f.logProbs = false
	case containsAny(text, "temperature"):
		f.temperature = false
	case containsAny(text, "output_config", "output_format", "output format"):
		f.format = false
	case containsAny(text, "max_tokens", "max_completion_tokens") && !f.switchedTokens:
		f.completionTokens, f.switchedTokens = !f.completionTokens, true
	}
	return f, f != before
}

package provider

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxHint bounds the wait that a provider can ask for, so that a wrong header does not stop a lane for days.
const maxHint = time.Hour

// retryAfter returns the wait that the headers of a refused call ask for, or 0 if they give no hint.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if wait, ok := number(header.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait
	}
	value := header.Get("Retry-After")
	if wait, ok := number(value, time.Second); ok {
		return wait
	}
	if at, err := http.ParseTime(value); err == nil {
		return bounded(at.Sub(now))
	}
	return exhausted(header, now)
}

// limits are the headers that report what remains of a limit and when it is full again. They are hints only in a
// refusal without Retry-After: after a success, the next call may be accepted long before the limit is full.
var limits = []struct{ remaining, reset string }{
	{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
	{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
	{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
	{"Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
	{"Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
}

// exhausted returns the time until every limit that has nothing left is full again, or 0 if all have something left.
func exhausted(header http.Header, now time.Time) time.Duration {
	var longest time.Duration
	for _, limit := range limits {
		if header.Get(limit.remaining) != "0" {
			continue
		}
		longest = max(longest, reset(header.Get(limit.reset), now))
	}
	return longest
}

// reset returns the wait of a reset header: a duration such as 6m0s or 20ms (OpenAI), a number of seconds (Azure) or a
// time (Anthropic).
func reset(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if wait, ok := number(value, time.Second); ok {
		return wait
	}
	if wait, err := time.ParseDuration(value); err == nil {
		return bounded(wait)
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return bounded(at.Sub(now))
	}
	return 0
}

// number parses a number of units.
func number(value string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	if n >= float64(maxHint/unit) {
		return maxHint, true
	}
	return time.Duration(n * float64(unit)), true
}

func bounded(wait time.Duration) time.Duration { return min(max(wait, 0), maxHint) }

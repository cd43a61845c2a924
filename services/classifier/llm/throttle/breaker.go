package throttle

import (
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// opening is the number of failures without a success that open the breaker.
	opening = 5
	// firstPause is the first pause; each further one is twice as long, up to maxPause.
	firstPause, maxPause = 5 * time.Second, time.Minute
)

// breaker pauses the lane while every call fails.
type breaker struct {
	// failures counts the failures since the last success.
	failures int
	// err is the failure that has opened the breaker; nil while it is closed. The pause ends at until.
	err   error
	until time.Time
	pause time.Duration
	// probing is true while one call tries whether the provider works again.
	probing bool
}

// paused returns the reason and the end of the pause, or nil if a call may start.
func (b *breaker) paused(now time.Time) *WaitError {
	if b.err == nil || b.probing || !now.Before(b.until) {
		return nil
	}
	return &WaitError{Until: b.until, Err: b.err}
}

// start counts a start; the first one after a pause is the probe.
func (b *breaker) start() { b.probing = b.err != nil }

// cancelProbe lets another call be the probe, because this one has no result.
func (b *breaker) cancelProbe() { b.probing = false }

// succeed closes the breaker if the pause is over. During the pause, the success of a call from before proves nothing.
func (b *breaker) succeed() {
	b.failures = 0
	if b.probing {
		*b = breaker{}
	}
}

// fail counts a failure and opens the breaker if the provider works for no call.
func (b *breaker) fail(now time.Time, failure *provider.Error) {
	probe := b.probing
	b.probing = false
	switch failure.Kind {
	case provider.KindRateLimited:
		if failure.RetryAfter > maxWait {
			b.open(now, failure, failure.RetryAfter)
		} else if probe {
			b.err, b.failures = nil, 0 // the provider works, and refuses for its limit
		}
		return
	case provider.KindKey, provider.KindModel, provider.KindCredit:
		b.failures = opening
	default:
		b.failures++
	}
	if b.failures < opening || b.err != nil && !probe {
		return // another call of the same outage
	}
	b.pause = min(max(firstPause, 2*b.pause), maxPause)
	b.open(now, failure, max(b.pause, failure.RetryAfter))
}

// open pauses the lane, or makes a pause longer.
func (b *breaker) open(now time.Time, failure *provider.Error, pause time.Duration) {
	if until := now.Add(pause); b.err == nil || until.After(b.until) {
		b.err, b.until = failure, until
	}
}

package llmtest

import (
	"math"
	"math/rand/v2"
	"time"
)

// Latency is a log-normal distribution of latencies. The zero value answers at once.
type Latency struct{ Median, P95 time.Duration }

// z95 is the 95th percentile of the standard normal distribution.
const z95 = 1.6449

// Mean returns the mean of the distribution.
func (l Latency) Mean() time.Duration {
	sigma := l.sigma()
	return time.Duration(float64(l.Median) * math.Exp(sigma*sigma/2))
}

func (l Latency) sigma() float64 {
	if l.Median <= 0 || l.P95 <= l.Median {
		return 0
	}
	return math.Log(float64(l.P95)/float64(l.Median)) / z95
}

// sample returns a latency of the distribution.
func (l Latency) sample(random *rand.Rand) time.Duration {
	return time.Duration(float64(l.Median) * math.Exp(l.sigma()*random.NormFloat64()))
}

// Limit is a token bucket like a provider's limit of requests. The zero value limits nothing.
type Limit struct {
	// PerSecond is the number of calls that it accepts per second; 0 accepts all.
	PerSecond float64
	// Burst is the size of the bucket; 1 if zero.
	Burst float64
	// NoHint omits Retry-After from a refusal.
	NoHint bool
}

// bucket is the state of a limit.
type bucket struct {
	limit  Limit
	tokens float64
	at     time.Time
}

// take returns 0 if the bucket accepts a call now, and otherwise the wait until it would.
func (b *bucket) take(now time.Time) time.Duration {
	if b.limit.PerSecond <= 0 {
		return 0
	}
	burst := max(b.limit.Burst, 1)
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()*b.limit.PerSecond)
	}
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return time.Duration((1 - b.tokens) / b.limit.PerSecond * float64(time.Second))
}

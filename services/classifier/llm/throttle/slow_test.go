package throttle_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
)

// A busy machine or network delays everything at times, refusals included. The rate must neither collapse then nor stay
// low afterwards.
func TestDo_KeepsTheRateOfALimitInSpiteOfDelays(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 300 * time.Millisecond, 3 * time.Second} {
		for _, hint := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v, hint %t", delay, hint), inBubble(func(t *testing.T) {
				const rate = 23.6
				random, began := rand.New(rand.NewPCG(1, 2)), time.Now()
				accepts := bucket(rate)
				f := &fake{refuse: func() *provider.Error {
					failure := accepts()
					if failure != nil && !hint {
						failure.RetryAfter = 0
					}
					return failure
				}}
				f.latencyOf = func(refused bool) time.Duration {
					slow := time.Duration(0)
					if time.Since(began)%(20*time.Second) < 5*time.Second { // the machine is busy
						slow = delay
					}
					if refused {
						return slow
					}
					return slow + time.Duration(0.8*math.Exp(0.69*random.NormFloat64())*float64(time.Second))
				}
				drive(t, throttle.New(32), f, 64, 3*time.Minute)
				accepted, refused := f.counts()
				// While it is slow, 32 calls at once allow less than the limit.
				busy := min(rate, 32/(1.02+delay.Seconds()))
				want := 0.55 * 180 * (0.75*rate + 0.25*busy)
				if delay < time.Second {
					want *= 0.85 / 0.55
				}
				if float64(accepted) < want {
					t.Errorf("got %d calls and %d refusals, want at least %.0f calls", accepted, refused, want)
				}
			}))
		}
	}
}

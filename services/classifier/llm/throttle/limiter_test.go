package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
)

// fake is a provider whose refusals a function decides. All times are those of a synctest bubble.
type fake struct {
	latency time.Duration
	// latencyOf, if set, returns the latency of a call, or the time until its refusal. It is called with mu held.
	latencyOf func(refused bool) time.Duration
	// refuse returns the failure of a call; nil accepts it.
	refuse func() *provider.Error

	mu                    sync.Mutex
	accepted, refused     int
	inFlight, maxInFlight int
}

func (f *fake) call(ctx context.Context) error {
	f.mu.Lock()
	f.inFlight++
	f.maxInFlight = max(f.maxInFlight, f.inFlight)
	failure := f.refuse()
	latency := f.latency
	switch {
	case f.latencyOf != nil:
		latency = f.latencyOf(failure != nil)
	case failure != nil:
		latency = 0
	}
	f.mu.Unlock()
	if !wait(ctx, latency) {
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
	if failure != nil {
		f.refused++
		return failure
	}
	f.accepted++
	return nil
}

func (f *fake) counts() (accepted, refused int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted, f.refused
}

// wait returns false if ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// bucket accepts a number of calls per second and returns the wait until the next one as a hint.
func bucket(perSecond float64) func() *provider.Error {
	var next time.Time
	return func() *provider.Error {
		now := time.Now()
		if wait := next.Sub(now); wait > 0 {
			return &provider.Error{Kind: provider.KindRateLimited, Status: 429, RetryAfter: wait}
		}
		if burst := now.Add(-time.Second / 2); next.Before(burst) {
			next = burst
		}
		next = next.Add(time.Duration(float64(time.Second) / perSecond))
		return nil
	}
}

// drive runs workers that call for a time, and returns the errors by their text.
func drive(t *testing.T, l *throttle.Limiter, f *fake, workers int, d time.Duration) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	failed := map[string]int{}
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for ctx.Err() == nil {
				err := l.Do(ctx, f.call)
				if busy, ok := errors.AsType[*throttle.WaitError](err); ok {
					wait(ctx, time.Until(busy.Until))
				} else if err != nil && ctx.Err() == nil {
					mu.Lock()
					failed[err.Error()]++
					mu.Unlock()
				}
			}
		})
	}
	work.Wait()
	return failed
}

// inBubble returns a subtest with its own time.
func inBubble(test func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	}
}

func accept() *provider.Error { return nil }

func TestDo_RunsNoMoreCallsAtOnceThanAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{latency: time.Second, refuse: accept}
		drive(t, throttle.New(8), f, 50, 30*time.Second)
		if accepted, _ := f.counts(); f.maxInFlight != 8 || accepted < 8*29 {
			t.Errorf("got %d at once and %d calls, want 8 and about 240", f.maxInFlight, accepted)
		}
	})
}

func TestDo_FindsTheRateThatTheProviderAllows(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{2, 20, 100} {
		t.Run(fmt.Sprintf("%.0f per second", rate), inBubble(func(t *testing.T) {
			l := throttle.New(200)
			f := &fake{latency: time.Second, refuse: bucket(rate)}
			drive(t, l, f, 200, time.Minute)
			before, refusedBefore := f.counts()
			drive(t, l, f, 200, 2*time.Minute)
			accepted, refused := f.counts()
			accepted, refused = accepted-before, refused-refusedBefore
			if want := 0.92 * rate * 119; float64(accepted) < want {
				t.Errorf("got %d calls in two minutes at %.0f/s, want at least %.0f", accepted, rate, want)
			}
			if share := float64(refused) / float64(accepted); share > 0.15 {
				t.Errorf("got %.2f refusals per call at %.0f/s, want few", share, rate)
			}
		}))
	}
}

// A gateway refuses a quarter of the calls at random, whatever their rate. To call less often would not help.
func TestDo_DoesNotSlowDownForRandomRefusals(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		hint := time.Duration(seed%2) * time.Second
		t.Run(fmt.Sprintf("seed %d, hint %s", seed, hint), inBubble(func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			f := &fake{latency: time.Second, refuse: func() *provider.Error {
				if random.IntN(4) == 0 {
					return &provider.Error{Kind: provider.KindRateLimited, Status: 429, RetryAfter: hint}
				}
				return nil
			}}
			drive(t, throttle.New(32), f, 64, 2*time.Minute)
			if accepted, _ := f.counts(); accepted < 32*120*85/100 {
				t.Errorf("got %d calls, want at least 0.85 of %d", accepted, 32*120)
			}
		}))
	}
}

// A slow model has few calls that show the effect of a lower rate, so a single job may stay slow for minutes.
func TestDo_DoesNotSlowDownForRandomRefusalsOfASlowModel(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{2 * time.Second, 5 * time.Second} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			const seeds, limit, minutes = 8, 16, 10
			all := 0
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 7))
					f := &fake{latency: latency, refuse: func() *provider.Error {
						if random.IntN(4) == 0 {
							return &provider.Error{Kind: provider.KindRateLimited, Status: 429}
						}
						return nil
					}}
					drive(t, throttle.New(limit), f, 2*limit, minutes*time.Minute)
					accepted, _ := f.counts()
					all += accepted
				})
			}
			if best := seeds * limit * minutes * int(time.Minute/latency); all < best/2 {
				t.Errorf("got %d calls, want at least half of %d", all, best)
			}
		})
	}
}

func TestDo_WaitsAsLongAsAHintAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refusals := []*provider.Error{{Kind: provider.KindRateLimited, RetryAfter: 3 * time.Second}, nil}
		began := time.Now()
		err := throttle.New(1).Do(t.Context(), func(context.Context) error {
			failure := refusals[0]
			refusals = refusals[1:]
			if failure != nil {
				return failure
			}
			return nil
		})
		if took := time.Since(began); err != nil || took != 3*time.Second {
			t.Errorf("Do: got %v after %s, want nil after 3 s", err, took)
		}
	})
}

func TestDo_PausesTheLaneForALongHint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(4)
		refused := &provider.Error{Kind: provider.KindRateLimited, RetryAfter: time.Minute}
		began, calls := time.Now(), 0
		for range 3 {
			err := l.Do(t.Context(), func(context.Context) error {
				calls++
				return refused
			})
			busy, ok := errors.AsType[*throttle.WaitError](err)
			if !ok || busy.Until.Sub(began) != time.Minute || !errors.Is(err, refused) {
				t.Fatalf("Do: got %v, want a WaitError until the end of the hint", err)
			}
		}
		if calls != 1 || l.Paused() == nil {
			t.Errorf("got %d calls, paused: %v; want one call and a pause", calls, l.Paused())
		}
		wait(t.Context(), time.Minute)
		if l.Paused() != nil {
			t.Error("the lane is paused after the hint")
		}
		if err := l.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("Do after the pause: %v", err)
		}
	})
}

func TestDo_AnOutageOfTenMinutesFailsNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		down := func() bool { d := time.Since(began); return d > time.Minute && d < 11*time.Minute }
		f := &fake{latency: time.Second, refuse: func() *provider.Error {
			if down() {
				return &provider.Error{Kind: provider.KindUnavailable, Message: "connection refused"}
			}
			return nil
		}}
		failed := drive(t, throttle.New(32), f, 64, 15*time.Minute)
		accepted, refused := f.counts()
		if len(failed) > 0 {
			t.Errorf("got failed calls %v, want none", failed)
		}
		// A pause lasts a minute at most.
		if want := 32 * (60 + 175); accepted < want {
			t.Errorf("got %d calls, want at least %d", accepted, want)
		}
		if refused > 100 {
			t.Errorf("got %d calls during the outage, want few probes", refused)
		}
	})
}

func TestDo_PausesForWhatConcernsEveryCall(t *testing.T) {
	t.Parallel()
	for _, kind := range []provider.Kind{provider.KindKey, provider.KindModel, provider.KindCredit} {
		t.Run(string(kind), inBubble(func(t *testing.T) {
			l := throttle.New(4)
			calls := 0
			err := l.Do(t.Context(), func(context.Context) error {
				calls++
				return &provider.Error{Kind: kind}
			})
			if _, ok := errors.AsType[*throttle.WaitError](err); !ok || calls != 1 || l.Paused() == nil {
				t.Errorf("Do with %s: got %v after %d calls, want a WaitError after one", kind, err, calls)
			}
		}))
	}
}

func TestDo_ReturnsWhatConcernsTheItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(4)
		for _, kind := range []provider.Kind{
			provider.KindTooLong, provider.KindRequest, provider.KindRefusal, provider.KindMalformed,
		} {
			want := &provider.Error{Kind: kind}
			if err := l.Do(t.Context(), func(context.Context) error { return want }); !errors.Is(err, want) {
				t.Errorf("Do: got %v, want %v", err, want)
			}
		}
		// Its calls time out while others succeed.
		want := &provider.Error{Kind: provider.KindUnavailable}
		calls := 0
		err := l.Do(t.Context(), func(context.Context) error {
			calls++
			if err := l.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
				return err
			}
			return want
		})
		if _, ok := errors.AsType[*throttle.WaitError](err); ok || !errors.Is(err, want) || calls != 4 {
			t.Errorf("Do: got %v after %d calls, want %v after 4", err, calls, want)
		}
	})
}

func TestDo_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(1)
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for range 3 { // one in its call, two that wait for their turn
			work.Go(func() {
				err := l.Do(ctx, func(ctx context.Context) error {
					wait(ctx, time.Hour)
					return ctx.Err()
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Do: got %v, want %v", err, context.Canceled)
				}
			})
		}
		synctest.Wait()
		cancel()
		work.Wait()
		func() {
			defer func() { _ = recover() }()
			_ = l.Do(t.Context(), func(context.Context) error { panic("a bug") })
		}()
		if err := l.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("Do after cancelled calls and a panic: %v", err)
		}
	})
}

func TestDo_GivesTurnsInTheOrderOfTheirCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(1)
		var order []int
		var work sync.WaitGroup
		for i := range 10 {
			work.Go(func() {
				_ = l.Do(t.Context(), func(ctx context.Context) error {
					order = append(order, i)
					wait(ctx, time.Second)
					return nil
				})
			})
			synctest.Wait()
		}
		work.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("got the order %v, want the order of the calls", order)
			}
		}
	})
}

package throttle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// maxWait is the longest time that [Limiter.Do] waits between the attempts of a call, all waits together.
	maxWait = 10 * time.Second
	// firstBackoff is the wait after a failure without a hint; it doubles up to maxBackoff.
	firstBackoff, maxBackoff = 250 * time.Millisecond, 4 * time.Second
	// maxFailures is the number of failures of one call, with successes of others between them, after which its error
	// is returned.
	maxFailures = 4
)

// Limiter gives calls their turns, in the order in which they ask.
type Limiter struct {
	concurrency int

	mu       sync.Mutex
	waiting  []*waiter
	inFlight int
	// successes counts the calls that the provider has answered.
	successes uint64
	pace      pace
	breaker   breaker
	// timer grants turns when the pace allows the next one.
	timer *time.Timer
}

// waiter is a call that waits for its turn. It receives nil when it has it.
type waiter struct{ turn chan error }

// WaitError means that no call can succeed before a time, for a reason that does not concern the item.
type WaitError struct {
	Until time.Time
	// Err is the provider's last refusal.
	Err error
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("no call before %s: %v", e.Until.UTC().Format(time.RFC3339), e.Err)
}

func (e *WaitError) Unwrap() error { return e.Err }

// New returns a limiter that allows this number of calls at once.
func New(concurrency int) *Limiter { return &Limiter{concurrency: max(concurrency, 1)} }

// Do runs the call when its turn has come, and again while the provider refuses it for a reason that passes. It returns
// the result of the call, a [*WaitError] if the caller should try again later, or an error that wraps that of ctx.
func (l *Limiter) Do(ctx context.Context, call func(context.Context) error) error {
	var waited time.Duration
	failures, alone := 0, 0
	successes := l.countSuccesses()
	for {
		if err := l.acquire(ctx); err != nil {
			return err
		}
		err := l.run(ctx, call)
		failure, ok := errors.AsType[*provider.Error](err)
		if !ok || !concernsAll(failure.Kind) {
			return err
		}
		failures++
		alone++
		if now := l.countSuccesses(); now > successes {
			successes = now
		} else {
			alone = 1
		}
		if failure.Kind == provider.KindUnavailable && alone >= maxFailures {
			return err
		}
		if paused := l.Paused(); paused != nil {
			return paused
		}
		wait := failure.RetryAfter
		if wait == 0 {
			wait = backoff(failures)
		}
		if waited += wait; waited > maxWait {
			return &WaitError{Until: time.Now().Add(wait), Err: err}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// run runs the call in its turn and gives the turn back, even if the call panics.
func (l *Limiter) run(ctx context.Context, call func(context.Context) error) (err error) {
	finished := false
	defer func() {
		if !finished {
			l.release(context.Canceled)
		}
	}()
	err = call(ctx)
	finished = true
	l.release(err)
	return err
}

// Paused returns why the lane starts no calls and until when, or nil if it does.
func (l *Limiter) Paused() *WaitError {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaker.paused(time.Now())
}

func (l *Limiter) countSuccesses() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.successes
}

// acquire waits for a turn. It returns a [*WaitError] if the lane is paused.
func (l *Limiter) acquire(ctx context.Context) error {
	w := &waiter{turn: make(chan error, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.grant()
	l.mu.Unlock()
	select {
	case err := <-w.turn:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else if err := <-w.turn; err == nil {
		// The turn came at the same time.
		l.inFlight--
		l.breaker.cancelProbe()
	}
	l.grant()
	return fmt.Errorf("turn of a call: %w", context.Cause(ctx))
}

// grant gives turns to waiting calls as far as concurrency, pace and breaker allow. The caller holds mu.
func (l *Limiter) grant() {
	for len(l.waiting) > 0 {
		now := time.Now()
		if paused := l.breaker.paused(now); paused != nil {
			for _, w := range l.waiting {
				w.turn <- paused
			}
			l.waiting = nil
			return
		}
		if l.inFlight >= l.concurrency || l.breaker.probing {
			return // a release grants the next turn
		}
		if wait := l.pace.wait(now); wait > 0 {
			l.wake(wait)
			return
		}
		l.pace.start(now)
		l.breaker.start()
		l.inFlight++
		l.waiting[0].turn <- nil
		l.waiting = l.waiting[1:]
	}
}

// wake grants turns after a wait.
func (l *Limiter) wake(wait time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(wait, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.grant()
	})
}

// release gives a turn back and learns from the result of its call.
func (l *Limiter) release(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	now := time.Now()
	failure, failed := errors.AsType[*provider.Error](err)
	switch {
	case failed && concernsAll(failure.Kind):
		if failure.Kind == provider.KindRateLimited || failure.Kind == provider.KindOverloaded {
			l.pace.refuse()
		}
		l.breaker.fail(now, failure)
	case err == nil || failed: // an answer, although it may be one that the item cannot use
		l.successes++
		l.breaker.succeed()
	default: // the caller has ended the call
		l.breaker.cancelProbe()
	}
	l.pace.adapt(now)
	l.grant()
}

// concernsAll reports whether a failure of this kind would meet every call, whatever its item.
func concernsAll(kind provider.Kind) bool {
	switch kind {
	case provider.KindRateLimited, provider.KindOverloaded, provider.KindUnavailable, provider.KindCredit,
		provider.KindKey, provider.KindModel:
		return true
	default:
		return false
	}
}

// backoff returns the wait after a number of failures, shortened by up to a half at random.
func backoff(failures int) time.Duration {
	wait := min(firstBackoff<<min(failures-1, 10), maxBackoff)
	return wait/2 + rand.N(wait/2) //nolint:gosec // jitter is no secret
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait before the next call: %w", context.Cause(ctx))
	}
}

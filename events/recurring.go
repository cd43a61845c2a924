package events

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// recurringQuiet is how long a condition must not recur before it has ended. It is longer than the longest
	// pause between two deliveries of a message.
	recurringQuiet = 2 * retryMax
	// recurringReasons is the number of reasons of one condition that are logged separately at a time, because
	// an error text may contain an id.
	recurringReasons = 20
)

// Recurring logs conditions that may affect thousands of messages at a time: once for each reason, and once
// more with a count when the condition has ended.
type Recurring struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[recurrence]*spell
	// reasons counts the reasons in seen by condition.
	reasons map[string]int
}

// recurrence is a condition with one of its reasons.
type recurrence struct{ condition, reason string }

// spell is the time during which a condition recurs.
type spell struct {
	times       int
	first, last time.Time
}

// NewRecurring returns a logger of recurring conditions. [Recurring.Run] must run for it to report their ends.
func NewRecurring(log *slog.Logger) *Recurring {
	return &Recurring{log: log, seen: map[recurrence]*spell{}, reasons: map[string]int{}}
}

// Note logs the condition with the error and the attributes, unless it is logged for this reason already and
// has not ended. The reason is the innermost error, because the outer ones contain ids of rows and messages.
func (r *Recurring) Note(ctx context.Context, level slog.Level, condition string, err error, attrs ...any) {
	if r.first(recurrence{condition, rootCause(err)}, time.Now()) {
		r.log.Log(ctx, level, condition, append(attrs, "error", err)...) //nolint:sloglint // callers pass constants
	}
}

// first counts an occurrence and reports whether it begins a spell.
func (r *Recurring) first(key recurrence, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.seen[key]; !known && r.reasons[key.condition] >= recurringReasons {
		key.reason = "other reasons"
	}
	s, known := r.seen[key]
	if !known {
		s = &spell{first: now}
		r.seen[key] = s
		r.reasons[key.condition]++
	}
	s.times++
	s.last = now
	return !known
}

// Run reports the ends of conditions until ctx ends, and then those of the rest.
func (r *Recurring) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.end(now.Add(-recurringQuiet))
		case <-ctx.Done():
			r.end(time.Now())
			return
		}
	}
}

// end reports the conditions that have not recurred since the given time. One that occurred once has its line
// already.
func (r *Recurring) end(since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, s := range r.seen {
		if s.last.After(since) {
			continue
		}
		delete(r.seen, key)
		r.reasons[key.condition]--
		if s.times > 1 {
			r.log.Info("condition ended", "condition", key.condition, "error", key.reason,
				"times", s.times, "lasted", s.last.Sub(s.first).Round(time.Millisecond))
		}
	}
}

// rootCause returns the text of the innermost error.
func rootCause(err error) string {
	for {
		var inner error
		switch wrapped := err.(type) { //nolint:errorlint // this takes the error apart
		case interface{ Unwrap() error }:
			inner = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			if all := wrapped.Unwrap(); len(all) > 0 {
				inner = all[0]
			}
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

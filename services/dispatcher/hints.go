package dispatcher

import (
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// hint identifies one publish of an item. Another attempt, or the same attempt after a pause, is another publish.
type hint struct {
	jobID         string
	mappingID     string
	attempt       int
	intentVersion int64
}

// hintState is the result of the last publish, and the time until which the hint is valid.
type hintState struct {
	until time.Time
	// refused is the time since which the stream rejects the publish because it holds the message; zero if it was
	// accepted.
	refused time.Time
}

// hints remembers recent publishes and rejections.
type hints map[hint]hintState

// staleHint is how long a hint is kept after it expired. In that time many turns publish the item again if it is still
// due.
const staleHint = 15 * time.Second

func (h hints) fresh(key hint, now time.Time) bool { return now.Before(h[key].until) }

func (h hints) accepted(key hint, until time.Time) { h[key] = hintState{until: until} }

func (h hints) outstanding(key hint, now, until time.Time) {
	since := h[key].refused
	if since.IsZero() {
		since = now
	}
	h[key] = hintState{until, since}
}

// refusedBefore returns the hints of items that the stream has rejected since the given time or longer.
func (h hints) refusedBefore(then time.Time) (keys []hint) {
	for key, seen := range h {
		if !seen.refused.IsZero() && !seen.refused.After(then) {
			keys = append(keys, key)
		}
	}
	return keys
}

// forget deletes the hints that expired longer than grace ago.
func (h hints) forget(now time.Time, grace time.Duration) {
	for key, seen := range h {
		if now.Sub(seen.until) > grace {
			delete(h, key)
		}
	}
}

// drop deletes the hints of an item.
func (h hints) drop(jobID, mappingID string) {
	for key := range h {
		if key.jobID == jobID && key.mappingID == mappingID {
			delete(h, key)
		}
	}
}

// positions remembers for each job a mapping before which no item that waits for nothing is queued; see
// [schema.Positions]. A position expires, so that a wrong one has no lasting effect.
type positions map[string]position

type position struct {
	mappingID string
	expires   time.Time
}

const positionLife = time.Minute

// known returns the positions that have not expired.
func (p positions) known(now time.Time) schema.Positions {
	known := make(schema.Positions, len(p))
	for jobID, at := range p {
		if now.After(at.expires) {
			delete(p, jobID)
			continue
		}
		known[jobID] = at.mappingID
	}
	return known
}

func (p positions) set(jobID, mappingID string, now time.Time) {
	at, ok := p[jobID]
	if !ok {
		at.expires = now.Add(positionLife)
	}
	at.mappingID = max(at.mappingID, mappingID)
	p[jobID] = at
}

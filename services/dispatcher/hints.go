package dispatcher

import (
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// hint names one publish of an item. Another attempt, or the same one after a pause, is another publish.
type hint struct {
	jobID         string
	mappingID     string
	attempt       int
	intentVersion int64
}

// sighting is what the stream answered to a publish, and until when that is trusted.
type sighting struct {
	until time.Time
	// refused is since when the stream refuses the publish because it holds the message; zero after an accepted one.
	refused time.Time
}

// hints remembers what was published or refused lately.
type hints map[hint]sighting

// staleHint is how long a hint is kept after it is no longer trusted. Many turns are within that, and each publishes such items again.
const staleHint = 15 * time.Second

func (h hints) fresh(key hint, now time.Time) bool { return now.Before(h[key].until) }

func (h hints) accepted(key hint, until time.Time) { h[key] = sighting{until: until} }

func (h hints) outstanding(key hint, now, until time.Time) {
	since := h[key].refused
	if since.IsZero() {
		since = now
	}
	h[key] = sighting{until, since}
}

// refusedBefore lists the publishes that the stream has refused since then or longer.
func (h hints) refusedBefore(then time.Time) (keys []hint) {
	for key, seen := range h {
		if !seen.refused.IsZero() && !seen.refused.After(then) {
			keys = append(keys, key)
		}
	}
	return keys
}

// forget drops what has not been confirmed for longer than grace since it was no longer trusted.
func (h hints) forget(now time.Time, grace time.Duration) {
	for key, seen := range h {
		if now.Sub(seen.until) > grace {
			delete(h, key)
		}
	}
}

// positions remembers for each job a mapping before which no item that waits for nothing is queued; see [schema.Positions]. It does so for
// a while only, so that no assumption about the rows outlives that.
type positions map[string]position

type position struct {
	mappingID string
	expires   time.Time
}

const positionLife = time.Minute

// known returns what is still believed.
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

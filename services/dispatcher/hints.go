package dispatcher

import "time"

// hint names one sending of an item. Another attempt, or the same after a pause, is another sending.
type hint struct {
	jobID         string
	mappingID     string
	attempt       int
	intentVersion int64
}

// hints remembers what was sent or refused lately, each until when that is trusted.
type hints map[hint]time.Time

func (h hints) fresh(key hint, now time.Time) bool { return now.Before(h[key]) }

// forget drops what is too old to be trusted.
func (h hints) forget(now time.Time) {
	for key := range h {
		if !h.fresh(key, now) {
			delete(h, key)
		}
	}
}

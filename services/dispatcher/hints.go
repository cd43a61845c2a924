package dispatcher

import "time"

// hintLife is how long the loop trusts that a message it sent is still there. A stream that lost the message costs that much delay.
const hintLife = 5 * time.Second

// hint names one sending of an item. Another attempt, or the same after a pause, is another sending.
type hint struct {
	jobID         string
	mappingID     string
	attempt       int
	intentVersion int64
}

// hints remembers what was sent or refused lately.
type hints map[hint]time.Time

func (h hints) fresh(key hint, now time.Time) bool {
	sent, ok := h[key]
	return ok && now.Sub(sent) < hintLife
}

// forget drops what is too old to be trusted.
func (h hints) forget(now time.Time) {
	for key, sent := range h {
		if now.Sub(sent) >= hintLife {
			delete(h, key)
		}
	}
}

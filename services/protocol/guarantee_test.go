package protocol_test

// guarantee is a condition that holds in every state.
type guarantee struct {
	name  string
	holds func(s *state) bool
}

// The guarantees. The last one is no condition of a state: see [state.ended].
const (
	together = "a mapping, its item and its history are saved together, and once"
	unread   = "a change of a user is not overwritten unread"
	final    = "an outcome is final"
	attempts = "an error counts for the attempt that it ended"
	intents  = "nothing is begun for a job that is paused or cancelled"
	once     = "an outcome is counted once, and only from its row"
	visible  = "clients see that a job runs before any item is counted"
	complete = "a job ends only when every mapping of the report has an outcome"
	current  = "the final status shows the last accepted request"
	ends     = "the job ends without a request and without a fault"
)

// guarantees are those of services/classifier/doc.go, services/projector/doc.go and schema/doc.go.
var guarantees = []guarantee{
	{together, func(s *state) bool {
		for i := range s.item {
			m, saved := s.mapping[i], uint8(0)
			if s.item[i].outcome == succeeded {
				saved = 1
			}
			if m.saves != saved || m.history != saved {
				return false
			}
		}
		return true
	}},
	{unread, func(s *state) bool {
		for _, m := range s.mapping {
			if m.lost {
				return false
			}
		}
		return true
	}},
	{final, func(s *state) bool {
		for _, it := range s.item {
			if it.changed {
				return false
			}
		}
		return true
	}},
	{attempts, func(s *state) bool {
		for _, it := range s.item {
			if it.stale {
				return false
			}
		}
		return true
	}},
	{intents, func(s *state) bool {
		return !s.job.startedWithoutRunning
	}},
	{once, func(s *state) bool {
		var folded [cancelled + 1]uint8
		for _, it := range s.item {
			if it.folded && it.outcome != cancelled {
				folded[it.outcome]++
			}
		}
		return s.view.count[succeeded] == folded[succeeded] && s.view.count[failed] == folded[failed] &&
			s.view.count[cancelled] <= s.job.cancelled && s.view.completed() <= s.mappings
	}},
	{visible, func(s *state) bool { return !s.view.earlyCount }},
	{complete, func(s *state) bool {
		if !s.view.final {
			return true
		}
		for _, it := range s.item[:s.mappings] {
			if !it.exists || it.outcome == queued {
				return false
			}
		}
		return s.job.listed
	}},
	{current, func(s *state) bool {
		return !s.view.final || !s.view.stale
	}},
}

// ended reports whether nothing is left to do for the job, and no message is left over. The job must reach such a state
// from every other one, without a request and without a fault.
func (s *state) ended() bool {
	return s.view.final && s.job.publishedFinished && s.work == [items]work{} && s.events == events{} && !s.lags()
}

package protocol_test

import (
	"fmt"
	"strings"
)

// exploration is the result of visiting all states that can be reached.
type exploration struct {
	states int
	// violated is the name of the guarantee that does not hold; empty if all hold.
	violated string
	// trace lists the steps from the beginning to the state in which it does not hold.
	trace []string
	last  state
}

// visited is a state with the step that led to it first.
type visited struct {
	state  state
	step   string
	parent int32
}

// explore visits all states, the nearest first, until a guarantee does not hold.
func explore(y system, of scope) exploration {
	first := state{mappings: of.mappings, faults: of.faults, requests: of.requests, view: view{stale: true}}
	all := []visited{{state: first, parent: -1}}
	index := map[state]int32{first: 0}
	var follows [][]int32 // the states that follow without a request and without a fault
	for at := int32(0); int(at) < len(all); at++ {
		before := all[at].state
		var next []int32
		var violation *exploration
		y.steps(before, func(step string, harm bool, s state) {
			s.order()
			n, known := index[s]
			if !known {
				n = int32(len(all))
				index[s] = n
				all = append(all, visited{s, step, at})
			}
			if !harm {
				next = append(next, n)
			}
			for _, g := range guarantees {
				if violation == nil && !g.holds(&s) {
					violation = &exploration{len(all), g.name, append(traceTo(all, at), step), s}
				}
			}
		})
		if violation != nil {
			return *violation
		}
		follows = append(follows, next)
	}
	if n := firstStuck(all, follows); n >= 0 {
		return exploration{len(all), ends, traceTo(all, n), all[n].state}
	}
	return exploration{states: len(all)}
}

// order sorts the workers, because it does not matter which of them does what.
func (s *state) order() {
	a, b := s.worker[0], s.worker[1]
	if a.phase > b.phase || a.phase == b.phase && a.item > b.item {
		s.worker[0], s.worker[1] = b, a
	}
}

// firstStuck returns the first state from which no end is reached, or -1.
func firstStuck(all []visited, follows [][]int32) int32 {
	precedes := make([][]int32, len(all))
	var reached []int32
	ends := make([]bool, len(all))
	for n, next := range follows {
		for _, m := range next {
			precedes[m] = append(precedes[m], int32(n))
		}
		if all[n].state.ended() {
			ends[n] = true
			reached = append(reached, int32(n))
		}
	}
	for len(reached) > 0 {
		n := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		for _, m := range precedes[n] {
			if !ends[m] {
				ends[m] = true
				reached = append(reached, m)
			}
		}
	}
	for n := range all {
		if !ends[n] && all[n].state.job.intent != pause { // a paused job waits for its user
			return int32(n)
		}
	}
	return -1
}

// traceTo lists the steps that lead to the state.
func traceTo(all []visited, n int32) (trace []string) {
	for ; all[n].parent >= 0; n = all[n].parent {
		trace = append([]string{all[n].step}, trace...)
	}
	return trace
}

func (e exploration) String() string {
	if e.violated == "" {
		return fmt.Sprintf("all guarantees hold in %d states", e.states)
	}
	return fmt.Sprintf("%q does not hold after\n  %s\n%s", e.violated, strings.Join(e.trace, "\n  "), e.last.String())
}

package protocol_test

import "testing"

// scope is what an exploration starts with. A scope with more of everything has too many states; each of these has what
// one kind of conflict needs.
type scope struct {
	name                       string
	mappings, faults, requests uint8
}

var scopes = []scope{
	{"one mapping, two requests", 1, 0, 2},
	{"one mapping, a fault and a request", 1, 1, 1},
	{"one mapping, two faults", 1, 2, 0},
	{"two mappings, a request", 2, 0, 1},
	{"two mappings, a fault", 2, 1, 0},
}

func TestEveryGuaranteeHoldsInEveryOrderOfSteps(t *testing.T) {
	t.Parallel()
	for _, of := range scopes {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			e := explore(system{everything}, of)
			if t.Log(e); e.violated != "" {
				t.Errorf("guarantees: got a violation, want none: %s", e)
			}
		})
	}
}

// Without one of these mechanisms, the nearest violation is of this guarantee. So each mechanism is needed, and each
// guarantee can fail.
func TestAGuaranteeFailsWithoutItsMechanism(t *testing.T) {
	t.Parallel()
	oneFault, oneRequest := scope{mappings: 1, faults: 1}, scope{mappings: 1, requests: 1}
	tests := []struct {
		name      string
		mechanism mechanism
		scope     scope
		want      string
	}{
		{"versionGuard", versionGuard, oneRequest, unread},
		{"queuedGuard", queuedGuard, oneRequest, final},
		{"attemptGuard", attemptGuard, scope{mappings: 1, faults: 3}, attempts},
		{"oneTransaction", oneTransaction, scope{mappings: 1}, together},
		{"cancelQueued", cancelQueued, oneRequest, together},
		{"outcomeGate", outcomeGate, oneFault, ends},
		{"intentGate", intentGate, oneRequest, intents},
		{"redelivery", redelivery, oneFault, ends},
		{"republish", republish, oneFault, ends},
		{"foldMark", foldMark, oneFault, once},
		{"runningFirst", runningFirst, scope{mappings: 1}, visible},
		{"startRead", startRead, scope{mappings: 1}, visible},
		{"listFirst", listFirst, scope{mappings: 1}, complete},
		{"endGuard", endGuard, scope{mappings: 2, requests: 1}, current},
		{"repair", repair, oneFault, ends},
	}
	fails := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := explore(system{everything &^ tt.mechanism}, tt.scope)
			t.Log(e)
			if fails[e.violated] = true; e.violated != tt.want {
				t.Errorf("without %s: got %q, want %q: %s", tt.name, e.violated, tt.want, e)
			}
		})
	}
	for _, g := range append(guarantees, guarantee{name: ends}) {
		if !fails[g.name] {
			t.Errorf("guarantee %q: got no mechanism without which it fails, want one", g.name)
		}
	}
}

// The order of these steps is no guarantee: if a process dies between them, a bell or another message follows. It only
// makes that rare.
func TestNoGuaranteeDependsOnTheOrderOfAcknowledgements(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mechanism{
		"publishFirst": publishFirst, "saveFirst": saveFirst, "finishFirst": finishFirst,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e := explore(system{everything &^ m}, scope{mappings: 1, faults: 1, requests: 1}); e.violated != "" {
				t.Errorf("without %s: got a violation, want none: %s", name, e)
			}
		})
	}
}

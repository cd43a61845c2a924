package llmtest

import (
	"math/rand/v2"
	"sync"
)

// Fault is what goes wrong in one call.
type Fault string

const (
	// None answers as the rule does.
	None Fault = ""
	// RateLimited is 429 with Retry-After.
	RateLimited Fault = "429"
	// RateLimitedNoHint is 429 without any hint.
	RateLimitedNoHint Fault = "429 without a hint"
	// ServerError is 500.
	ServerError Fault = "500"
	// Overloaded is 529, or 503 in OpenAI's protocol.
	Overloaded Fault = "529"
	// Reset ends the connection before the answer.
	Reset Fault = "reset"
	// ResetInBody ends it in the middle of the answer.
	ResetInBody Fault = "reset in the body"
	// SlowBody sends the first half of the answer and then nothing until the client gives up.
	SlowBody Fault = "slow body"
	// TruncatedJSON is an HTTP body that ends in the middle of the JSON, although the connection is complete.
	TruncatedJSON Fault = "truncated JSON"
	// CutOff is an answer of the model that ends at the limit of tokens.
	CutOff Fault = "answer cut off"
	// NotJSON is the page of a gateway, with status 200.
	NotJSON Fault = "HTML page"
	// Prose is a correct answer with sentences and a code fence around it.
	Prose Fault = "prose around JSON"
	// Refusal is the model's refusal.
	Refusal Fault = "refusal"
	// WrongIndex chooses a candidate that does not exist.
	WrongIndex Fault = "wrong index"
	// InventedTier replaces each choice from a list by a word that is not in the list.
	InventedTier Fault = "invented tier"
	// EmptyChoices is a reply without an answer.
	EmptyChoices Fault = "empty choices"
	// DuplicateKeys is an answer that has each field twice, with different values.
	DuplicateKeys Fault = "duplicate keys"
	// Megabyte is an answer of more than 1 MB.
	Megabyte Fault = "1 MB of text"
)

// Faults returns all faults of a call. [Server.Stop] makes the server refuse connections.
func Faults() []Fault {
	return []Fault{
		RateLimited, RateLimitedNoHint, ServerError, Overloaded, Reset, ResetInBody, SlowBody, TruncatedJSON, CutOff,
		NotJSON, Prose, Refusal, WrongIndex, InventedTier, EmptyChoices, DuplicateKeys, Megabyte,
	}
}

// Call is a request as a script sees it.
type Call struct {
	// Number counts the calls of the server from 1.
	Number int
	// Prompt is the text of all messages, so that a script can choose a mapping by its name.
	Prompt string
	// Turns is the number of messages; a repair has more than one.
	Turns int
}

// Script chooses the fault of each call. The server calls it for one call at a time.
type Script func(Call) Fault

// Sequence gives the faults to the first calls, in this order.
func Sequence(faults ...Fault) Script {
	return func(c Call) Fault {
		if c.Number > len(faults) {
			return None
		}
		return faults[c.Number-1]
	}
}

// Always gives every call the fault.
func Always(fault Fault) Script { return func(Call) Fault { return fault } }

// Share gives the share of the calls (0 to 1) one of the faults each, chosen by the seed.
func Share(seed uint64, share float64, faults ...Fault) Script {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable, no secret
	var mu sync.Mutex
	return func(Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() >= share {
			return None
		}
		return faults[random.IntN(len(faults))]
	}
}

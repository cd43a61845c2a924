package auditor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
)

// unverified begins the id of an event that no row bears out. The message's hash follows.
const unverified = "unverified/"

// hearsay is a message as it came, and what it claims.
type hearsay struct {
	message events.Received[events.Message]
	// event is nil where the message is not understood, for the reason in reason.
	event  events.Event
	reason events.Reason
}

func hear(message events.Received[events.Message]) hearsay {
	h := hearsay{message: message}
	_, event, err := events.DecodeAny(message.Body)
	if wrong, ok := errors.AsType[*events.DecodeError](err); ok {
		h.reason = wrong.Reason
		return h
	}
	h.event = event
	return h
}

// claim is the ce-id of what is said to have happened; empty where that is not understood.
func (h hearsay) claim() string {
	if h.event == nil {
		return ""
	}
	return h.event.ID()
}

// asked is what has to be read to judge the messages.
func asked(heard []hearsay) audit.Query {
	var q audit.Query
	for _, h := range heard {
		switch e := h.event.(type) {
		case events.RegenerateRequested:
			q.Jobs = append(q.Jobs, e.JobID)
		case events.JobFinished:
			q.Jobs = append(q.Jobs, e.JobID)
		case events.MappingChanged:
			q.Changes = append(q.Changes, audit.VersionKey{ID: e.MappingID, Version: e.Version})
		case events.PlanningChanged:
			q.Planning = append(q.Planning, e.ChangeID)
		case events.JobProgress:
			switch e.Kind {
			case events.KindStarted, events.KindListed, events.KindWaiting:
				q.Jobs = append(q.Jobs, e.JobID)
			case events.KindItem:
				q.Items = append(q.Items, audit.ItemKey{JobID: e.JobID, MappingID: e.Item.MappingID})
			case events.KindPaused, events.KindResumed, events.KindCancelled:
				q.Intents = append(q.Intents, audit.VersionKey{ID: e.JobID, Version: e.Intended.IntentVersion})
			case events.KindBell:
			}
		}
	}
	return q
}

// entry is what goes into the log for the message; none for a bell, which did not happen.
func (h hearsay) entry(facts map[string]audit.Fact) (audit.Entry, bool) {
	if progress, ok := h.event.(events.JobProgress); ok && progress.Kind == events.KindBell {
		return audit.Entry{}, false
	}
	if fact, ok := facts[h.claim()]; ok && agrees(h.event, fact) {
		return audit.Entry{Fact: fact, Origin: audit.OriginEvent, Verified: true}, true
	}
	switch e := h.event.(type) {
	case events.MappingRejected:
		return h.unkept(e.ID(), rejection{
			Subject: bounded(e.RejectedSubject), Reason: e.Reason, Size: len(e.Data), SHA256: digest(e.Data),
		}), true
	case events.JobProgress:
		if _, ok := facts[events.RegenerateRequested{JobID: e.JobID}.ID()]; ok && e.Kind == events.KindWaiting {
			return h.unkept(e.ID(), waitOf(e)), true
		}
	}
	return h.unkept(unverified+h.sum(), doubt{
		Claims: h.claim(), Reason: h.doubtful(), Size: len(h.message.Body.Data), SHA256: digest(h.message.Body.Data),
	}), true
}

// agrees reports whether what the event claims is what the rows say.
func agrees(event events.Event, fact audit.Fact) bool {
	switch e := event.(type) {
	case events.RegenerateRequested:
		said := read[events.RegenerateRequested](fact)
		return said.RequestedBy == e.RequestedBy && said.JobType == e.JobType && said.CycleID == e.CycleID && said.ReportID == e.ReportID
	case events.JobFinished:
		return read[events.JobFinished](fact).Status == e.Status
	case events.MappingChanged:
		return read[events.MappingChanged](fact).ChangedBy == e.ChangedBy
	case events.PlanningChanged:
		return reflect.DeepEqual(read[events.PlanningChanged](fact), e)
	case events.JobProgress:
		said := read[events.JobProgress](fact)
		switch e.Kind {
		case events.KindListed:
			return said.Listed != nil && said.Listed.TotalSteps == e.Listed.TotalSteps
		case events.KindItem:
			return said.Item != nil && said.Item.Outcome == e.Item.Outcome
		default:
			return true // all that it claims is in its id
		}
	default:
		return false
	}
}

// read is what the rows say, as an event; the zero value where they say something else.
func read[T events.Event](fact audit.Fact) T {
	var said T
	if err := json.Unmarshal(fact.Data, &said); err != nil {
		var nothing T
		return nothing
	}
	return said
}

// rejection is what is kept of a mapping.rejected event. The message that it quotes may hold anything, and so may the error.
type rejection struct {
	Subject string        `json:"subject"`
	Reason  events.Reason `json:"reason"`
	Size    int           `json:"size"`
	SHA256  string        `json:"sha256"`
}

// wait is what is kept of a waiting event.
type wait struct {
	JobID string              `json:"job_id"`
	Kind  events.ProgressKind `json:"kind"`
	// Since and Until are texts in RFC 3339; Until is empty where the wait is over, and where nobody knows.
	Since string `json:"since"`
	Until string `json:"until"`
}

func waitOf(e events.JobProgress) wait {
	w := wait{JobID: e.JobID, Kind: e.Kind, Since: e.Waiting.Since.UTC().Format(time.RFC3339Nano)}
	if e.Waiting.Until != nil {
		w.Until = e.Waiting.Until.UTC().Format(time.RFC3339Nano)
	}
	return w
}

// doubt is what is kept of an event that no row bears out: what it is and not what it says, because anyone may have said anything.
type doubt struct {
	// Claims is the ce-id; empty where the message is not understood.
	Claims string `json:"claims"`
	Reason string `json:"reason"`
	// Size and SHA256 are of the body.
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

// doubtful says why the message is not taken for what it says.
func (h hearsay) doubtful() string {
	if h.event == nil {
		return "not understood: " + string(h.reason)
	}
	return "no row bears it out"
}

// unkept makes an entry of what the rows do not keep.
func (h hearsay) unkept(id string, data any) audit.Entry {
	text, _ := json.Marshal(data) // texts and numbers, which are never refused
	fact := audit.Fact{
		EventID: id, Source: bounded(h.message.Source), Type: bounded(h.message.Type), Subject: bounded(h.message.Subject),
		Traceparent: h.message.Traceparent.String(), Data: text,
	}
	if subject, err := events.ParseSubject(h.message.Subject); err == nil {
		fact.JobID, fact.MappingID = subject.JobID, subject.MappingID
	}
	if rejected, ok := h.event.(events.MappingRejected); ok {
		if subject, err := events.ParseSubject(rejected.RejectedSubject); err == nil {
			fact.JobID, fact.MappingID = subject.JobID, subject.MappingID
		}
	}
	if progress, ok := h.event.(events.JobProgress); ok && progress.Item != nil {
		fact.MappingID = progress.Item.MappingID
	}
	return audit.Entry{Fact: fact, Origin: audit.OriginEvent}
}

// sum identifies the whole message, however often it is delivered.
func (h hearsay) sum() string {
	sum := sha256.New()
	part := func(p string) { fmt.Fprintf(sum, "%d:%s,", len(p), p) }
	part(h.message.Body.Subject)
	for _, name := range slices.Sorted(maps.Keys(h.message.Body.Header)) {
		part(name)
		for _, value := range h.message.Body.Header[name] {
			part(value)
		}
	}
	part(string(h.message.Body.Data))
	return hex.EncodeToString(sum.Sum(nil))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// longest is how much is kept of a text that somebody else wrote.
const longest = 300

// bounded makes a text that anybody may have written one that a row can hold.
func bounded(text string) string {
	if len(text) > longest {
		text = text[:longest]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

package auditor

import (
	"errors"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
)

// receivedEvent is a message and its decoded event, which is not yet compared with the rows.
type receivedEvent struct {
	message events.Received[events.Message]
	// event is nil if the message cannot be decoded, for this reason.
	event  events.Event
	reason events.Reason
}

func decode(message events.Received[events.Message]) receivedEvent {
	_, event, err := events.DecodeAny(message.Body)
	if decodeErr, ok := errors.AsType[*events.DecodeError](err); ok {
		return receivedEvent{message: message, reason: decodeErr.Reason}
	}
	return receivedEvent{message: message, event: event}
}

// isBell reports whether the event is a bell. Nothing happened then, so nothing is recorded.
func (r receivedEvent) isBell() bool {
	progress, ok := r.event.(events.JobProgress)
	return ok && progress.Kind == events.KindBell
}

// id returns the ce-id, or an empty text if the message cannot be decoded.
func (r receivedEvent) id() string {
	if r.event == nil {
		return ""
	}
	return r.event.ID()
}

// entry returns what the log records of the event: the fact that confirms it, or a claim.
func (r receivedEvent) entry(facts map[string]audit.Fact) (audit.Entry, error) {
	if fact, ok := facts[r.id()]; ok && fact.Confirms(r.event) {
		return fact.Entry(audit.OriginEvent)
	}
	switch e := r.event.(type) {
	case events.MappingRejected:
		return r.rejection(e)
	case events.JobProgress:
		request := events.RegenerateRequested{JobID: e.JobID}
		if _, jobExists := facts[request.ID()]; jobExists && e.Kind == events.KindWaiting {
			return r.wait(e)
		}
	}
	return r.unconfirmed()
}

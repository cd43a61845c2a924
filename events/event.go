package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Event is something that is said: one of the structs of this package. Its JSON is the body of the message.
type Event interface {
	// Subject is where it is said.
	Subject() Subject
	// ID is the ce-id. It follows from what happened, so that saying it again says the same.
	ID() string
	// check reports what is wrong with the body.
	check() error
}

// Message is an event as it travels.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

// Encode writes an event the way it travels. Source is the service that says it, without the path: classifier.
func Encode(e Event, source string, at time.Time, trace Traceparent) (Message, error) {
	subject := e.Subject()
	if err := errors.Join(subject.check(), e.check()); err != nil {
		return Message{}, fmt.Errorf("event %s: %w", e.ID(), err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return Message{}, fmt.Errorf("event %s: %w", e.ID(), err)
	}
	envelope := Envelope{
		ID:          e.ID(),
		Source:      "/pdeflow/" + source,
		Type:        subject.Topic.Type(),
		Time:        at,
		About:       subject.about(),
		Traceparent: trace,
	}
	return Message{Subject: subject.String(), Header: envelope.header(), Data: data}, nil
}

// Decode understands a message as an event of type T, or says why not in a [*DecodeError]. Fields that T does not have are ignored, so
// that later versions may say more; a field of the wrong type, a missing id, a value that does not exist, an id that does not follow
// from the body, and a body that disagrees with its subject are errors.
func Decode[T Event](m Message) (Envelope, T, error) {
	var event T
	envelope, err := decode(m, any(&event).(Event))
	return envelope, event, err
}

// decode understands a message as the event that into points to.
func decode(m Message, into Event) (Envelope, error) {
	subject, envelope, err := decodeEnvelope(m)
	if err != nil {
		return envelope, err
	}
	wrong := func(err error) (Envelope, error) { return envelope, &DecodeError{Reason: ReasonBody, Err: err} }
	if err := json.Unmarshal(m.Data, into); err != nil {
		return wrong(fmt.Errorf("body: %w", err))
	}
	if partial, ok := into.(interface{ complete(Subject) }); ok {
		partial.complete(subject)
	}
	if err := into.check(); err != nil {
		return wrong(err)
	}
	if said := into.Subject(); said != subject {
		return wrong(fmt.Errorf("body belongs to subject %s, not %s", said, subject))
	}
	if id := into.ID(); id != envelope.ID {
		return wrong(fmt.Errorf("header %s is %q, but the body is %q", headerID, envelope.ID, id))
	}
	return envelope, nil
}

// DecodeAny understands a message as whatever event its subject promises. It is for those who read all of a stream.
func DecodeAny(m Message) (Envelope, Event, error) {
	subject, err := ParseSubject(m.Subject)
	if err != nil {
		return Envelope{}, nil, &DecodeError{Reason: ReasonSubject, Err: err}
	}
	switch subject.Topic {
	case TopicRegenerateRequested:
		return decodeAs[RegenerateRequested](m)
	case TopicMappingRequested:
		return decodeAs[MappingRequested](m)
	case TopicMappingChanged:
		return decodeAs[MappingChanged](m)
	case TopicPlanningChanged:
		return decodeAs[PlanningChanged](m)
	case TopicMappingRejected:
		return decodeAs[MappingRejected](m)
	case TopicJobProgress:
		return decodeAs[JobProgress](m)
	case TopicJobFinished:
		return decodeAs[JobFinished](m)
	default:
		return Envelope{}, nil, &DecodeError{Reason: ReasonSubject, Err: fmt.Errorf("topic %s has no event", subject.Topic)}
	}
}

// decodeAs hides a half-read event from the caller, who could not tell it from a whole one.
func decodeAs[T Event](m Message) (Envelope, Event, error) {
	envelope, event, err := Decode[T](m)
	if err != nil {
		return envelope, nil, err
	}
	return envelope, event, nil
}

func decodeEnvelope(m Message) (Subject, Envelope, error) {
	subject, err := ParseSubject(m.Subject)
	if err != nil {
		return Subject{}, Envelope{}, &DecodeError{Reason: ReasonSubject, Err: err}
	}
	envelope, err := parseEnvelope(m.Header)
	if err == nil && envelope.Type != subject.Topic.Type() {
		err = fmt.Errorf("header %s is %q, but %s carries %s", headerType, envelope.Type, m.Subject, subject.Topic.Type())
	}
	if err != nil {
		return subject, envelope, &DecodeError{Reason: ReasonEnvelope, Err: err}
	}
	return subject, envelope, nil
}

// Reason says why a message could not be understood: the last word of mapping.rejected.
type Reason string

// The reasons.
const (
	// ReasonSubject is a subject that is not one of ours, or names ids that cannot be.
	ReasonSubject Reason = "subject"
	// ReasonEnvelope is headers that are not those of a CloudEvent, or of one of another type.
	ReasonEnvelope Reason = "envelope"
	// ReasonBody is a body that is not the event it should be.
	ReasonBody Reason = "body"
	// ReasonUnknown is a message that names something that does not exist. Only who reads the rows can tell.
	ReasonUnknown Reason = "unknown"
)

// Reasons lists every reason.
func Reasons() []Reason { return []Reason{ReasonSubject, ReasonEnvelope, ReasonBody, ReasonUnknown} }

// DecodeError says why a message is not the event it should be.
type DecodeError struct {
	Reason Reason
	Err    error
}

func (e *DecodeError) Error() string { return e.Err.Error() }

func (e *DecodeError) Unwrap() error { return e.Err }

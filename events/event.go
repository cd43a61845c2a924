package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// Event is one of the event structs of this package. Its JSON is the body of the message.
type Event interface {
	// Subject is the subject to publish the event on.
	Subject() Subject
	// ID is the ce-id. It is derived from the reported change, so that publishing the event again gives the
	// same ID.
	ID() string
	// check reports the errors of the body.
	check() error
}

// Message is an encoded event.
type Message struct {
	Subject string
	Header  map[string][]string
	Data    []byte
}

// Encode encodes an event that the service publishes. The error names the invalid fields.
func Encode(e Event, service schema.Service, at time.Time, trace Traceparent) (Message, error) {
	subject := e.Subject()
	if err := errors.Join(subject.check(), e.check()); err != nil {
		return Message{}, fmt.Errorf("event %s: %w", e.ID(), err)
	}
	data, err := EncodeBody(e)
	if err != nil {
		return Message{}, err
	}
	envelope := Envelope{
		ID:          e.ID(),
		Source:      Source(service),
		Type:        subject.Topic.Type(),
		Time:        at,
		About:       subject.about(),
		Traceparent: trace,
	}
	return Message{Subject: subject.String(), Header: envelope.header(), Data: data}, nil
}

// EncodeBody returns the JSON of an event: the data of its message.
func EncodeBody(e Event) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID(), err)
	}
	return data, nil
}

// Source returns the ce-source of the events that a service publishes.
func Source(service schema.Service) string { return "/pdeflow/" + string(service) }

// Decode decodes a message as an event of type T. Unknown fields are ignored, so that later versions can add
// some. A field of the wrong type, an invalid value, an id that does not match the body, and a body that does
// not match the subject are errors, of type [*DecodeError].
func Decode[T Event](m Message) (Envelope, T, error) {
	var event T
	envelope, err := decode(m, any(&event).(Event))
	return envelope, event, err
}

// decode decodes a message into the event that into points to.
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
	if want := into.Subject(); want != subject {
		return wrong(fmt.Errorf("body belongs to subject %s, not %s", want, subject))
	}
	if id := into.ID(); id != envelope.ID {
		return wrong(fmt.Errorf("header %s is %q, but the body is %q", headerID, envelope.ID, id))
	}
	return envelope, nil
}

// DecodeAny decodes a message as the event type of its subject, for consumers of a whole stream.
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
		return Envelope{}, nil, &DecodeError{
			Reason: ReasonSubject,
			Err:    fmt.Errorf("topic %s has no event", subject.Topic),
		}
	}
}

// decodeAs returns nil instead of a partly decoded event.
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
		err = fmt.Errorf(
			"header %s is %q, but %s carries %s",
			headerType,
			envelope.Type,
			m.Subject,
			subject.Topic.Type(),
		)
	}
	if err != nil {
		return subject, envelope, &DecodeError{Reason: ReasonEnvelope, Err: err}
	}
	return subject, envelope, nil
}

// Reason is why a message was rejected. It is the last token of the subject mapping.rejected.<reason>.
type Reason string

const (
	// ReasonSubject is an unknown subject, or one with invalid ids.
	ReasonSubject Reason = "subject"
	// ReasonEnvelope is a missing or invalid CloudEvents header, or the wrong type.
	ReasonEnvelope Reason = "envelope"
	// ReasonBody is an invalid body.
	ReasonBody Reason = "body"
	// ReasonUnknown is a job or mapping without a row, or a job that has no work in the lane. Only handlers use it.
	ReasonUnknown Reason = "unknown"
)

// Reasons lists every reason.
func Reasons() []Reason { return []Reason{ReasonSubject, ReasonEnvelope, ReasonBody, ReasonUnknown} }

// DecodeError is the error of a message that cannot be decoded.
type DecodeError struct {
	Reason Reason
	Err    error
}

func (e *DecodeError) Error() string { return e.Err.Error() }

func (e *DecodeError) Unwrap() error { return e.Err }

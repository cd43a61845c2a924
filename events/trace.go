package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// Traceparent is a W3C Trace Context: a trace and a span. The zero value belongs to no trace.
type Traceparent struct {
	trace [16]byte
	span  [8]byte
	flags byte
}

// sampled is the flag of a trace that is recorded.
const sampled = 0x01

// NewTraceparent begins a trace.
func NewTraceparent() Traceparent {
	t := Traceparent{flags: sampled}
	rand.Read(t.trace[:])
	rand.Read(t.span[:])
	return t
}

// ParseTraceparent parses a traceparent header. It accepts later versions as far as they agree with version
// 00, as the specification requires.
func ParseTraceparent(value string) (Traceparent, error) {
	var t Traceparent
	wrong := func(problem string) (Traceparent, error) {
		return Traceparent{}, fmt.Errorf("traceparent %q: %s", value, problem)
	}
	const first = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(value) < first || value[2] != '-' || value[35] != '-' || value[52] != '-' {
		return wrong("not four parts")
	}
	if value != strings.ToLower(value) {
		return wrong("not in lower case")
	}
	var version, flags [1]byte
	for _, part := range []struct {
		into []byte
		text string
	}{{version[:], value[:2]}, {t.trace[:], value[3:35]}, {t.span[:], value[36:52]}, {flags[:], value[53:55]}} {
		if _, err := hex.Decode(part.into, []byte(part.text)); err != nil {
			return wrong("not hexadecimal")
		}
	}
	switch {
	case version[0] == 0xff:
		return wrong("not a version")
	case version[0] == 0 && len(value) != first, len(value) > first && value[first] != '-':
		return wrong("more than four parts")
	case t.trace == [16]byte{} || t.span == [8]byte{}:
		return wrong("an id of zeros")
	}
	t.flags = flags[0] & sampled
	return t, nil
}

// Next returns a new span of the same trace, or a new trace for the zero value.
func (t Traceparent) Next() Traceparent {
	if t.IsZero() {
		return NewTraceparent()
	}
	rand.Read(t.span[:])
	return t
}

// IsZero reports whether t belongs to no trace.
func (t Traceparent) IsZero() bool { return t == Traceparent{} }

// TraceID is the trace id in hexadecimal; empty for the zero value.
func (t Traceparent) TraceID() string {
	if t.IsZero() {
		return ""
	}
	return hex.EncodeToString(t.trace[:])
}

// String is the header value; empty for the zero value.
func (t Traceparent) String() string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("00-%x-%x-%02x", t.trace, t.span, t.flags)
}

type traceKey struct{}

// WithTraceparent returns a context whose published events belong to the trace.
func WithTraceparent(ctx context.Context, t Traceparent) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// WithTrace is [WithTraceparent] for a stored traceparent. It returns ctx if that cannot be parsed.
func WithTrace(ctx context.Context, traceparent string) context.Context {
	t, err := ParseTraceparent(traceparent)
	if err != nil {
		return ctx
	}
	return WithTraceparent(ctx, t)
}

// TraceparentFrom returns the trace of the context, or the zero value.
func TraceparentFrom(ctx context.Context) Traceparent {
	t, _ := ctx.Value(traceKey{}).(Traceparent)
	return t
}

package events

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The headers of the envelope: CloudEvents 1.0, binary mode, and the W3C trace context. Their case matters to NATS.
const (
	headerSpecVersion = "ce-specversion"
	headerID          = "ce-id"
	headerSource      = "ce-source"
	headerType        = "ce-type"
	headerTime        = "ce-time"
	headerSubject     = "ce-subject"
	headerContentType = "ce-datacontenttype"
	headerTraceparent = "traceparent"
)

const (
	specVersion = "1.0"
	contentType = "application/json"
)

// Envelope is what every event tells about itself.
type Envelope struct {
	// ID says what happened: the same happening has the same id however often it is said, so count by it.
	ID string
	// Source is who says it, such as /pdeflow/classifier.
	Source string
	// Type is what kind of event it is, such as io.pdeflow.job.progress.v1.
	Type string
	// Time is when it was said, by the speaker's clock. Rows hold when it happened.
	Time time.Time
	// About is the id of the job or mapping that the event is about; empty where there is none.
	About string
	// Traceparent is the step that said it. What does not carry a readable one belongs to no trace.
	Traceparent Traceparent
}

func (e Envelope) header() map[string][]string {
	h := map[string][]string{
		headerSpecVersion: {specVersion},
		headerID:          {percentEncode(e.ID)},
		headerSource:      {percentEncode(e.Source)},
		headerType:        {percentEncode(e.Type)},
		headerTime:        {e.Time.UTC().Format(time.RFC3339Nano)},
		headerContentType: {contentType},
	}
	if e.About != "" {
		h[headerSubject] = []string{percentEncode(e.About)}
	}
	if !e.Traceparent.IsZero() {
		h[headerTraceparent] = []string{e.Traceparent.String()}
	}
	return h
}

// parseEnvelope reads the headers. What CloudEvents requires must be there; a trace context that cannot be read is as good as none,
// because losing a trace is no reason to lose an event.
func parseEnvelope(header map[string][]string) (Envelope, error) {
	var (
		e    Envelope
		errs []error
	)
	read := func(name string, required bool) string {
		values := header[name]
		if len(values) == 0 || values[0] == "" {
			if required {
				errs = append(errs, fmt.Errorf("header %s is missing", name))
			}
			return ""
		}
		value, err := percentDecode(values[0])
		if err != nil {
			errs = append(errs, fmt.Errorf("header %s: %w", name, err))
		}
		return value
	}
	if v := read(headerSpecVersion, true); v != "" && v != specVersion {
		errs = append(errs, fmt.Errorf("header %s is %q, not %s", headerSpecVersion, v, specVersion))
	}
	e.ID, e.Source, e.Type = read(headerID, true), read(headerSource, true), read(headerType, true)
	e.About = read(headerSubject, false)
	if v := read(headerContentType, false); v != "" && v != contentType {
		errs = append(errs, fmt.Errorf("header %s is %q, not %s", headerContentType, v, contentType))
	}
	if v := read(headerTime, false); v != "" {
		at, err := time.Parse(time.RFC3339, v)
		if err != nil {
			errs = append(errs, fmt.Errorf("header %s: %w", headerTime, err))
		}
		e.Time = at
	}
	if values := header[headerTraceparent]; len(values) > 0 {
		e.Traceparent, _ = ParseTraceparent(values[0])
	}
	return e, errors.Join(errs...)
}

// percentEncode writes a value the way the CloudEvents bindings ask for: visible ASCII stands for itself, but for the quotation mark and
// the percent sign.
func percentEncode(value string) string {
	plain := func(b byte) bool { return b > ' ' && b < 0x7f && b != '"' && b != '%' }
	var s strings.Builder
	for i := range len(value) {
		if b := value[i]; plain(b) {
			s.WriteByte(b)
		} else {
			fmt.Fprintf(&s, "%%%02X", b)
		}
	}
	return s.String()
}

func percentDecode(value string) (string, error) {
	var s strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			s.WriteByte(value[i])
			continue
		}
		if len(value) < i+3 {
			return "", fmt.Errorf("%q ends in the middle of an escape", value)
		}
		b, err := hex.DecodeString(value[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("%q has an escape that is not hexadecimal", value)
		}
		s.WriteByte(b[0])
		i += 2
	}
	return s.String(), nil
}

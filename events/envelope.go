package events

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Headers of CloudEvents 1.0 in binary mode and of W3C Trace Context. NATS headers are case-sensitive.
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

// Envelope contains the context attributes of an event.
type Envelope struct {
	// ID identifies the change that the event reports. An event that is published twice has the same ID, so
	// consumers deduplicate by it.
	ID string
	// Source is the publishing service, such as /pdeflow/classifier.
	Source string
	// Type is the event type, such as io.pdeflow.job.progress.v1.
	Type string
	// Time is when the event was published, by the publisher's clock. The rows have the time of the change.
	Time time.Time
	// About is the id of the job, mapping or change that the event is about (ce-subject); empty if there is
	// none.
	About string
	// Traceparent is the trace context of the publisher; the zero value if it is missing or unreadable.
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

// parseEnvelope reads the headers. The attributes that CloudEvents requires must be present. An unreadable
// trace context is ignored, since losing a trace is better than losing an event.
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

// percentEncode encodes a header value as the CloudEvents bindings require: all but visible ASCII, and the
// quotation mark and the percent sign.
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

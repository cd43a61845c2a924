package events_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
)

// A decoded event can be encoded, and decodes to the same event again.
func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		m := encode(f, e)
		f.Add(m.Subject, m.Header["ce-id"][0], m.Header["ce-type"][0], m.Header["ce-source"][0], exampleTrace, m.Data)
	}
	f.Fuzz(func(t *testing.T, subject, id, kind, source, trace string, data []byte) {
		m := events.Message{Subject: subject, Data: data, Header: map[string][]string{
			"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-type": {kind}, "ce-source": {source}, "traceparent": {trace},
		}}
		envelope, event, err := events.DecodeAny(m)
		if err != nil {
			return
		}
		again, err := events.Encode(event, "test", moment, envelope.Traceparent)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		if again.Subject != subject {
			t.Errorf("Encode: got the subject %q, want %q", again.Subject, subject)
		}
		_, same, err := events.DecodeAny(again)
		if err != nil {
			t.Fatalf("Decode of an encoded event: got %v, want nil", err)
		}
		if diff := cmp.Diff(event, same); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzParseTraceparent(f *testing.F) {
	f.Add(exampleTrace)
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-later")
	f.Fuzz(func(t *testing.T, value string) {
		parsed, err := events.ParseTraceparent(value)
		if err != nil {
			return
		}
		if again, err := events.ParseTraceparent(parsed.String()); err != nil || again != parsed {
			t.Errorf("ParseTraceparent(%q): got %s, %v, want %s", parsed, again, err, parsed)
		}
	})
}

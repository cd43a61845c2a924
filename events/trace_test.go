package events_test

import (
	"testing"

	"github.com/pdeflow/pdeflow/events"
)

const exampleTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParseTraceparent_InvertsString(t *testing.T) {
	t.Parallel()
	const notSampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	for value, want := range map[string]string{
		exampleTrace: exampleTrace,
		notSampled:   notSampled,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-later": exampleTrace,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			got, err := events.ParseTraceparent(value)
			if err != nil || got.String() != want || got.TraceID() != "4bf92f3577b34da6a3ce929d0e0e4736" {
				t.Errorf("ParseTraceparent(%s): got %s, %v, want %s", value, got, err, want)
			}
		})
	}
}

func TestParseTraceparent_RefusesOtherTexts(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "00", exampleTrace[:54], exampleTrace + "0", exampleTrace + "-later", "ff" + exampleTrace[2:],
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
		"00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
		"cc" + exampleTrace[2:] + "later",
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			if got, err := events.ParseTraceparent(value); err == nil || !got.IsZero() {
				t.Errorf("ParseTraceparent(%q): got %s, want an error", value, got)
			}
		})
	}
}

func TestTraceparent_Next(t *testing.T) {
	t.Parallel()
	post, err := events.ParseTraceparent(exampleTrace)
	if err != nil {
		t.Fatal(err)
	}
	hop := post.Next()
	if hop.TraceID() != post.TraceID() || hop == post || hop == post.Next() || hop.String()[53:] != "01" {
		t.Errorf("Next: got %s, want another span of %s", hop, post)
	}
	var none events.Traceparent
	if !none.IsZero() || none.String() != "" || none.TraceID() != "" {
		t.Errorf("no trace: got %q, want the zero value", none)
	}
	if begun := none.Next(); begun.IsZero() || begun.TraceID() == none.Next().TraceID() {
		t.Errorf("Next of no trace: got %s, want a new trace", begun)
	}
	if _, err := events.ParseTraceparent(events.NewTraceparent().String()); err != nil {
		t.Error(err)
	}
	ctx := events.WithTraceparent(t.Context(), hop)
	if events.TraceparentFrom(ctx) != hop || !events.TraceparentFrom(t.Context()).IsZero() {
		t.Error("the context does not keep the trace")
	}
}

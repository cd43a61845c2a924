package events_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestDecode_IgnoresUnknownFields(t *testing.T) {
	t.Parallel()
	m := encode(t, events.JobListed(jobID, 7))
	m.Data = []byte(`{"job_id":"` + jobID + `","kind":"listed","total_steps":7,"mapping_id":"m","pages":{"n":1}}`)
	m.Header["ce-later"] = []string{"x"}
	_, got, err := events.Decode[events.JobProgress](m)
	if diff := cmp.Diff(events.JobListed(jobID, 7), got); err != nil || diff != "" {
		t.Errorf("got error %v, difference %s, want neither", err, diff)
	}
}

func TestDecode_RefusesInvalidMessages(t *testing.T) {
	t.Parallel()
	item := events.JobItem("j", events.Item{MappingID: "m", Outcome: schema.OutcomeSucceeded})
	for name, c := range map[string]struct {
		change func(m *events.Message)
		reason events.Reason
	}{
		"no headers": {func(m *events.Message) { m.Header = nil }, events.ReasonEnvelope},
		"no id":      {func(m *events.Message) { delete(m.Header, "ce-id") }, events.ReasonEnvelope},
		"no source":  {func(m *events.Message) { delete(m.Header, "ce-source") }, events.ReasonEnvelope},
		"another version": {
			func(m *events.Message) { m.Header["ce-specversion"] = []string{"0.3"} }, events.ReasonEnvelope,
		},
		"another type": {
			func(m *events.Message) { m.Header["ce-type"] = []string{"io.pdeflow.job.finished.v1"} },
			events.ReasonEnvelope,
		},
		"another content type": {
			func(m *events.Message) { m.Header["ce-datacontenttype"] = []string{"text/xml"} }, events.ReasonEnvelope,
		},
		"no time": {
			func(m *events.Message) { m.Header["ce-time"] = []string{"yesterday"} }, events.ReasonEnvelope,
		},
		"a broken escape": {
			func(m *events.Message) { m.Header["ce-source"] = []string{"/a%2"} }, events.ReasonEnvelope,
		},
		"another event's id": {
			func(m *events.Message) { m.Header["ce-id"] = []string{"item/j/n"} }, events.ReasonBody,
		},
		"another job's subject":   {func(m *events.Message) { m.Subject = "job.progress.k" }, events.ReasonBody},
		"an unknown subject":      {func(m *events.Message) { m.Subject = "job.progress.j.k" }, events.ReasonSubject},
		"no body":                 {func(m *events.Message) { m.Data = nil }, events.ReasonBody},
		"null":                    {body(`null`), events.ReasonBody},
		"a list":                  {body(`[]`), events.ReasonBody},
		"two bodies":              {body(`{"job_id":"j","kind":"bell"} {}`), events.ReasonBody},
		"a number for an id":      {body(`{"job_id":1,"kind":"bell"}`), events.ReasonBody},
		"no kind":                 {body(`{"job_id":"j"}`), events.ReasonBody},
		"an unknown kind":         {body(`{"job_id":"j","kind":"dancing"}`), events.ReasonBody},
		"an item without mapping": {body(`{"job_id":"j","kind":"item","outcome":"succeeded"}`), events.ReasonBody},
		"an item without outcome": {body(`{"job_id":"j","kind":"item","mapping_id":"m"}`), events.ReasonBody},
		"an unknown outcome": {
			body(`{"job_id":"j","kind":"item","mapping_id":"m","outcome":"lost"}`), events.ReasonBody,
		},
		"an item that cancels": {
			body(`{"job_id":"j","kind":"item","mapping_id":"m","outcome":"cancelled"}`), events.ReasonBody,
		},
		"a negative duration": {
			body(`{"job_id":"j","kind":"item","mapping_id":"m","outcome":"failed","duration_ms":-1}`),
			events.ReasonBody,
		},
		"listed without a length": {body(`{"job_id":"j","kind":"listed"}`), events.ReasonBody},
		"paused without version":  {body(`{"job_id":"j","kind":"paused"}`), events.ReasonBody},
		"waiting since never":     {body(`{"job_id":"j","kind":"waiting","waiting_for":"x"}`), events.ReasonBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := encode(t, item)
			c.change(&m)
			_, _, err := events.Decode[events.JobProgress](m)
			if wrong, ok := errors.AsType[*events.DecodeError](err); !ok || wrong.Reason != c.reason {
				t.Errorf("%s: got %v, want a DecodeError of %s", name, err, c.reason)
			}
			if _, e, err := events.DecodeAny(m); err == nil || e != nil {
				t.Errorf("%s: got %+v, want an error", name, e)
			}
		})
	}
}

func TestDecode_IgnoresAnUnreadableTrace(t *testing.T) {
	t.Parallel()
	m := encode(t, events.JobBell("j"))
	m.Header["traceparent"] = []string{"00-garbled"}
	envelope, _, err := events.Decode[events.JobProgress](m)
	if err != nil || !envelope.Traceparent.IsZero() {
		t.Errorf("got %+v, %v, want no trace and no error", envelope, err)
	}
}

package auditor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAForgedEventIsLoggedForWhatItIs(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 4)
	h.audit(eager())
	job := schematest.ListedJob(t, h.DB, 4)
	h.finish(job, h.ids[0])
	forged := map[string]events.Event{
		"an outcome that is not so":        events.JobItem(job.ID, events.Item{MappingID: h.ids[0], Outcome: schema.ItemFailed}),
		"an outcome of a queued item":      events.JobItem(job.ID, events.Item{MappingID: h.ids[1], Outcome: schema.Succeeded}),
		"an outcome of no item":            events.JobItem(job.ID, events.Item{MappingID: "nobodys", Outcome: schema.Succeeded}),
		"a start of no job":                events.JobStarted("nobodys"),
		"a list of another length":         events.JobListed(job.ID, 5),
		"a pause that nobody asked for":    events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: 2, Intent: schema.IntentPause}),
		"the first intent as a resumption": events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: 1, Intent: schema.IntentRun}),
		"a request in another's name": func() events.Event {
			request := events.RegenerateRequestedOf(job)
			request.RequestedBy = "mallory"
			return request
		}(),
		"an end before the end": events.JobFinished{JobStatus: func() events.JobStatus {
			status := events.StatusOf(job, schema.JobStatus{JobID: job.ID, Status: schema.Completed})
			status.Metadata.Classifier = schema.Rules
			return status
		}()},
		"a change that nobody made": events.MappingChanged{
			MappingID: h.ids[0], Version: 2, ChangedBy: "mallory", Before: json.RawMessage("{}"), After: json.RawMessage("{}"),
		},
		"a wait of no job": events.JobWaiting("nobodys", events.Waiting{Since: time.Now()}),
	}
	claims := map[string]string{}
	for name, event := range forged {
		h.publish(event)
		claims[event.ID()] = name
	}
	h.drained()
	rows := h.log()
	if len(rows) != len(forged) {
		t.Errorf("%d rows for %d forged events", len(rows), len(forged))
	}
	for _, row := range rows {
		var doubt struct{ Claims, Reason, SHA256 string }
		if err := json.Unmarshal(row.Data, &doubt); err != nil {
			t.Fatal(err)
		}
		if row.Verified || !strings.HasPrefix(row.EventID, "unverified/") || claims[doubt.Claims] == "" || row.Actor != "" || row.Origin != audit.OriginEvent {
			t.Errorf("%s is logged as %s, claiming %s, by %q", claims[doubt.Claims], row.EventID, doubt.Claims, row.Actor)
		}
		if strings.Contains(string(row.Data), "mallory") {
			t.Errorf("the log repeats what was forged: %s", row.Data)
		}
	}
	h.sound()

	// What is true in a forged event is logged as the rows say it, and what was forged does not stand in its way.
	h.publish(events.JobItem(job.ID, events.Item{MappingID: h.ids[0], Outcome: schema.Succeeded, Attempt: 77}))
	row := h.logs("item/" + job.ID + "/" + h.ids[0])
	said, err := decode[events.JobProgress](row.Data)
	if err != nil || said.Item == nil || said.Item.Attempt != 1 || !row.Verified {
		t.Errorf("logged as %s", row.Data)
	}
	h.sound()
}

func TestAGarbledMessageIsLoggedWithoutItsContent(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	h.audit(eager())
	const secret = "123-45-6789"
	garbled := []events.Message{
		{Subject: "job.progress." + secret, Data: []byte("\xff\xfe" + secret)},
		{Subject: "job.progress.x", Header: map[string][]string{"ce-id": {"\x00\xff"}, "ce-source": {"%00%FF" + strings.Repeat("é", 400)}}, Data: []byte(secret)},
		{Subject: "job.finished.\xff\xfe", Data: []byte("{}")},
		{Subject: "mapping.changed.x", Header: map[string][]string{"traceparent": {"\xff"}}},
		{Subject: "regenerate.requested." + strings.Repeat("x", 400)},
	}
	for range 2 { // the same message is the same event
		for _, m := range garbled {
			h.raw(m)
		}
	}
	h.drained()
	rows := h.log()
	if len(rows) != len(garbled) {
		t.Fatalf("%d rows for %d garbled messages", len(rows), len(garbled))
	}
	for _, row := range rows {
		if row.Verified || !strings.HasPrefix(row.EventID, "unverified/") || !strings.Contains(string(row.Data), "not understood") {
			t.Errorf("%s %s", row.EventID, row.Data)
		}
		if strings.Contains(string(row.Data), secret) {
			t.Errorf("the log has the body: %s", row.Data)
		}
	}
	h.sound()
}

func TestClaimsThatNoRowKeepsAreLoggedAsClaims(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 1)
	h.audit(eager())
	job := schematest.ListedJob(t, h.DB, 1)
	why, until := "the limit of customer 4711", time.Now().Add(time.Minute)
	waiting := events.JobWaiting(job.ID, events.Waiting{WaitingFor: &why, Until: &until, Since: time.Now()})
	rejected := events.MappingRejected{
		RejectedSubject: "mapping.requested.rules." + job.ID + "." + h.ids[0], Data: []byte("customer 4711"), Reason: events.ReasonBody,
		Error: `invalid character "4711"`,
	}
	h.publish(waiting, rejected, waiting, rejected)
	h.drained()
	if n := len(h.log()); n != 2 {
		t.Errorf("%d rows", n)
	}
	for _, event := range []events.Event{waiting, rejected} {
		row := h.logs(event.ID())
		if row.Verified || row.JobID != job.ID || strings.Contains(string(row.Data), "4711") {
			t.Errorf("%s: verified %v, job %q, %s", event.ID(), row.Verified, row.JobID, row.Data)
		}
	}
	if row := h.logs(rejected.ID()); row.MappingID != h.ids[0] || !strings.Contains(string(row.Data), `"size":13`) {
		t.Errorf("rejected: mapping %q, %s", row.MappingID, row.Data)
	}
	h.sound()
}

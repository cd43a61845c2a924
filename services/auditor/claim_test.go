package auditor_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAForgedEventIsLoggedAsUnverified(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.audit(eager())
	job := schematest.ListedJob(t, f.DB, 4)
	f.finish(job, f.ids[0])
	forged := map[string]events.Event{
		"an outcome that is not so": events.JobItem(
			job.ID,
			events.Item{MappingID: f.ids[0], Outcome: schema.OutcomeFailed},
		),
		"an outcome of a queued item": events.JobItem(
			job.ID,
			events.Item{MappingID: f.ids[1], Outcome: schema.OutcomeSucceeded},
		),
		"an outcome of no item": events.JobItem(
			job.ID,
			events.Item{MappingID: "nobodys", Outcome: schema.OutcomeSucceeded},
		),
		"a start of no job":        events.JobStarted("nobodys"),
		"a list of another length": events.JobListed(job.ID, 5),
		"a pause without an intent": events.JobIntentOf(
			schema.JobIntent{JobID: job.ID, Version: 2, Intent: schema.IntentPause},
		),
		"the first intent as a resumption": events.JobIntentOf(
			schema.JobIntent{JobID: job.ID, Version: 1, Intent: schema.IntentRun},
		),
		"a request in another's name": func() events.Event {
			request := events.RegenerateRequestedOf(job)
			request.RequestedBy = "mallory"
			return request
		}(),
		"an end before the end": events.JobFinished{JobStatus: func() events.JobStatus {
			status := events.StatusOf(job, schema.JobStatus{JobID: job.ID, Status: schema.StatusCompleted})
			status.Metadata.Classifier = schema.ClassifierRules
			return status
		}()},
		"a change without a row": events.MappingChanged{
			MappingID: f.ids[0], Version: 2, ChangedBy: "mallory", Before: json.RawMessage("{}"),
			After: json.RawMessage("{}"),
		},
		"a wait of no job": events.JobWaiting("nobodys", events.Waiting{Since: time.Now()}),
	}
	claims := map[string]string{}
	for name, event := range forged {
		f.publish(event)
		claims[event.ID()] = name
	}
	f.waitCaughtUp()
	rows := f.log()
	if len(rows) != len(forged) {
		t.Errorf("rows: got %d, want %d", len(rows), len(forged))
	}
	for _, row := range rows {
		var doubt struct{ Claims, Reason, SHA256 string }
		if err := json.Unmarshal(row.Data, &doubt); err != nil {
			t.Fatal(err)
		}
		if row.Verified || !strings.HasPrefix(row.EventID, "unverified/") || claims[doubt.Claims] == "" ||
			row.Actor != "" ||
			row.Origin != audit.OriginEvent {
			t.Errorf("%s: got the row %s, claiming %s, by %q, want an unverified one by nobody known",
				claims[doubt.Claims], row.EventID, doubt.Claims, row.Actor)
		}
		if strings.Contains(string(row.Data), "mallory") {
			t.Errorf("log: got %s, want nothing of the forged body", row.Data)
		}
	}
	f.mustBeSound()

	// A forged event with a true outcome is recorded as the rows have it, although an earlier one was false.
	f.publish(events.JobItem(job.ID, events.Item{MappingID: f.ids[0], Outcome: schema.OutcomeSucceeded, Attempt: 77}))
	row := f.waitRow("item/" + job.ID + "/" + f.ids[0])
	published, err := decode[events.JobProgress](row.Data)
	if err != nil || published.Item == nil || published.Item.Attempt != 1 || !row.Verified {
		t.Errorf("item: got %s, want attempt 1, verified", row.Data)
	}
	f.mustBeSound()
}

func TestAMalformedMessageIsLoggedWithoutItsContent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.audit(eager())
	const secret = "123-45-6789"
	malformed := []events.Message{
		{Subject: "job.progress." + secret, Data: []byte("\xff\xfe" + secret)},
		{
			Subject: "job.progress.x",
			Header:  map[string][]string{"ce-id": {"\x00\xff"}, "ce-source": {"%00%FF" + strings.Repeat("é", 400)}},
			Data:    []byte(secret),
		},
		{Subject: "job.finished.\xff\xfe", Data: []byte("{}")},
		{Subject: "mapping.changed.x", Header: map[string][]string{"traceparent": {"\xff"}}},
		{Subject: "regenerate.requested." + strings.Repeat("x", 400)},
	}
	for range 2 { // the same message is the same event
		for _, m := range malformed {
			f.publishRaw(m)
		}
	}
	f.waitCaughtUp()
	rows := f.log()
	if len(rows) != len(malformed) {
		t.Fatalf("rows: got %d, want %d", len(rows), len(malformed))
	}
	for _, row := range rows {
		if row.Verified || !strings.HasPrefix(row.EventID, "unverified/") ||
			!strings.Contains(string(row.Data), "not understood") {
			t.Errorf("%s: got %s, want an unverified row that is not understood", row.EventID, row.Data)
		}
		if strings.Contains(string(row.Data), secret) {
			t.Errorf("log: got %s, want nothing of the body", row.Data)
		}
	}
	f.mustBeSound()
}

func TestWaitsAndRejectionsAreLoggedAsClaims(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.audit(eager())
	job := schematest.ListedJob(t, f.DB, 1)
	why, until := "the limit of customer Vogt", time.Now().Add(time.Minute)
	waiting := events.JobWaiting(job.ID, events.Waiting{WaitingFor: &why, Until: &until, Since: time.Now()})
	rejected := events.MappingRejected{
		RejectedSubject: "mapping.requested.rules." + job.ID + "." + f.ids[0], Data: []byte("customer Vogt"),
		Reason: events.ReasonBody,
		Error:  `invalid character "Vogt"`,
	}
	f.publish(waiting, rejected, waiting, rejected)
	f.waitCaughtUp()
	if n := len(f.log()); n != 2 {
		t.Errorf("rows: got %d, want 2", n)
	}
	for _, event := range []events.Event{waiting, rejected} {
		t.Run(fmt.Sprint(event), func(t *testing.T) {
			f := f.in(t)
			row := f.waitRow(event.ID())
			if row.Verified || row.JobID != job.ID || strings.Contains(string(row.Data), "Vogt") {
				t.Errorf("%s: got verified %v, job %q, %s, want an unverified row of job %q without its text",
					event.ID(), row.Verified, row.JobID, row.Data, job.ID)
			}
		})
	}
	if row := f.waitRow(rejected.ID()); row.MappingID != f.ids[0] || !strings.Contains(string(row.Data), `"size":13`) {
		t.Errorf("rejected: got mapping %q, %s, want %q and the size", row.MappingID, row.Data, f.ids[0])
	}
	f.mustBeSound()
}

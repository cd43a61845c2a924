package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// published encodes the event as its publisher does.
func published(t *testing.T, event events.Event, service schema.Service) events.Message {
	t.Helper()
	m, err := events.Encode(event, service, time.Now(), events.NewTraceparent())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAFactIsThePublishedEventByteByByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	job, all := f.endedJob()
	f.exec(
		`insert into job_intents (job_id, version, intent, requested_by, traceparent, created_at, created_by,
			updated_at, updated_by)
		select ?, v.version, v.intent, 'paul', '', now(), 'paul', now(), 'paul'
		from (values (2, 'pause'), (3, 'run'), (4, 'cancel')) as v (version, intent)`,
		job.ID,
	)
	for version, intent := range []schema.Intent{schema.IntentPause, schema.IntentRun, schema.IntentCancel} {
		all = append(
			all,
			events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: int64(version) + 2, Intent: intent}),
		)
	}
	var query audit.Query
	for _, event := range all {
		query.Add(event)
	}
	facts, err := audit.ListFacts(t.Context(), f.db, query)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(facts), len(all); got != want {
		t.Errorf("facts: got %d, want %d", got, want)
	}
	for _, event := range all {
		fact := facts[event.ID()]
		if finished, ok := event.(events.JobFinished); ok {
			finished.UpdatedAt = finished.CompletedAt.UTC() // decision 2
			event = finished
		}
		want := published(t, event, fact.Service)
		entry := f.entry(fact, audit.OriginRows)
		if entry.EventID != event.ID() || entry.Subject != want.Subject || entry.Type != want.Header["ce-type"][0] ||
			entry.Source != want.Header["ce-source"][0] {
			t.Errorf("%s: got %+v, want subject %s and headers %v", event.ID(), entry, want.Subject, want.Header)
		}
		body, err := events.EncodeBody(fact.Event)
		if err != nil || !bytes.Equal(body, want.Data) {
			t.Errorf("%s: got %s (%v), want %s", event.ID(), body, err, want.Data)
		}
		if open, _ := bytes.CutSuffix(body, []byte("}")); !bytes.HasPrefix(entry.Data, open) ||
			!json.Valid(entry.Data) {
			t.Errorf("%s: got data %s, want the body %s and details", event.ID(), entry.Data, body)
		}
	}
}

func TestListFacts_ReadsOnlyTheRowsOfItsItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 100)
	job, _ := f.endedJob()
	for _, analyzed := range []bool{false, true} {
		t.Run(fmt.Sprintf("analyzed %t", analyzed), func(t *testing.T) {
			f := f.in(t)
			if analyzed {
				f.exec("analyze job_items, classification_history")
			}
			err := f.db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				before, err := schematest.EntriesRead(ctx, tx, "job_items", "classification_history")
				if err != nil {
					return err
				}
				items := []audit.ItemKey{{JobID: job.ID, MappingID: f.ids[3]}, {JobID: job.ID, MappingID: f.ids[70]}}
				facts, err := audit.ListFacts(ctx, tx, audit.Query{Items: items})
				if err != nil || len(facts) != 2 {
					t.Errorf("ListFacts: got %d facts (%v), want 2", len(facts), err)
				}
				after, err := schematest.EntriesRead(ctx, tx, "job_items", "classification_history")
				if n := after - before; n < 4 || n > 20 {
					t.Errorf("rows and index entries read: got %d, want 4 to 20", n)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestFact_EntryHasTheDetailsOfTheRows(t *testing.T) {
	t.Parallel()
	f, job := auditedFixture(t)
	for id, want := range map[string]string{
		"requested/" + job.ID:             `"scope":"all","retry_error_code":"","force":false}`,
		"item/" + job.ID + "/" + f.ids[0]: `"information_security_classification":"Confidential","history":{"id":"`,
		"item/" + job.ID + "/" + f.ids[2]: `"information_security_classification":null,"history":null}`,
		"finished/" + job.ID:              `"status":"failed"`,
		"started/" + job.ID:               `{"job_id":"` + job.ID + `","kind":"started"}`,
		"listed/" + job.ID:                `"total_steps":6}`,
	} {
		t.Run(id, func(t *testing.T) {
			f := f.in(t)
			if got := string(f.row(id).Data); !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %s", id, got, want)
			}
		})
	}
}

func TestFact_Confirms(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	job, _ := f.endedJob()
	request := events.RegenerateRequestedOf(job)
	forgedRequest := request
	forgedRequest.RequestedBy = "mallory"
	item := func(outcome schema.Outcome) events.Event {
		return events.JobItem(job.ID, events.Item{MappingID: f.ids[0], Outcome: outcome})
	}
	tests := map[string]struct {
		event events.Event
		want  bool
	}{
		"request":                   {request, true},
		"request by another person": {forgedRequest, false},
		"start":                     {events.JobStarted(job.ID), true},
		"list":                      {events.JobListed(job.ID, 2), true},
		"list of another length":    {events.JobListed(job.ID, 3), false},
		"list without its part":     {events.JobProgress{JobID: job.ID, Kind: events.KindListed}, false},
		"outcome":                   {item(schema.OutcomeSucceeded), true},
		"another outcome":           {item(schema.OutcomeSkipped), false},
		"outcome of no item":        {events.JobItem(job.ID, events.Item{MappingID: "x"}), false},
		"start of no job":           {events.JobStarted("x"), false},
		"pause without an intent": {
			events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: 2, Intent: schema.IntentPause}),
			false,
		},
		"bell": {events.JobBell(job.ID), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var query audit.Query
			query.Add(tt.event)
			facts, err := audit.ListFacts(t.Context(), f.db, query)
			if err != nil {
				t.Fatal(err)
			}
			fact, ok := facts[tt.event.ID()]
			if got := ok && fact.Confirms(tt.event); got != tt.want {
				t.Errorf("confirmed: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestVerify_TakesTheWordingOfAFinalStatusFromTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	job, _ := f.endedJob()
	facts, err := audit.ListFacts(t.Context(), f.db, audit.Query{Jobs: []string{job.ID}})
	if err != nil {
		t.Fatal(err)
	}
	fact := facts["finished/"+job.ID]
	reworded := fact
	finished := fact.Event.(events.JobFinished)
	text := "one mapping was lost"
	finished.Message, finished.CurrentStep, finished.Error = "done", "over", &text
	reworded.Event = finished
	f.append(f.entry(reworded, audit.OriginEvent))
	f.mustBeSound()

	recounted := fact
	finished = fact.Event.(events.JobFinished)
	finished.Succeeded++
	recounted.Event = finished
	f.tamper("update audit_log set data = ?::json", string(f.entry(recounted, audit.OriginEvent).Data))
	f.rechain()
	f.mustFind(audit.Finding{Problem: audit.ProblemDiffers, Seq: 1, EventID: "finished/" + job.ID, JobID: job.ID})
}

func TestListMissingFacts_ListsThoseThatTheLogLacks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	job, _ := f.endedJob()
	missing := func() (ids []string) {
		t.Helper()
		facts, err := audit.ListMissingFacts(t.Context(), f.db, job.ID)
		if err != nil {
			t.Fatal(err)
		}
		items, last, err := audit.ListMissingItems(t.Context(), f.db, job.ID, "", 2)
		if err != nil || last != f.ids[1] {
			t.Fatalf("ListMissingItems: got position %q (%v), want %q", last, err, f.ids[1])
		}
		for _, fact := range append(facts, items...) {
			ids = append(ids, fact.Event.ID())
		}
		return ids
	}
	if got := missing(); len(got) != 4+2 || got[0] != "requested/"+job.ID || got[3] != "finished/"+job.ID {
		t.Errorf("missing: got %q, want four facts of the job in their order, and a page of two items", got)
	}
	if complete, err := audit.IsJobComplete(t.Context(), f.db, job.ID); err != nil || complete {
		t.Errorf("IsJobComplete: got %v (%v), want false", complete, err)
	}
	unaudited, err := audit.ListUnauditedJobs(t.Context(), f.db)
	if err != nil || len(unaudited) != 1 || unaudited[0].Finished {
		t.Errorf("ListUnauditedJobs: got %+v (%v), want one that is not finished", unaudited, err)
	}
	f.auditJob(job.ID)
	if got := missing(); len(got) != 0 {
		t.Errorf("missing: got %q, want none", got)
	}
	if complete, err := audit.IsJobComplete(t.Context(), f.db, job.ID); err != nil || !complete {
		t.Errorf("IsJobComplete: got %v (%v), want true", complete, err)
	}
	f.mustBeSound()
}

func TestAppend_AppendsEachEventOnce(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	entry := audit.Entry{EventID: "unverified/1", Subject: "s", Data: []byte(`{}`), Origin: audit.OriginEvent}
	other := entry
	other.EventID = "unverified/2"
	appendEntries(t, db, entry, entry)
	appendEntries(t, db, entry, other)
	rows, err := audit.List(t.Context(), db, audit.Filter{}, 0, 10)
	if err != nil || len(rows) != 2 {
		t.Fatalf("List: got %d rows (%v), want 2", len(rows), err)
	}
	if rows[0].PrevHash != strings.Repeat("0", 64) || rows[1].PrevHash != rows[0].Hash ||
		rows[1].Hash != rows[1].Sum() {
		t.Errorf("chain: got %+v, want each row with the hash of the one before", rows)
	}
}

package classifier

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestGate_AcknowledgesWithoutAJudgement(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*fixture)
		// events is the number of events per message.
		events int
	}{
		"the job is paused":    {func(f *fixture) { f.Intend(f.job.ID, schema.IntentPause) }, 0},
		"the job is cancelled": {func(f *fixture) { f.Intend(f.job.ID, schema.IntentCancel) }, 0},
		"the items are cancelled": {func(f *fixture) {
			if _, _, err := schema.CancelItems(f.T.Context(), f.DB, f.job.ID, "", 10); err != nil {
				f.T.Fatal(err)
			}
		}, 0},
		"the items are not due": {func(f *fixture) { // a bell for each
			f.Exec("update job_items set due_at = now() + interval '1 minute'")
		}, 1},
		"the items have an outcome": {func(f *fixture) {
			for _, id := range f.ids {
				saved := schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "broken"}
				if err := schema.FailItem(f.T.Context(), f.DB, f.job.ID, id, saved); err != nil {
					f.T.Fatal(err)
				}
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 4)
			for _, id := range f.ids {
				f.send(f.message(id))
			}
			test.before(f) // with the messages outstanding
			c, judged := f.classifier(nil)
			f.run(c)
			f.workDone()
			f.wantJudged(judged, 0)
			if got, want := len(f.Messages(events.StreamEvents)), 4*test.events; got != want {
				t.Errorf("events: got %d, want %d", got, want)
			}
			for _, id := range f.ids {
				f.wantUnchanged(id)
			}
		})
	}
}

func TestGate_RejectsAMessageWithoutMatchingRows(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]func(*fixture) events.MappingRequested{
		"no such item": func(f *fixture) events.MappingRequested { return f.message("no-such-mapping") },
		"no such job": func(f *fixture) events.MappingRequested {
			return events.MappingRequested{Lane: schema.LaneRules, JobID: "no-such-job", MappingID: f.ids[0]}
		},
		"another lane": func(f *fixture) events.MappingRequested {
			f.Exec("update jobs set classifier = 'llm'")
			return f.message(f.ids[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			f.send(message(f))
			c, judged := f.classifier(nil)
			f.run(c)
			f.workDone()
			f.wantJudged(judged, 0)
			published := f.Messages(events.StreamEvents)
			if len(published) != 1 || published[0].Subject != "mapping.rejected.unknown" {
				t.Errorf("events: got %d, want one on mapping.rejected.unknown", len(published))
			}
			f.wantUnchanged(f.ids[0])
		})
	}
}

// changeMapping changes the mappings as a person would, so that a judgement of the rows before cannot be saved.
func (f *fixture) changeMapping() {
	f.Exec(`update pde_mappings set
		source_field = 'svc.LN_MSTR.VIN', mapping_confirmed_by_user = true, business_owner = 'Olga',
		version = version + 1, updated_at = clock_timestamp(), updated_by = 'olga'`)
}

func TestAColumnThatTheLastImportLacksIsNotMapped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	handled := func(id string) schema.Mapping {
		t.Helper()
		c, _ := f.classifier(nil) // which reads the columns
		f.handle(c, id)
		work, err := schema.GetWork(t.Context(), f.DB, f.job.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		return work.Mapping
	}
	if m := handled(f.ids[0]); m.SourceField == "" {
		t.Error("source_field: got none, want a column")
	}
	f.Exec("update source_columns set missing_since = now()")
	m := handled(f.ids[1])
	if m.SourceField != "" || m.SuggestedSourceField != "" || len(m.AlternativeMappings) > 0 || m.Criticality == "" {
		t.Errorf("mapping without candidates: got %+v, want a classification and no column", m)
	}
}

func TestAMappingThatChangesDuringTheJudgementIsJudgedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	first := true
	c, judged := f.classifier(func(work schema.Work) {
		if first {
			first = false
			f.changeMapping()
		} else if !work.Mapping.MappingConfirmedByUser {
			t.Error("the second judgement is of the row before the change")
		}
	})
	f.handle(c, f.ids[0])
	f.wantJudged(judged, 2)
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
	if m := f.work(f.ids[0]).Mapping; m.SourceField != "svc.LN_MSTR.VIN" || m.BusinessOwner != "Olga" {
		t.Errorf("mapping: got %q of %q, want the change", m.SourceField, m.BusinessOwner)
	}
	if n := f.Count("select count(*) from classification_history"); n != 1 {
		t.Errorf("history rows: got %d, want 1", n)
	}
}

func TestAMappingThatChangesDuringTheJudgementPassesTheGateAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*fixture)
		events int
		err    bool
	}{
		"the job is paused": {func(f *fixture) { f.Intend(f.job.ID, schema.IntentPause) }, 0, false},
		"the item waits": {func(f *fixture) { // a bell
			f.Exec("update job_items set due_at = now() + interval '1 minute'")
		}, 1, false},
		"the job is in another lane": {func(f *fixture) { f.Exec("update jobs set classifier = 'llm'") }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			var once sync.Once
			c, judged := f.classifier(func(schema.Work) {
				once.Do(func() {
					f.Exec("update pde_mappings set version = version + 1")
					test.change(f)
				})
			})
			if err := f.handleDelivery(c, 1, f.ids[0]); (err != nil) != test.err {
				t.Errorf("handle: got %v, want an error: %t", err, test.err)
			}
			f.wantJudged(judged, 1)
			f.wantItem(f.ids[0], outcome{})
			if got := len(f.Messages(events.StreamEvents)); got != test.events {
				t.Errorf("events: got %d, want %d", got, test.events)
			}
		})
	}
}

func TestNoTransactionIsOpenDuringTheJudgement(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, judged := f.classifier(func(schema.Work) {
		// The query excludes the transaction of its own statement.
		if n := f.Count(`select count(*) from pg_stat_activity 
			where datname = current_database() and pid <> pg_backend_pid()
			and backend_type = 'client backend' and xact_start is not null`); n != 0 {
			t.Errorf("open transactions: got %d, want 0", n)
		}
	})
	f.handle(c, f.ids[0])
	f.wantJudged(judged, 1)
}

func TestACancellationDuringTheJudgementWins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, _ := f.classifier(func(schema.Work) {
		f.Intend(f.job.ID, schema.IntentCancel)
		if n, _, err := schema.CancelItems(t.Context(), f.DB, f.job.ID, "", 10); err != nil || n != 1 {
			t.Errorf("CancelItems: got %d, %v, want 1", n, err)
		}
	})
	f.handle(c, f.ids[0])
	f.wantUnchanged(f.ids[0])
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeCancelled})
	if published := f.Messages(events.StreamEvents); len(published) != 0 {
		t.Errorf("events: got %s, want none", published[0].Header.Get("ce-id"))
	}
}

func TestAPauseLetsTheJudgementFinish(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, _ := f.classifier(func(schema.Work) { f.Intend(f.job.ID, schema.IntentPause) })
	f.handle(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
}

func TestAnEventThatCouldNotBePublishedIsPublishedOnRedelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, judged := f.classifier(func(schema.Work) { f.Bus.Stop() })
	if err := f.handleDelivery(c, 1, f.ids[0]); err == nil {
		t.Fatal("handle: got nil although the event could not be published")
	}
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
	f.Bus.Restart()
	f.Eventually("the message is acknowledged", func() bool { return f.handleDelivery(c, 2, f.ids[0]) == nil })
	f.Eventually("the test is connected", f.NC.IsConnected)
	f.wantJudged(judged, 1)
	if n := f.Count("select count(*) from classification_history"); n != 1 {
		t.Errorf("history rows: got %d, want 1", n)
	}
	published, want := f.Messages(events.StreamEvents), "item/"+f.job.ID+"/"+f.ids[0]
	if len(published) == 0 || published[0].Header.Get("ce-id") != want {
		t.Errorf("events: got %d, want the first to be %s", len(published), want)
	}
}

func TestEveryEventOfAnItemIsTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	c, judged := f.classifier(nil)
	panics, _ := f.classifier(func(schema.Work) { panic("broken") })
	// The first succeeds after an error, the second is skipped, the third fails.
	f.handle(panics, f.ids[0])
	f.Exec("update job_items set attempt = 4 where mapping_id = ?", f.ids[2])
	f.handle(panics, f.ids[2])
	f.makeDue()
	f.handle(c, f.ids[0])
	f.handle(c, f.ids[1])
	f.Exec("update pde_mappings set mapping_confirmed_by_user = true")
	f.Exec("update job_items set outcome = null, ended_at = null where mapping_id = ?", f.ids[1])
	f.Exec("delete from classification_history where mapping_id = ?", f.ids[1])
	f.handle(c, f.ids[1])

	first := map[string]string{}
	published := f.Messages(events.StreamEvents)
	for _, m := range published {
		first[m.Header.Get("ce-id")] = string(m.Data)
	}
	before := judged.Load()
	for i, want := range []schema.Outcome{schema.OutcomeSucceeded, schema.OutcomeSkipped, schema.OutcomeFailed} {
		if got := f.item(f.ids[i]).Outcome; got != want {
			t.Errorf("outcome of item %d: got %q, want %q", i, got, want)
		}
		f.handle(c, f.ids[i])
	}
	f.wantJudged(judged, before)
	again := f.Messages(events.StreamEvents)[len(published):]
	if len(again) != 3 {
		t.Errorf("events on redelivery: got %d, want 3", len(again))
	}
	for _, m := range again {
		if diff := cmp.Diff(first[m.Header.Get("ce-id")], string(m.Data)); diff != "" {
			t.Errorf("%s on redelivery (-want +got):\n%s", m.Header.Get("ce-id"), diff)
		}
	}
}

func TestASuccessClearsTheErrorOfEarlierAttempts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	panics, _ := f.classifier(func(schema.Work) { panic("broken") })
	f.handle(panics, f.ids[0])
	f.makeDue()
	c, _ := f.classifier(nil)
	f.handle(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeSucceeded, Attempt: 2})
	if got := f.item(f.ids[0]).Error; got != "" {
		t.Errorf("error: got %q, want none", got)
	}
}

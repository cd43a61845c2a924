package auditor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestEveryEventOfAJobIsInTheLogOnce(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 7)
	h.audit(eager())
	job, said := h.story()
	h.publish(said...)
	h.publish(events.JobBell(job.ID)) // did not happen
	h.announced(job)
	h.audited(job)
	for id, origin := range h.once(said) {
		if origin != audit.OriginEvent {
			t.Errorf("%s came from the %s", id, origin)
		}
	}
	h.sound()
}

func TestTheLogSaysWhoAskedForWhat(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	h.audit(eager())
	job := schematest.ListedJob(t, h.DB, 3)
	var said []events.Event
	for _, asked := range []struct {
		intent schema.Intent
		by     string
	}{{schema.IntentPause, "paul"}, {schema.IntentRun, "rita"}, {schema.IntentCancel, "carl"}} {
		err := h.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			locked, err := schema.LockJob(ctx, tx, job.ID)
			if err != nil {
				return err
			}
			job, err = schema.RecordIntent(ctx, tx, locked, asked.intent, asked.by, locked.Traceparent)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: job.IntentVersion, Intent: asked.intent}))
	}
	h.publish(append(said, events.RegenerateRequestedOf(job))...)
	for id, actor := range map[string]string{
		"requested/" + job.ID: "tina", "paused/" + job.ID + "/2": "paul", "resumed/" + job.ID + "/3": "rita", "cancelled/" + job.ID + "/4": "carl",
	} {
		row := h.logs(id)
		if row.Actor != actor || row.JobID != job.ID || row.ReportID != schematest.ReportID || row.CycleID != schematest.CycleID ||
			row.Traceparent != job.Traceparent || row.OccurredAt.IsZero() {
			t.Errorf("%s by %q: %+v", id, row.Actor, row)
		}
	}
	if _, _, err := schema.CancelItems(t.Context(), h.DB, job.ID, "", 10); err != nil {
		t.Fatal(err)
	}
	h.publish(h.end(job))
	h.announced(job)
	h.audited(job)
	for _, id := range h.ids { // no event says that an item was cancelled
		if row := h.logs("item/" + job.ID + "/" + id); row.Origin != audit.OriginRows || row.Actor != "dispatcher" {
			t.Errorf("cancelled item by %s from the %s", row.Actor, row.Origin)
		}
	}
	h.sound()
}

func TestAJobThatIsCancelledBeforeItHasAnyMappingIsLoggedAsCancelled(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 0)
	h.audit(eager())
	job := schematest.ListedJob(t, h.DB, 0)
	err := h.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockJob(ctx, tx, job.ID)
		if err != nil {
			return err
		}
		job, err = schema.RecordIntent(ctx, tx, locked, schema.IntentCancel, "carl", locked.Traceparent)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.publish(h.end(job))
	row := h.logs("finished/" + job.ID)
	if finished, err := decode[events.JobFinished](row.Data); err != nil || finished.Status != schema.Cancelled || !row.Verified {
		t.Errorf("logged as %s, verified %v, %v", finished.Status, row.Verified, err)
	}
}

func TestWhatIsLoggedIsTheEventAsTheRowsSayIt(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 4)
	h.audit(eager())
	job, said := h.story()
	h.publish(said...)
	h.announced(job)
	h.audited(job)
	rows := map[string]audit.Row{}
	for _, row := range h.log() {
		rows[row.EventID] = row
	}
	for _, event := range said {
		row := rows[event.ID()]
		topic := event.Subject().Topic
		if row.Type != topic.Type() || row.Subject != event.Subject().String() || !strings.HasPrefix(row.Source, "/pdeflow/") {
			t.Errorf("%s: type %s, subject %s, source %s", event.ID(), row.Type, row.Subject, row.Source)
		}
		var got events.Event
		var err error
		switch event.(type) {
		case events.RegenerateRequested:
			got, err = decode[events.RegenerateRequested](row.Data)
		case events.JobFinished:
			got, err = decode[events.JobFinished](row.Data)
		default:
			var progress events.JobProgress
			progress, err = decode[events.JobProgress](row.Data)
			if progress.Kind != events.KindItem {
				progress.Item = nil
			}
			got = progress
		}
		if err != nil {
			t.Fatal(err)
		}
		// Sentences and times of the final status are not of record: the one follows from the numbers, the other are in other rows.
		loose := cmpopts.IgnoreFields(events.JobStatus{}, "CurrentStep", "Message", "Error", "CreatedAt", "StartedAt", "UpdatedAt", "CompletedAt")
		if diff := cmp.Diff(event, got, loose); diff != "" {
			t.Errorf("%s (-said +logged):\n%s", event.ID(), diff)
		}
	}
	var history struct {
		History struct{ ID, SHA256 string }
	}
	if err := json.Unmarshal(rows[said[3].ID()].Data, &history); err != nil || len(history.History.SHA256) != 64 {
		t.Errorf("history of an item is %+v, %v", history, err)
	}
}

func decode[T any](data []byte) (event T, err error) {
	err = json.Unmarshal(data, &event)
	return event, err
}

func TestWhatComesAgainIsAppendedOnce(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 5)
	job, said := h.story()
	h.publish(said...)
	h.publish(said...) // before there is an auditor, so within one batch
	h.audit(eager())
	h.announced(job)
	h.audited(job)
	h.publish(said...)
	h.drained()
	h.once(said)
	h.sound()
}

func TestAnEventThatTheDatabaseRefusesHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 5)
	h.Exec(`create function refuse_entry() returns trigger language plpgsql as $$
		begin
			if new.subject = 'job.progress.refused' then
				raise exception 'refused' using errcode = 'check_violation';
			end if;
			return new;
		end $$`)
	h.Exec("create trigger refuse_entry before insert on audit_log for each row execute function refuse_entry()")
	job, said := h.story()
	h.raw(events.Message{Subject: "job.progress.refused", Data: []byte("{}")}) // in one batch with the others
	h.publish(said...)
	h.audit(eager())
	h.announced(job)
	h.audited(job)
	h.drained()
	h.once(said)
	h.sound()
}

func TestALostStreamLeavesTheLogComplete(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 9)
	h.audit(eager())
	job := schematest.ListedJob(t, h.DB, 9)
	said := []events.Event{events.RegenerateRequestedOf(job), events.JobStarted(job.ID), events.JobListed(job.ID, job.Listed)}
	h.publish(said...)
	first := h.finish(job, h.ids[:3]...)
	h.publish(first...)
	h.drained()

	h.Bus.Stop()
	h.Bus.Wipe()
	unsaid := h.finish(job, h.ids[3:6]...)
	h.Bus.Restart()
	h.declare()
	last := h.finish(job, h.ids[6:]...)
	end := h.end(job)
	h.publish(append(last, end)...)
	h.announced(job)
	h.audited(job)

	all := append(append(append(append(said, first...), unsaid...), last...), end)
	origins := h.once(all)
	for _, event := range unsaid {
		if origins[event.ID()] != audit.OriginRows {
			t.Errorf("%s came from the %s", event.ID(), origins[event.ID()])
		}
	}
	for _, event := range first {
		if origins[event.ID()] != audit.OriginEvent {
			t.Errorf("%s came from the %s", event.ID(), origins[event.ID()])
		}
	}
	h.sound()
}

func TestAJobIsAuditedWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	options := eager()
	options.Patience = 50 * time.Millisecond
	h.audit(options)
	h.Bus.Stop()
	job, said := h.story()
	h.audited(job)
	for id, origin := range h.once(said) {
		if origin != audit.OriginRows {
			t.Errorf("%s came from the %s", id, origin)
		}
	}
	h.sound()
	rows := h.log()
	if first, last := rows[0], rows[len(rows)-1]; first.EventID != said[0].ID() || last.EventID != said[len(said)-1].ID() {
		t.Errorf("from %s to %s", first.EventID, last.EventID)
	}
}

func TestOnlyWhatNoEventSaysIsTakenFromTheRows(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	h.audit(eager())
	job, said := h.story()
	lost := said[5]
	h.publish(slices.Concat(said[:5], said[6:])...)
	h.drained()
	h.announced(job)
	h.audited(job)
	origins := h.once(said)
	for id, got := range origins {
		if want := map[bool]audit.Origin{true: audit.OriginRows, false: audit.OriginEvent}[id == lost.ID()]; got != want {
			t.Errorf("%s came from the %s", id, got)
		}
	}
}

func TestTwoAuditorsAppendEachEventOnce(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 60)
	options := eager()
	options.Batch, options.Linger = 3, time.Millisecond
	h.audit(options)
	h.audit(options)
	job, said := h.story()
	for i, event := range said {
		h.publish(event)
		if i%2 == 0 {
			h.publish(event) // for the other one
		}
	}
	h.announced(job)
	h.audited(job)
	h.once(said)
	h.sound()
}

func TestADeletedConsumerGoesOnWhereTheLogEnds(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 6)
	h.audit(eager())
	job := schematest.ListedJob(t, h.DB, 6)
	h.publish(events.RegenerateRequestedOf(job))
	h.logs("requested/" + job.ID)
	h.publish(h.finish(job, h.ids[:3]...)...)
	h.logs("item/" + job.ID + "/" + h.ids[2])
	if err := h.JS.DeleteConsumer(t.Context(), events.StreamEvents, "auditor"); err != nil {
		t.Fatal(err)
	}
	h.publish(h.finish(job, h.ids[3:]...)...)
	for _, id := range h.ids[3:] {
		if row := h.logs("item/" + job.ID + "/" + id); row.Origin != audit.OriginEvent {
			t.Errorf("%s came from the %s", row.EventID, row.Origin)
		}
	}
	consumer, err := h.JS.Consumer(t.Context(), events.StreamEvents, "auditor")
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	if config.DeliverPolicy != jetstream.DeliverByStartTimePolicy || config.OptStartTime == nil {
		t.Fatalf("the consumer begins at %v", config.DeliverPolicy)
	}
	logged := h.logs("item/" + job.ID + "/" + h.ids[2])
	if before := logged.OccurredAt.Sub(*config.OptStartTime); before < 0 || before > 2*time.Minute {
		t.Errorf("the consumer begins %v before the last row", before)
	}
	h.drained()
	if n := len(h.log()); n != 7 {
		t.Errorf("%d rows", n)
	}
	h.sound()
}

func TestAnAuditorGoesOnWhereOneWasStopped(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 4)
	stop := h.audit(eager())
	job, said := h.story()
	h.publish(said[:4]...)
	h.logs(said[3].ID())
	stop()
	h.publish(said[4:]...)
	h.audit(eager())
	h.announced(job)
	h.audited(job)
	for id, origin := range h.once(said) {
		if origin != audit.OriginEvent {
			t.Errorf("%s came from the %s", id, origin)
		}
	}
	h.sound()
}

func TestChangesThatAreNoJobsAreLogged(t *testing.T) {
	t.Parallel()
	h := newFixture(t, 3)
	options := eager()
	options.Patience = 300 * time.Millisecond
	h.audit(options)
	for i, id := range h.ids {
		h.Exec(`insert into classification_history (id, mapping_id, changed_at, changed_by, before, after, comment, created_at, created_by, updated_at, updated_by)
			select ?, ?, now, 'olga', '{"version": 1}', '{"version": 2}', 'imported', now, 'olga', now, 'olga' from (select clock_timestamp() as now) t`,
			fmt.Sprint("h", i), id)
	}
	comment := "imported"
	h.publish(events.MappingChanged{
		MappingID: h.ids[0], Version: 2, ChangedBy: "olga", Before: json.RawMessage(`{"version": 1}`), After: json.RawMessage(`{"version": 2}`), Comment: &comment,
	})
	for i, id := range h.ids {
		row := h.logs("changed/" + id + "/2")
		if row.Actor != "olga" || row.MappingID != id || row.ReportID != schematest.ReportID || !row.Verified {
			t.Errorf("%+v", row)
		}
		if want := audit.OriginRows; i > 0 && row.Origin != want {
			t.Errorf("what no event said came from the %s", row.Origin)
		}
		change, err := decode[events.MappingChanged](row.Data)
		if err != nil || change.Version != 2 || change.Comment == nil || *change.Comment != comment {
			t.Errorf("logged as %s", row.Data)
		}
	}
	h.sound()
	h.Exec("update classification_history set changed_by = 'nobody' where id = 'h1'")
	h.found(audit.Finding{Problem: audit.ProblemDiffers, Seq: h.logs("changed/" + h.ids[1]).Seq, EventID: "changed/" + h.ids[1] + "/2"})
}

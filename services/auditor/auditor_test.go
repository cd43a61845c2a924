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
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestEveryEventOfAJobIsInTheLogOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 7)
	f.audit(eager())
	job, published := f.endedJob()
	f.publish(published...)
	f.publish(events.JobBell(job.ID)) // did not happen
	f.announce(job)
	f.waitAudited(job)
	for id, origin := range f.mustHaveOnce(published) {
		if origin != audit.OriginEvent {
			t.Errorf("%s: got origin %s, want %s", id, origin, audit.OriginEvent)
		}
	}
	f.mustBeSound()
}

func TestTheLogNamesThePersonOfEachIntent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.audit(eager())
	job := schematest.ListedJob(t, f.DB, 3)
	var published []events.Event
	for _, asked := range []struct {
		intent schema.Intent
		by     string
	}{{schema.IntentPause, "paul"}, {schema.IntentRun, "rita"}, {schema.IntentCancel, "carl"}} {
		err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			locked, err := schema.LockJob(ctx, tx, job.ID)
			if err != nil {
				return err
			}
			job, err = schema.InsertIntent(ctx, tx, locked, asked.intent, asked.by, locked.Traceparent)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		published = append(
			published,
			events.JobIntentOf(schema.JobIntent{JobID: job.ID, Version: job.IntentVersion, Intent: asked.intent}),
		)
	}
	f.publish(append(published, events.RegenerateRequestedOf(job))...)
	for id, actor := range map[string]string{
		"requested/" + job.ID: "tina", "paused/" + job.ID + "/2": "paul", "resumed/" + job.ID + "/3": "rita",
		"cancelled/" + job.ID + "/4": "carl",
	} {
		t.Run(id, func(t *testing.T) {
			f := f.in(t)
			row := f.waitRow(id)
			if row.Actor != actor || row.JobID != job.ID || row.ReportID != schematest.ReportID ||
				row.CycleID != schematest.CycleID ||
				row.Traceparent != job.Traceparent ||
				row.OccurredAt.IsZero() {
				t.Errorf("%s: got %+v, want the actor %q and the ids and trace of the job", id, row, actor)
			}
		})
	}
	if _, _, err := schema.CancelItems(t.Context(), f.DB, job.ID, "", 10); err != nil {
		t.Fatal(err)
	}
	f.publish(f.end(job))
	f.announce(job)
	f.waitAudited(job)
	for _, id := range f.ids { // cancelled items have no event
		if row := f.waitRow("item/" + job.ID + "/" + id); row.Origin != audit.OriginRows || row.Actor != "dispatcher" {
			t.Errorf("cancelled item: got %s from the %s, want dispatcher from the %s", row.Actor, row.Origin,
				audit.OriginRows)
		}
	}
	f.mustBeSound()
}

func TestAJobThatIsCancelledBeforeItHasAnyMappingIsLoggedAsCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.audit(eager())
	job := schematest.ListedJob(t, f.DB, 0)
	err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		locked, err := schema.LockJob(ctx, tx, job.ID)
		if err != nil {
			return err
		}
		job, err = schema.InsertIntent(ctx, tx, locked, schema.IntentCancel, "carl", locked.Traceparent)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.publish(f.end(job))
	row := f.waitRow("finished/" + job.ID)
	if finished, err := decode[events.JobFinished](row.Data); err != nil || finished.Status != schema.StatusCancelled ||
		!row.Verified {
		t.Errorf("finished: got %s, verified %v, %v, want %s, verified", finished.Status, row.Verified, err,
			schema.StatusCancelled)
	}
}

func TestTheLogHasTheEventsAsPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.audit(eager())
	job, published := f.endedJob()
	f.publish(published...)
	f.announce(job)
	f.waitAudited(job)
	rows := map[string]audit.Row{}
	for _, row := range f.log() {
		rows[row.EventID] = row
	}
	for _, event := range published {
		row := rows[event.ID()]
		topic := event.Subject().Topic
		if row.Type != topic.Type() || row.Subject != event.Subject().String() ||
			!strings.HasPrefix(row.Source, "/pdeflow/") {
			t.Errorf("%s: got type %s, subject %s, source %s, want %s, %s, a service", event.ID(), row.Type,
				row.Subject, row.Source, topic.Type(), event.Subject())
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
		// The log has the end of the job there: a rebuild changes updated_at.
		loose := cmpopts.IgnoreFields(events.JobStatus{}, "UpdatedAt")
		if diff := cmp.Diff(event, got, loose); diff != "" {
			t.Errorf("%s (-published +logged):\n%s", event.ID(), diff)
		}
	}
	var history struct {
		History struct{ ID, SHA256 string }
	}
	if err := json.Unmarshal(rows[published[3].ID()].Data, &history); err != nil || len(history.History.SHA256) != 64 {
		t.Errorf("history of an item: got %+v, %v, want a digest of 64 digits", history, err)
	}
}

func decode[T any](data []byte) (event T, err error) {
	err = json.Unmarshal(data, &event)
	return event, err
}

func TestARedeliveredEventIsAppendedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	job, published := f.endedJob()
	f.publish(published...)
	f.publish(published...) // before there is an auditor, so within one batch
	f.audit(eager())
	f.announce(job)
	f.waitAudited(job)
	f.publish(published...)
	f.waitCaughtUp()
	f.mustHaveOnce(published)
	f.mustBeSound()
}

func TestARefusedEventDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.Exec(`create function refuse_entry() returns trigger language plpgsql as $$
		begin
			if new.subject = 'job.progress.refused' then
				raise exception 'refused' using errcode = 'check_violation';
			end if;
			return new;
		end $$`)
	f.Exec("create trigger refuse_entry before insert on audit_log for each row execute function refuse_entry()")
	job, published := f.endedJob()
	f.publishRaw(events.Message{Subject: "job.progress.refused", Data: []byte("{}")}) // in one batch with the others
	f.publish(published...)
	f.audit(eager())
	f.announce(job)
	f.waitAudited(job)
	f.waitCaughtUp()
	f.mustHaveOnce(published)
	f.mustBeSound()
}

func TestOnlyUnreportedFactsAreTakenFromTheRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.audit(eager())
	job, published := f.endedJob()
	lost := published[5]
	f.publish(slices.Concat(published[:5], published[6:])...)
	f.waitCaughtUp()
	f.announce(job)
	f.waitAudited(job)
	origins := f.mustHaveOnce(published)
	for id, got := range origins {
		if want := map[bool]audit.Origin{
			true: audit.OriginRows, false: audit.OriginEvent,
		}[id == lost.ID()]; got != want {
			t.Errorf("%s: got origin %s, want %s", id, got, want)
		}
	}
}

func TestTwoAuditorsAppendEachEventOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 60)
	options := eager()
	options.Batch, options.Linger = 3, time.Millisecond
	f.audit(options)
	f.audit(options)
	job, published := f.endedJob()
	for i, event := range published {
		f.publish(event)
		if i%2 == 0 {
			f.publish(event) // for the other one
		}
	}
	f.announce(job)
	f.waitAudited(job)
	f.mustHaveOnce(published)
	f.mustBeSound()
}

func TestChangesOutsideOfJobsAreLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	options := eager()
	options.Patience = 300 * time.Millisecond
	f.audit(options)
	for i, id := range f.ids {
		f.Exec(
			`insert into classification_history (id, mapping_id, action, changed_at, changed_by, before, after, comment,
				created_at, created_by, updated_at, updated_by)
			select ?, ?, 'imported', now, 'olga', '{"version": 1}', '{"version": 2}',
				'imported', now, 'olga', now, 'olga'
				from (select clock_timestamp() as now) t`,
			fmt.Sprint("h", i),
			id,
		)
	}
	comment := "imported"
	f.publish(events.MappingChanged{
		MappingID: f.ids[0], Version: 2, ChangedBy: "olga", Before: json.RawMessage(`{"version": 1}`),
		After: json.RawMessage(`{"version": 2}`), Comment: &comment,
	})
	for i, id := range f.ids {
		row := f.waitRow("changed/" + id + "/2")
		if row.Actor != "olga" || row.MappingID != id || row.ReportID != schematest.ReportID || !row.Verified {
			t.Errorf("row: got %+v, want the change of %s by olga, verified", row, id)
		}
		if want := audit.OriginRows; i > 0 && row.Origin != want {
			t.Errorf("change without an event: got origin %s, want %s", row.Origin, want)
		}
		change, err := decode[events.MappingChanged](row.Data)
		if err != nil || change.Version != 2 || change.Comment == nil || *change.Comment != comment {
			t.Errorf("change: got %s, want version 2 with the comment %q", row.Data, comment)
		}
	}
	f.mustBeSound()
	f.Exec("update classification_history set changed_by = 'mallory' where id = 'h1'")
	f.mustFind(
		audit.Finding{
			Problem: audit.ProblemDiffers,
			Seq:     f.waitRow("changed/" + f.ids[1]).Seq,
			EventID: "changed/" + f.ids[1] + "/2",
		},
	)
}

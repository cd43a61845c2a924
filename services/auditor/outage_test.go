package auditor_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestALostStreamLeavesTheLogComplete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 9)
	f.audit(eager())
	job := schematest.ListedJob(t, f.DB, 9)
	published := []events.Event{
		events.RegenerateRequestedOf(job),
		events.JobStarted(job.ID),
		events.JobListed(job.ID, job.Listed),
	}
	f.publish(published...)
	first := f.finish(job, f.ids[:3]...)
	f.publish(first...)
	f.waitCaughtUp()

	f.Bus.Stop()
	f.Bus.Wipe()
	unpublished := f.finish(job, f.ids[3:6]...)
	f.Bus.Restart()
	f.declare()
	last := f.finish(job, f.ids[6:]...)
	end := f.end(job)
	f.publish(append(last, end)...)
	f.announce(job)
	f.waitAudited(job)

	all := append(append(append(append(published, first...), unpublished...), last...), end)
	origins := f.mustHaveOnce(all)
	for _, event := range unpublished {
		if origins[event.ID()] != audit.OriginRows {
			t.Errorf("%s: got origin %s, want %s", event.ID(), origins[event.ID()], audit.OriginRows)
		}
	}
	for _, event := range first {
		if origins[event.ID()] != audit.OriginEvent {
			t.Errorf("%s: got origin %s, want %s", event.ID(), origins[event.ID()], audit.OriginEvent)
		}
	}
	f.mustBeSound()
}

func TestAJobIsAuditedWithoutNATS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	options := eager()
	options.Patience = 50 * time.Millisecond
	f.audit(options)
	f.Bus.Stop()
	job, published := f.endedJob()
	f.waitAudited(job)
	for id, origin := range f.mustHaveOnce(published) {
		if origin != audit.OriginRows {
			t.Errorf("%s: got origin %s, want %s", id, origin, audit.OriginRows)
		}
	}
	f.mustBeSound()
	rows := f.log()
	if first, last := rows[0], rows[len(rows)-1]; first.EventID != published[0].ID() ||
		last.EventID != published[len(published)-1].ID() {
		t.Errorf("rows: got %s to %s, want %s to %s", first.EventID, last.EventID, published[0].ID(),
			published[len(published)-1].ID())
	}
}

func TestADeletedConsumerStartsWhereTheLogEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 6)
	f.audit(eager())
	job := schematest.ListedJob(t, f.DB, 6)
	f.publish(events.RegenerateRequestedOf(job))
	f.waitRow("requested/" + job.ID)
	f.publish(f.finish(job, f.ids[:3]...)...)
	f.waitRow("item/" + job.ID + "/" + f.ids[2])
	if err := f.JS.DeleteConsumer(t.Context(), events.StreamEvents, "auditor"); err != nil {
		t.Fatal(err)
	}
	f.publish(f.finish(job, f.ids[3:]...)...)
	for _, id := range f.ids[3:] {
		if row := f.waitRow("item/" + job.ID + "/" + id); row.Origin != audit.OriginEvent {
			t.Errorf("%s: got origin %s, want %s", row.EventID, row.Origin, audit.OriginEvent)
		}
	}
	consumer, err := f.JS.Consumer(t.Context(), events.StreamEvents, "auditor")
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	if config.DeliverPolicy != jetstream.DeliverByStartTimePolicy || config.OptStartTime == nil {
		t.Fatalf("policy of the consumer: got %v, want %v", config.DeliverPolicy,
			jetstream.DeliverByStartTimePolicy)
	}
	logged := f.waitRow("item/" + job.ID + "/" + f.ids[2])
	if before := logged.OccurredAt.Sub(*config.OptStartTime); before < 0 || before > 2*time.Minute {
		t.Errorf("start of the consumer before the last row: got %v, want at most 2m", before)
	}
	f.waitCaughtUp()
	if n := len(f.log()); n != 7 {
		t.Errorf("rows: got %d, want 7", n)
	}
	f.mustBeSound()
}

func TestAnAuditorContinuesWhereOneWasStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	stop := f.audit(eager())
	job, published := f.endedJob()
	f.publish(published[:4]...)
	f.waitRow(published[3].ID())
	stop()
	f.publish(published[4:]...)
	f.audit(eager())
	f.announce(job)
	f.waitAudited(job)
	for id, origin := range f.mustHaveOnce(published) {
		if origin != audit.OriginEvent {
			t.Errorf("%s: got origin %s, want %s", id, origin, audit.OriginEvent)
		}
	}
	f.mustBeSound()
}

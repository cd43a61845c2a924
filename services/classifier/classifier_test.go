package classifier

import (
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestRun_SavesPublishesAndAcknowledges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	c, _ := f.classifier(nil)
	f.run(c)
	for _, id := range f.ids {
		f.send(f.message(id))
	}
	f.workDone()
	if got := len(f.Messages(events.StreamEvents)); got != 5 {
		t.Errorf("events when all messages are acknowledged: got %d, want 5", got)
	}
	for _, id := range f.ids {
		f.wantItem(id, outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
		if m := f.work(id).Mapping; m.ClassifiedBy == "" || m.UpdatedBy != f.job.Author() {
			t.Errorf("mapping %s: got classified by %q, updated by %q, want the policy and %q",
				id, m.ClassifiedBy, m.UpdatedBy, f.job.Author())
		}
	}
}

func TestRun_FinishesTheJudgementBeforeItReturns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	started, release := make(chan struct{}, 1), make(chan struct{})
	c, _ := f.classifier(func(schema.Work) {
		started <- struct{}{}
		block(t, release)
	})
	stop := f.run(c)
	f.send(f.message(f.ids[0]))
	receive(t, started)
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	f.Eventually("the consumer is closed", func() bool { return c.Ready() != nil })
	select {
	case <-stopped:
		t.Error("Run returned during a judgement")
	default:
	}
	close(release)
	receive(t, stopped)
	f.wantItem(f.ids[0], outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
	f.workDone()
}

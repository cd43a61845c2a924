package classifier

import (
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestAnItemWhoseMappingIsLockedWaitsAndItsWorkerDoesNot(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]uint64{"first delivery": 1, "marked delivery": markedDelivery} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 2)
			id := f.ids[0]
			c, _ := f.classifier(nil)
			f.handle(c, f.ids[1])
			release := f.lock("select from pde_mappings where id = ? for update", id)
			if err := f.handleDelivery(c, delivery, id); err != nil {
				t.Fatalf("handle: got %v, want the message acknowledged", err)
			}
			f.wantItem(id, outcome{})
			item := f.item(id)
			want := "waits for a lock on mapping " + id + ", held by pdeflow (user "
			if !strings.HasPrefix(item.WaitingFor, want) {
				t.Errorf("waiting_for: got %q, want it to begin with %q", item.WaitingFor, want)
			}
			if wait := item.DueAt.Sub(item.UpdatedAt); wait < lockWait/2 || wait > 2*lockWait {
				t.Errorf("wait: got %v, want about %v", wait, lockWait)
			}
			if got := f.status().WaitingFor; got != item.WaitingFor {
				t.Errorf("waiting_for of the status: got %q, want %q", got, item.WaitingFor)
			}
			release()
			f.makeDue()
			f.handle(c, id)
			f.wantItem(id, outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
			if got := f.item(id).WaitingFor; got != "" {
				t.Errorf("waiting_for after the save: got %q, want none", got)
			}
		})
	}
}

func TestAnItemWhoseOwnRowIsLockedWaitsInTheStream(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]uint64{"first delivery": 1, "marked delivery": markedDelivery} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			id := f.ids[0]
			c, _ := f.classifier(nil)
			f.status()
			release := f.lock("select from job_items for update")
			if err := f.handleDelivery(c, delivery, id); err == nil {
				t.Fatal("handle: got nil, although the wait could not be written")
			}
			want := "waits for a lock on the item of mapping " + id + ", held by pdeflow (user "
			if got := f.status().WaitingFor; !strings.HasPrefix(got, want) {
				t.Errorf("waiting_for of the status: got %q, want it to begin with %q", got, want)
			}
			release()
			if err := f.handleDelivery(c, delivery+1, id); err != nil {
				t.Fatal(err)
			}
			f.wantItem(id, outcome{Outcome: schema.OutcomeSucceeded, Attempt: 1})
			if got := f.status(); got.Status != schema.StatusCompleted || got.WaitingFor != "" {
				t.Errorf("status after the save: got %s %q, want completed", got.Status, got.WaitingFor)
			}
			if n := f.Count("select count(*) from job_item_locks"); n != 0 {
				t.Errorf("rows of job_item_locks after the job: got %d, want 0", n)
			}
		})
	}
}

func TestLockedRowsDoNotHoldUpOtherMappings(t *testing.T) {
	t.Parallel()
	const locked = 30 // more than there are workers
	f := newFixture(t, locked+20)
	f.lock(`select from (select id from pde_mappings order by id limit ?) first
		join pde_mappings m using (id) for update of m`, locked)
	c, _ := f.classifier(nil)
	f.run(c)
	var all []events.MappingRequested
	for _, id := range f.ids {
		all = append(all, f.message(id))
	}
	f.send(all...)
	f.workDone()
	if got := f.Count("select count(*) from job_items where outcome = 'succeeded'"); got != 20 {
		t.Errorf("succeeded items: got %d, want 20", got)
	}
	waiting := f.Count(`select count(*) from job_items
		where waiting_for is not null and due_at > clock_timestamp() - ? * interval '1 second'`, time.Minute.Seconds())
	if waiting != locked {
		t.Errorf("waiting items: got %d, want %d", waiting, locked)
	}
	if got, want := f.status().WaitingFor, "; 30 mappings wait in all"; !strings.HasSuffix(got, want) {
		t.Errorf("waiting_for of the status: got %q, want it to end with %q", got, want)
	}
	if n := f.Log.Count("mapping waits for a lock"); n != 1 {
		t.Errorf("log lines: got %d, want 1", n)
	}
}

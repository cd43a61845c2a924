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
	for name, deliveries := range map[string]uint64{"first delivery": 1, "marked delivery": markedDelivery} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 2)
			id := b.ids[0]
			c, _ := b.classifier(nil)
			b.handle(c, b.ids[1])
			release := b.lock("select from pde_mappings where id = ? for update", id)
			if err := c.handle(t.Context(), events.Delivery{Deliveries: deliveries}, b.message(id)); err != nil {
				t.Fatalf("the message keeps its place: %v", err)
			}
			item := b.work(id).Item
			if want := "waits for a lock on mapping " + id + ", held by pdeflow (user "; !strings.HasPrefix(item.WaitingFor, want) {
				t.Errorf("the item %q, not %q", item.WaitingFor, want)
			}
			if wait := item.DueAt.Sub(item.UpdatedAt); item.Outcome != "" || item.Attempt != 0 || item.Starts != 0 || wait < lockWait/2 || wait > 2*lockWait {
				t.Errorf("item %q at attempt %d with %d starts waits for %v", item.Outcome, item.Attempt, item.Starts, wait)
			}
			if status := b.status(); status.WaitingFor != item.WaitingFor {
				t.Errorf("the status says %q", status.WaitingFor)
			}
			release()
			b.dueNow()
			b.handle(c, id)
			if item := b.work(id).Item; item.Outcome != schema.Succeeded || item.Attempt != 1 || item.WaitingFor != "" {
				t.Errorf("after that it is %q at attempt %d and %q", item.Outcome, item.Attempt, item.WaitingFor)
			}
		})
	}
}

func TestAnItemWhoseOwnRowIsLockedWaitsInTheStream(t *testing.T) {
	t.Parallel()
	for name, deliveries := range map[string]uint64{"first delivery": 1, "marked delivery": markedDelivery} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 1)
			c, _ := b.classifier(nil)
			b.status()
			release := b.lock("select from job_items for update")
			if err := c.handle(t.Context(), events.Delivery{Deliveries: deliveries}, b.message(b.ids[0])); err == nil {
				t.Fatal("the message is acknowledged, although nothing could be written about it")
			}
			want := "waits for a lock on the item of mapping " + b.ids[0] + ", held by pdeflow (user "
			status := b.status()
			if !strings.HasPrefix(status.WaitingFor, want) {
				t.Errorf("the status says %q", status.WaitingFor)
			}
			release()
			if err := c.handle(t.Context(), events.Delivery{Deliveries: deliveries + 1}, b.message(b.ids[0])); err != nil {
				t.Fatal(err)
			}
			status = b.status()
			if item := b.work(b.ids[0]).Item; item.Outcome != schema.Succeeded || status.WaitingFor != "" || status.Status != schema.Completed {
				t.Errorf("after that it is %q, the status %s %q", item.Outcome, status.Status, status.WaitingFor)
			}
			if n := b.Count("select count(*) from job_item_locks"); n != 0 {
				t.Errorf("%d locks are left when the job has ended", n)
			}
		})
	}
}

func TestRowsLockedByAUserHoldUpNoOtherMapping(t *testing.T) {
	t.Parallel()
	const locked = 30 // more than there are workers
	b := newFixture(t, locked+20)
	b.lock("select from (select id from pde_mappings order by id limit ?) first join pde_mappings m using (id) for update of m", locked)
	c, _ := b.classifier(nil)
	b.run(c)
	var all []events.MappingRequested
	for _, id := range b.ids {
		all = append(all, b.message(id))
	}
	b.send(all...)
	b.workDone()
	if done, waiting := b.Count("select count(*) from job_items where outcome = 'succeeded'"),
		b.Count("select count(*) from job_items where waiting_for is not null and due_at > clock_timestamp() - ? * interval '1 second'", time.Minute.Seconds()); done != 20 || waiting != locked {
		t.Errorf("%d are done and %d wait", done, waiting)
	}
	if want := "; 30 mappings wait in all"; !strings.HasSuffix(b.status().WaitingFor, want) {
		t.Errorf("the status says %q", b.status().WaitingFor)
	}
	if n := b.Log.Count("mapping waits for a lock"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

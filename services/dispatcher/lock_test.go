package dispatcher

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestAMappingThatAUserLocksHoldsUpNoList(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	k.locked("select from pde_mappings where report_id = 'cards' for update", func() {
		k.turns(k.dispatcher(Options{}))
		if sent := k.outstanding(job); len(sent) != 3 {
			t.Errorf("%d messages are published, want 3", len(sent))
		}
	})
}

func TestAJobThatAUserLocksHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	locked, other := k.job("cards", 3), k.job("loans", 3)
	d := k.dispatcher(Options{})
	k.locked("select from jobs where report_id = 'cards' for update", func() {
		if _, err := d.turn(t.Context()); !schema.LockTimedOut(err) {
			t.Errorf("error is %v, want a lock timeout", err)
		}
		if sent := k.outstanding(other); len(sent) != 3 {
			t.Errorf("%d messages of the other job are published, want 3", len(sent))
		}
	})
	k.blocked(d, locked, "")
	if sent := k.outstanding(locked); len(sent) != 3 {
		t.Errorf("%d messages are published after the lock, want 3", len(sent))
	}
}

func TestAJobWhoseListWaitsForALockReportsIt(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	d := k.dispatcher(Options{})
	k.locked("lock table job_items in share mode", func() {
		if _, err := d.turn(t.Context()); !schema.LockTimedOut(err) {
			t.Errorf("error is %v, want a lock timeout", err)
		}
		if reason := k.ReadJob(job.ID).BlockedBy; reason != blockedByLock {
			t.Errorf("reason is %q, want %q", reason, blockedByLock)
		}
	})
	k.blocked(d, job, "")
}

// locked runs do while a user's transaction holds what the statement locks.
func (k *fixture) locked(lock string, do func()) {
	k.T.Helper()
	user, err := k.DB.BeginTx(k.T.Context(), nil)
	if err != nil {
		k.T.Fatal(err)
	}
	if _, err := user.NewRaw(lock).Exec(k.T.Context()); err != nil {
		k.T.Error(err)
	} else {
		do()
	}
	if err := user.Rollback(); err != nil {
		k.T.Fatal(err)
	}
}

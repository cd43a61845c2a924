package dispatcher

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestAMappingThatAUserLocksHoldsUpNoList(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	f.locked("select from pde_mappings where report_id = 'cards' for update", func() {
		f.turns(f.dispatcher(Options{}))
		if sent := f.outstanding(job); len(sent) != 3 {
			t.Errorf("outstanding: got %d, want 3", len(sent))
		}
	})
}

func TestAJobThatAUserLocksHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	locked, other := f.job("cards", 3), f.job("loans", 3)
	d := f.dispatcher(Options{})
	f.locked("select from jobs where report_id = 'cards' for update", func() {
		if _, err := d.turn(t.Context()); !schema.IsLockTimeout(err) {
			t.Errorf("turn: got %v, want a lock timeout", err)
		}
		if sent := f.outstanding(other); len(sent) != 3 {
			t.Errorf("outstanding of the other job: got %d, want 3", len(sent))
		}
	})
	f.blocked(d, locked, "")
	if sent := f.outstanding(locked); len(sent) != 3 {
		t.Errorf("outstanding after the lock: got %d, want 3", len(sent))
	}
}

func TestAJobWhoseListWaitsForALockReportsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	d := f.dispatcher(Options{})
	f.locked("lock table job_items in share mode", func() {
		if _, err := d.turn(t.Context()); !schema.IsLockTimeout(err) {
			t.Errorf("turn: got %v, want a lock timeout", err)
		}
		if reason := f.ReadJob(job.ID).BlockedBy; reason != blockedByLock {
			t.Errorf("blocked by: got %q, want %q", reason, blockedByLock)
		}
	})
	f.blocked(d, job, "")
}

// locked runs do while another transaction holds the locks of the statement.
func (f *fixture) locked(lock string, do func()) {
	f.T.Helper()
	user, err := f.DB.BeginTx(f.T.Context(), nil)
	if err != nil {
		f.T.Fatal(err)
	}
	if _, err := user.NewRaw(lock).Exec(f.T.Context()); err != nil {
		f.T.Error(err)
	} else {
		do()
	}
	if err := user.Rollback(); err != nil {
		f.T.Fatal(err)
	}
}

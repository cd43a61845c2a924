package dispatcher

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

func TestARowThatAUserLocksHoldsUpItsOwnJobOnly(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]string{
		"a mapping": "select from pde_mappings where report_id = 'cards' limit 1 for update",
		"the job":   "select from jobs where report_id = 'cards' for update",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newDesk(t)
			locked, other := k.job("cards", 3), k.job("loans", 3)
			user, err := k.DB.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer user.Rollback() //nolint:errcheck // done below, unless the test has failed
			if _, err := user.NewRaw(lock).Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			d := k.dispatcher(Options{})
			if _, err := d.turn(t.Context()); !schema.LockTimedOut(err) {
				t.Errorf("the turn ends with: %v", err)
			}
			if sent := k.outstanding(other); len(sent) != 3 {
				t.Errorf("%d messages of the other job are published", len(sent))
			}
			if reason := k.ReadJob(locked.ID).BlockedBy; name == "a mapping" && reason != blockedByLock {
				t.Errorf("the reason is %q", reason)
			}
			if err := user.Rollback(); err != nil {
				t.Fatal(err)
			}
			k.blocked(d, locked, "")
			if sent := k.outstanding(locked); len(sent) != 3 {
				t.Errorf("%d messages are published when the lock is gone", len(sent))
			}
		})
	}
}

package faults

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// verify checks that the job's end is right in every place that shows it.
func (r *run) verify() {
	r.t.Helper()
	status, n := r.progress, int64(*mappings)
	if r.cancelled && status.Status == schema.StatusCancelled {
		n = status.Succeeded
	}
	if status.Status == schema.StatusCompleted == (status.Cancelled > 0) || status.TotalSteps != int64(*mappings) ||
		status.Succeeded != n || status.Succeeded+status.Cancelled != status.TotalSteps {
		r.t.Errorf("status: got %s with %d of %d succeeded, %d skipped, %d failed, %d cancelled, want %d succeeded",
			status.Status, status.Succeeded, status.TotalSteps, status.Skipped, status.Failed, status.Cancelled, n)
	}
	for what, query := range map[string]string{
		"counted items": `select count(*) from job_items
			where job_id = ? and folded_at is not null and outcome = 'succeeded'`,
		"history rows":            "select count(*) from classification_history where job_id = ?",
		"mappings with a history": "select count(distinct mapping_id) from classification_history where job_id = ?",
		"mappings as their history shows them": `select count(*) from pde_mappings m
			join classification_history h on h.mapping_id = m.id and h.job_id = ?
			where (h.after->>'version')::bigint = m.version
				and h.after->>'information_security_classification' = m.information_security_classification`,
	} {
		var got int64
		if err := r.db.NewRaw(query, r.job).Scan(r.t.Context(), &got); err != nil {
			r.t.Fatal(err)
		}
		if got != n {
			r.t.Errorf("%s: got %d, want %d", what, got, n)
		}
	}
	r.eventually("no work message is left", func() bool {
		stream, err := r.jetStream().Stream(r.t.Context(), events.StreamWork)
		return err == nil && stream.CachedInfo().State.Msgs == 0
	})
	for _, command := range []string{"check", "audit verify"} {
		found := ""
		if r.eventually("pdeflow "+command+" finds nothing", func() bool {
			out, err := r.command(strings.Fields(command)...).CombinedOutput()
			found = string(out)
			return err == nil
		}); r.t.Failed() {
			r.t.Logf("pdeflow %s: %s", command, found)
		}
	}
	r.rebuild()
}

// rebuild computes the status again and compares it.
func (r *run) rebuild() {
	r.t.Helper()
	if out, err := r.command("rebuild").CombinedOutput(); err != nil {
		r.t.Fatalf("rebuild: %v\n%s", err, out)
	}
	before := r.progress
	r.until(func(s schema.JobStatus) bool { return s.Status.IsFinal() })
	if diff := cmp.Diff(before, r.progress, cmpopts.IgnoreFields(schema.JobStatus{}, "UpdatedAt")); diff != "" {
		r.t.Errorf("status after rebuild (-before +after):\n%s", diff)
	}
}

func (r *run) eventually(what string, condition func() bool) {
	r.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if condition() {
			return
		}
	}
	r.t.Errorf("not within %v: %s", patience, what)
}

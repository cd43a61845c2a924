package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// A tester edits what a job has found, and a manager reviews it. The next job changes none of it. Everything is
// published and audited.
func TestAReportIsEditedAndReviewed(t *testing.T) {
	t.Parallel()
	f, _, ids := auditedJob(t, 4)
	tokens := map[string]string{}
	for user, role := range map[string]api.Role{"tess": api.Tester, "mona": api.Manager} {
		var err error
		if tokens[user], err = api.SignToken(testSecret, user, role, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string, exit int, command string, args ...string) result {
		return f.pdeflow(append([]string{
			"mappings", command, "--cycle", schematest.CycleID, "--report", schematest.ReportID,
			"--token", tokens[user],
		}, args...)...).ends(t, exit)
	}
	as("tess", exitDone, "edit", ids[0], "source_field=svc.LN_MSTR.VIN", "--comment", "the right one")
	as("tess", exitFailed, "approve", ids[0])
	as("mona", exitDone, "edit", ids[1], "risk_level=High")
	as("mona", exitFailed, "approve", ids[0], ids[1])
	as("mona", exitDone, "approve", ids[0], ids[2], "--comment", "checked")
	as("mona", exitDone, "reject", ids[3])
	as("mona", exitDone, "undo", ids[3])
	decided := as("tess", exitDone, "show", ids[0], "--json").stdout

	status := f.finish(f.regenerate())
	if status.Skipped < 3 || status.Succeeded+status.Skipped != 4 {
		t.Errorf("next job: got %d skipped and %d succeeded, want every mapping but perhaps the one with a new risk",
			status.Skipped, status.Succeeded)
	}
	before, after := from[api.Mapping](
		t,
		result{stdout: decided},
	), from[api.Mapping](
		t,
		as("tess", exitDone, "show", ids[0], "--json"),
	)
	if *after.SourceField != "svc.LN_MSTR.VIN" || after.ReviewStatus != schema.ReviewStatusApproved ||
		*after.ReviewedBy != "mona" || after.SuggestedSourceField == nil || before.SuggestedSourceField != nil {
		t.Errorf("decided mapping after the next job: got %+v, want it unchanged, with the new suggestion", after)
	}
	edited := as("tess", exitDone, "edit", ids[0], "pde_code=P-1", "--json")
	if got := from[api.DecidedMapping](t, edited); !got.ReviewReset || got.ReviewStatus != schema.ReviewStatusPending {
		t.Errorf("edit of an approved mapping: got %+v, want a reset review", got)
	}
	rule := func(command string, args ...string) result {
		return f.pdeflow(append([]string{
			"auto-approval", command, "--cycle", schematest.CycleID, "--report", schematest.ReportID,
		}, args...)...)
	}
	all := []string{
		"--min-confidence", "0", "--min-margin", "0", "--tier", "HRCI,Confidential", "--tier", "Proprietary",
		"--tier", "Public", "--max-risk", "High", "--personal",
	}
	would := from[api.AutoApprovalPreview](t, rule("preview", append(all, "--json")...))
	rule("preview", all...).ends(t, exitDone, "would approve  1 mapping", ids[3])
	rule("show").ends(t, exitDone, "auto-approval  off", "set            never")
	rule("set").ends(t, exitUsage, "needs flags")
	rule("set", "--tier", "Secret").ends(t, exitUsage, "must be one of HRCI")
	rule("set", "--enabled", "--token", tokens["tess"]).ends(t, exitFailed, "manager")
	set := rule("set", append(all, "--enabled")...).ends(t, exitDone, "auto-approval  on\n", "1 mapping approved")
	if would.WouldApprove != 1 || !strings.Contains(set.stdout, "risk at most High, personal or not") {
		t.Errorf("auto-approval: got a preview of %d and %s", would.WouldApprove, set.stdout)
	}
	rule("set", "--enabled=false").ends(t, exitDone, "auto-approval  off", "What was decided stays.")
	as("tess", exitDone, "show", ids[3]).ends(t, exitDone, "reviewed by", schema.AutoApprover)

	f.eventually(
		"every change is published",
		"select not exists (select from classification_history where not published)",
	)
	f.eventually("every change is audited", "select not exists (select from unaudited_changes)")
	f.eventually("the job is audited", "select not exists (select from jobs where audited_at is null)")
	var logged []string
	if err := f.db.NewRaw(`select event_id from audit_log
		where mapping_id = ? and event_id like 'changed/%' and origin = 'event' order by seq`, ids[0]).
		Scan(t.Context(), &logged); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, version := range []int64{3, 4, 6} { // 2 and 5 are of jobs
		want = append(want, events.MappingChanged{MappingID: ids[0], Version: version}.ID())
	}
	if !slices.Equal(logged, want) {
		t.Errorf("audited changes: got %q, want %q", logged, want)
	}
	f.pdeflow("check").ends(t, exitDone)
	f.pdeflow("audit", "verify").ends(t, exitDone)
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// The second quarter starts from the first, with a changed description, a dropped column and a new attribute. Only
// these ask for attention.
func TestTheNextQuarterAsksOnlyForWhatHasChanged(t *testing.T) {
	t.Parallel()
	f, _, ids := auditedJob(t, 4)
	tess, err := api.SignToken(testSecret, "tess", api.Tester, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	const next = "2026-Q4"
	pdeflow := func(cycle string, exit int, args ...string) result {
		t.Helper()
		return f.pdeflow(append(args, "--cycle", cycle, "--report", schematest.ReportID)...).ends(t, exit)
	}
	columns := []string{"LN_CURR_BAL_AMT", "LN_ORIG_DT", "BORR_SSN", "DLR_CD"}
	for i, id := range ids {
		pdeflow(schematest.CycleID, exitDone, "mappings", "edit", "--token", tess, id,
			"source_field=svc.LN_MSTR."+columns[i])
	}
	pdeflow(schematest.CycleID, exitDone, append([]string{"mappings", "approve"}, ids...)...)
	pdeflow(next, exitDone, "import", "--attributes", file(t, "attributes.csv",
		"attribute_name,line_item_number,description,is_mandatory\n"+
			"Current Loan Balance,1,,yes\nLoan Origination Date,2,The day of the contract,yes\n"+
			"Borrower Tax Number,3,,yes\nDealer Code,4,,yes\nVehicle Color,5,,yes\n"),
		"--columns", file(t, "columns.csv", "data_source,schema,table,column,data_type\n"+
			"Loan servicing,svc,LN_MSTR,LN_CURR_BAL_AMT,\"NUMBER(14,2)\"\nLoan servicing,svc,LN_MSTR,LN_ORIG_DT,DATE\n"+
			"Loan servicing,svc,LN_MSTR,BORR_SSN,CHAR(9)\nLoan servicing,svc,LN_MSTR,VIN,CHAR(17)\n"))
	carry := []string{"carry-over", "--from", schematest.CycleID}
	session := []result{
		pdeflow(next, exitDone, append(carry, "--dry-run")...),
		pdeflow(next, exitDone, carry...),
		pdeflow(next, exitFailed, carry...),
		pdeflow(next, exitFailed, "carry-over", "--from", "2026-Q2"),
		pdeflow(next, exitDone, "reports", "compare", "--with", schematest.CycleID),
	}
	golden(t, "carry-over", transcript(session...))

	listed := func(status schema.ReviewStatus, want string) []api.Mapping {
		t.Helper()
		page := from[api.Page[api.Mapping]](t,
			pdeflow(next, exitDone, "mappings", "list", "--review-status", string(status), "--json"))
		var names []string
		for _, m := range page.Items {
			names = append(names, m.AttributeName)
		}
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%s: got %s, want %s", status, got, want)
		}
		return page.Items
	}
	listed(schema.ReviewStatusPending, "Vehicle Color")
	revise := listed(schema.ReviewStatusNeedsRevision, "Loan Origination Date, Dealer Code")
	regenerate := func() events.JobStatus {
		t.Helper()
		return f.finish(from[api.Accepted](t, pdeflow(next, exitDone, "regenerate", "--json")).JobID)
	}
	if job := regenerate(); job.Skipped < 2 || job.Skipped+job.Succeeded != 5 {
		t.Errorf("first job: got %d skipped and %d succeeded, want at least the 2 carried decisions skipped",
			job.Skipped, job.Succeeded)
	}
	if job := regenerate(); job.Skipped != 5 {
		t.Errorf("second job: got %d skipped, want all 5, because nothing has changed", job.Skipped)
	}
	for _, m := range listed(schema.ReviewStatusApproved, "Current Loan Balance, Borrower Tax Number") {
		if *m.CarriedFrom != schematest.CycleID || m.SuggestedSourceField != nil {
			t.Errorf("decision after the jobs: got %+v, want it carried from the earlier cycle, without a suggestion",
				m)
		}
	}
	// A manager does not review an own edit of the earlier cycle.
	manager, err := api.SignToken(testSecret, "tess", api.Manager, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pdeflow(next, exitFailed, "mappings", "approve", "--token", manager, revise[0].ID)

	f.eventually("every change is published",
		"select not exists (select from classification_history where not published)")
	f.eventually("every change is audited", "select not exists (select from unaudited_changes)")
	f.eventually("the jobs are audited", "select not exists (select from jobs where audited_at is null)")
	f.pdeflow("check").ends(t, exitDone)
	f.pdeflow("audit", "verify").ends(t, exitDone)
}

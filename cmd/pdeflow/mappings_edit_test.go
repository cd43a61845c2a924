package main

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestMappingsAreEditedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	id := schematest.Report(t, f.db, 2)[0]
	command := func(exit int, command string, args ...string) result {
		typed := append([]string{"mappings", command, "--cycle", schematest.CycleID, "--report", schematest.ReportID},
			args...)
		return f.pdeflow(typed...).ends(t, exit)
	}
	golden(t, "decisions", transcript(
		command(exitDone, "edit", id, "source_field=svc.LN_MSTR.VIN", "data_source=Loan servicing", "pii_flag=yes",
			"information_security_classification=Confidential", "--comment", "the number of the vehicle"),
		command(exitDone, "edit", id, "pii_flag=yes"),
		command(exitFailed, "edit", id, "pii_flag=no", "--if-version", "1"),
		command(exitFailed, "edit", id, "source_field=svc.LN_MSTR.VON"),
		command(exitUsage, "edit", id, "tier=HRCI"),
		command(exitUsage, "edit", id, "pii_flag=perhaps"),
		command(exitUsage, "edit", id, "data_source=Loan service"),
		command(exitUsage, "edit", id),
		command(exitFailed, "accept-suggestion", id),
		command(exitDone, "undo", id, "--comment", "the wrong line"),
		command(exitFailed, "undo", id),
		command(exitDone, "history", id),
	))
	edited := from[api.DecidedMapping](t, command(exitDone, "edit", id, "criticality=Low", "--json"))
	if edited.Version != 4 || *edited.Criticality != schema.LevelLow {
		t.Errorf("JSON: got %+v, want version 4 with a low criticality", edited)
	}
}

func TestMappingsAreReviewedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	ids := schematest.Report(t, f.db, 4)
	command := func(exit int, command string, args ...string) result {
		typed := append([]string{"mappings", command, "--cycle", schematest.CycleID, "--report", schematest.ReportID},
			args...)
		return f.pdeflow(typed...).ends(t, exit)
	}
	command(exitDone, "edit", ids[0], "pde_name=own")
	golden(t, "reviews", transcript(
		command(exitFailed, "approve", ids[0], ids[1]),
		command(exitDone, "approve", ids[1], "--comment", "as before"),
		command(exitUsage, "reject", "--review-status", "pending"),
		command(exitDone, "reject", "--review-status", "pending", "--dry-run"),
		command(exitFailed, "reject", "--review-status", "pending", "--expected", "9"),
		command(exitDone, "reject", "--review-status", "pending", "--expected", "3", "--skip-own-edits"),
		command(exitDone, "needs-revision", ids[2], ids[3], "--comment", "why this column?"),
		command(exitDone, "undo", ids[3]),
		command(exitUsage, "approve"),
		command(exitUsage, "approve", ids[2], "--unmapped"),
		command(exitDone, "show", ids[3]),
		command(exitDone, "history", ids[3]),
	))
	if done := from[api.Reviewed](t, command(exitDone, "approve", ids[3], "--json")); done.Decided != 1 {
		t.Errorf("JSON: got %+v, want one decision", done)
	}
}

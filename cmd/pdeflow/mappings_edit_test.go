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
		t.Errorf("got JSON %+v", edited)
	}
}

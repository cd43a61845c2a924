package main

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// change runs statements on the fixture's database.
func (f *fixture) change(statements ...string) {
	f.t.Helper()
	for _, statement := range statements {
		if _, err := f.db.ExecContext(f.t.Context(), statement); err != nil {
			f.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// auditedJob completes a job of this many mappings and waits until it is in the audit log.
func auditedJob(t *testing.T, mappings int) (f *fixture, jobID string, ids []string) {
	t.Helper()
	f = plainFixture(t, schema.Services()...)
	ids = schematest.Report(t, f.db, mappings)
	jobID = f.regenerate()
	f.exact(f.finish(jobID), int64(mappings))
	f.eventually("the job is audited", "select audited_at is not null from jobs")
	return f, jobID, ids
}

func TestCheckNamesTheWrongRows(t *testing.T) {
	t.Parallel()
	f, jobID, ids := auditedJob(t, 5)
	of := []string{"--cycle", schematest.CycleID, "--report", schematest.ReportID}
	session := []result{
		f.pdeflow("check").ends(t, exitDone), f.pdeflow(append([]string{"check"}, of...)...).ends(t, exitDone),
	}
	f.change(
		"update pde_mappings set criticality = null, pii_flag = null where id = '"+ids[0]+"'",
		"update pde_mappings set updated_by = '' where id = '"+ids[1]+"'",
		"update job_status set succeeded = 4, failed = 1",
		"alter table audit_log disable trigger all",
		"update audit_log set actor = 'nobody' where event_id = 'requested/"+jobID+"'",
	)
	session = append(session, f.pdeflow("check").ends(t, exitFailed))
	golden(t, "check", transcript(session...))

	f.change("delete from classification_history where mapping_id = '" + ids[2] + "'")
	result := from[checkResult](t, f.pdeflow(append([]string{"check", "--json"}, of...)...).ends(t, exitFailed))
	kinds := map[schema.CheckKind]int{}
	for _, f := range result.Findings {
		kinds[f.Kind]++
	}
	if result.OK || result.FindingCount != int64(len(result.Findings)) || result.Rows != 5 || result.Jobs != 1 ||
		len(result.Fields) != 12 ||
		kinds[schema.CheckKindUnset] != 2 || kinds[schema.CheckKindUnsigned] != 1 ||
		kinds[schema.CheckKindCounts] != 2 ||
		kinds[schema.CheckKindHistory] != 1 || kinds[checkAudit] == 0 {
		t.Errorf("got JSON %+v, want the findings of 5 rows and 1 job", result)
	}
	f.pdeflow("check", "--cycle", "none", "--report", "none").ends(t, exitFailed,
		"there is no report none in cycle none")
}

func TestCheckOfACorrectDatabaseFindsNothing(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, db: schematest.New(t), nats: eventstest.Start(t), log: eventstest.NewLog(t)}
	result := from[checkResult](t, f.pdeflow("check", "--json").ends(t, exitDone))
	if !result.OK || result.FindingCount != 0 || result.Findings == nil || len(result.Fields) != 12 {
		t.Errorf("empty database: got %+v, want no finding", result)
	}
}

func TestCheckNamesAHundredFindingsOfAKind(t *testing.T) {
	t.Parallel()
	const many = 250
	f := plainFixture(t)
	schematest.Report(t, f.db, many)
	f.exact(f.finish(f.regenerate()), many)
	f.change("update pde_mappings set criticality = null", "update attributes set updated_by = ''")
	got := f.pdeflow("check").ends(t, exitFailed)
	if !strings.Contains(got.stdout, "Wrong in 500 places:") ||
		!strings.Contains(got.stdout, "and 300 more of the same kinds") ||
		strings.Count(got.stdout, "  pde_mappings ") != maxNamed ||
		strings.Count(got.stdout, "  attributes ") != maxNamed {
		t.Errorf("got:\n%s\nwant 500 findings, of which 200 are listed", got.stdout)
	}
}

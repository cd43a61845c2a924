package main

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// change runs statements on the stand's database.
func (s *stand) change(statements ...string) {
	s.t.Helper()
	for _, statement := range statements {
		if _, err := s.db.ExecContext(s.t.Context(), statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// auditedJob is a job of so many mappings that has completed and is in the audit log.
func auditedJob(t *testing.T, mappings int) (s *stand, jobID string, ids []string) {
	t.Helper()
	s = plainStand(t, allServices()...)
	ids = schematest.Report(t, s.db, mappings)
	jobID = s.regenerate()
	s.exact(s.finish(jobID), int64(mappings))
	s.eventually("the job is audited", "select audited_at is not null from jobs")
	return s, jobID, ids
}

func TestCheckFindsWhatIsWrongAndNamesTheRows(t *testing.T) {
	t.Parallel()
	s, jobID, ids := auditedJob(t, 5)
	of := []string{"--cycle", schematest.CycleID, "--report", schematest.ReportID}
	session := []said{
		s.pdeflow("check").ends(t, exitDone), s.pdeflow(append([]string{"check"}, of...)...).ends(t, exitDone),
	}
	s.change(
		"update pde_mappings set criticality = null, pii_flag = null where id = '"+ids[0]+"'",
		"update pde_mappings set updated_by = '' where id = '"+ids[1]+"'",
		"update job_status set succeeded = 4, failed = 1",
		"alter table audit_log disable trigger all",
		"update audit_log set actor = 'nobody' where event_id = 'requested/"+jobID+"'",
	)
	session = append(session, s.pdeflow("check").ends(t, exitFailed))
	golden(t, "check", transcript(session...))

	s.change("delete from classification_history where mapping_id = '" + ids[2] + "'")
	result := from[checkResult](t, s.pdeflow(append([]string{"check", "--json"}, of...)...).ends(t, exitFailed))
	kinds := map[schema.CheckKind]int{}
	for _, f := range result.Findings {
		kinds[f.Kind]++
	}
	if result.OK || result.FindingCount != int64(len(result.Findings)) || result.Rows != 5 || result.Jobs != 1 ||
		len(result.Fields) != 12 ||
		kinds[schema.CheckUnset] != 2 || kinds[schema.CheckUnsigned] != 1 || kinds[schema.CheckCounts] != 2 ||
		kinds[schema.CheckHistory] != 1 || kinds[checkAudit] == 0 {
		t.Errorf("as JSON it is %+v", result)
	}
	s.pdeflow("check", "--cycle", "none", "--report", "none").ends(t, exitFailed,
		"there is no report none in cycle none")
}

func TestCheckOfADatabaseThatIsWholeIsContentAsJSONToo(t *testing.T) {
	t.Parallel()
	s := &stand{t: t, db: schematest.New(t), nats: eventstest.Start(t), log: &logBuffer{}}
	result := from[checkResult](t, s.pdeflow("check", "--json").ends(t, exitDone))
	if !result.OK || result.FindingCount != 0 || result.Findings == nil || len(result.Fields) != 12 {
		t.Errorf("of an empty database is said %+v", result)
	}
}

func TestCheckNamesAHundredOfAKindAndCountsTheRest(t *testing.T) {
	t.Parallel()
	const many = 250
	s := plainStand(t)
	schematest.Report(t, s.db, many)
	s.exact(s.finish(s.regenerate()), many)
	s.change("update pde_mappings set criticality = null", "update attributes set updated_by = ''")
	got := s.pdeflow("check").ends(t, exitFailed)
	if !strings.Contains(got.stdout, "Wrong in 500 places:") ||
		!strings.Contains(got.stdout, "and 300 more of the same kinds") ||
		strings.Count(got.stdout, "  pde_mappings ") != maxNamed ||
		strings.Count(got.stdout, "  attributes ") != maxNamed {
		t.Errorf("it says:\n%s", got.stdout)
	}
}

//go:build unix

package schematest

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// EndedJobs inserts n more jobs of the report that have completed, each with one item, its history row and its
// status. No mapping of the report lacks a classification after that.
func EndedJobs(t testing.TB, db *schema.DB, n int) {
	t.Helper()
	const signed = "now(), 'test', now(), 'test'"
	for _, statement := range []string{
		`update pde_mappings set information_security_classification = 'Public', criticality = 'Low',
			risk_level = 'Low', regulatory_flag = false,
			pii_flag = false, confidence_score = 1, mapping_rationale = 'r', classification_confidence = 1,
				classification_rationale = 'r',
			classified_by = 'rules@1' where criticality is null`,
		`insert into jobs (id, job_type, cycle_id, report_id, classifier, scope, mapping_count, requested_by,
			traceparent, intent,
			intent_version, started_at, listed, listed_at, published_finished, ended_at, audited_at, created_at,
				created_by, updated_at, updated_by)
			select 'job-' || lpad(i::text, 9, '0'), 'pde_regeneration', '` + CycleID + `', '` + ReportID + `',
				'rules', 'all', 1,
				'tina', '', 'run', 1, now(), 1, now(), true, now(), now(), ` + signed + `
			from generate_series((select count(*) from jobs) + 1, (select count(*) from jobs) + ?0) i`,
		`insert into job_items (job_id, mapping_id, outcome, attempt, due_at, information_security_classification,
			ended_at, folded_at,
			created_at, created_by, updated_at, updated_by)
			select j.id, m.id, 'succeeded', 1, now(), 'Public', now(), now(), ` + signed + `
			from (select id, row_number() over (order by id) as n from jobs) j
				join (select id, row_number() over (order by id) - 1 as n, count(*) over () as total
					from pde_mappings) m
				on m.n = j.n % m.total
			where not exists (select from job_items where job_id = j.id)`,
		`insert into classification_history
			select 'h-' || job_id, mapping_id, job_id, now(), 'job:' || job_id, '{}', '{}', null, ` + signed + `
			from job_items i where not exists (select from classification_history where job_id = i.job_id)`,
		`insert into job_status (job_id, cycle_id, report_id, status, progress_percentage, current_step,
			total_steps, completed_steps, succeeded, public, message,
			completed_at, job_version, created_at, updated_at, updated_by)
			select id, cycle_id, report_id, 'completed', 100, 'done', 1, 1, 1, 1, 'done', now(), 1, now(), now(), 'test'
			from jobs
			on conflict do nothing`,
	} {
		if _, err := db.NewRaw(statement, n).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

package schema_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// counted returns the counts of the only report in the list of reports.
func counted(t *testing.T, db *schema.DB) map[string]int64 {
	t.Helper()
	reports, err := schema.ListReports(t.Context(), db, "", "", 10)
	if err != nil || len(reports) != 1 {
		t.Fatalf("ListReports: got %d reports, want 1 (%v)", len(reports), err)
	}
	r := reports[0]
	one, err := schema.GetReportSummary(t.Context(), db, r.CycleID, r.ReportID)
	if diff := cmp.Diff(r, one); err != nil || diff != "" {
		t.Errorf("GetReportSummary differs from ListReports (-list +one):\n%s (%v)", diff, err)
	}
	return map[string]int64{
		"HRCI": r.HRCI, "Public": r.Public, "none": r.Unclassified, "pending": r.Pending, "approved": r.Approved,
		"all": r.Pending + r.Approved, "high": r.High, "unmapped": r.Unmapped,
	}
}

func TestTheCountsOfAReportFollowEveryWriteOfItsMappings(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 10)
	rows := func() int64 {
		var n int64
		if err := db.NewRaw("select count(*) from mapping_counts").Scan(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, step := range []struct {
		sql  string
		args []any
		want map[string]int64
	}{
		{
			"select 1",
			nil,
			map[string]int64{
				"HRCI": 0, "Public": 0, "none": 10, "pending": 10, "approved": 0, "all": 10,
				"high": 0, "unmapped": 10,
			},
		},
		{
			"update pde_mappings set information_security_classification = 'HRCI', criticality = 'High', " +
				"source_field = 'a.b.c' where id = ?",
			[]any{ids[0]},
			map[string]int64{
				"HRCI": 1, "Public": 0, "none": 9, "pending": 10, "approved": 0, "all": 10,
				"high": 1, "unmapped": 9,
			},
		},
		{
			"update pde_mappings set information_security_classification = 'Public', criticality = 'Low', " +
				"review_status = 'approved', reviewed_by = 'mia', reviewed_at = now() where id in (?)",
			[]any{bun.List(ids[:4])},
			map[string]int64{
				"HRCI": 0, "Public": 4, "none": 6, "pending": 6, "approved": 4, "all": 10,
				"high": 0, "unmapped": 9,
			},
		},
		{
			"delete from pde_mappings where id = ?",
			[]any{ids[0]},
			map[string]int64{
				"HRCI": 0, "Public": 3, "none": 6, "pending": 6, "approved": 3, "all": 9,
				"high": 0, "unmapped": 9,
			},
		},
	} {
		if _, err := db.ExecContext(t.Context(), step.sql, step.args...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, counted(t, db)); diff != "" {
			t.Errorf("step %d, before the sums (-want +got):\n%s", i, diff)
		}
		var all sync.WaitGroup
		for range 4 { // as several projectors do
			all.Go(func() {
				if err := schema.SumMappingCounts(t.Context(), db); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if diff := cmp.Diff(step.want, counted(t, db)); diff != "" {
			t.Errorf("step %d, after the sums (-want +got):\n%s", i, diff)
		}
	}
	if n := rows(); n != 2 {
		t.Errorf("rows of mapping_counts: got %d, want one for each combination in use", n)
	}
	before := rows()
	if _, err := db.ExecContext(
		t.Context(), "update pde_mappings set pde_name = 'x', version = version + 1",
	); err != nil {
		t.Fatal(err)
	}
	if after := rows(); after != before {
		t.Errorf("a write that changes no tier: got %d more rows, want 0", after-before)
	}
}

// A page of jobs reads few others, whatever the filter: also if no job matches, or if the oldest ones do.
func TestAPageOfJobsIsFoundWithoutReadingTheOthers(t *testing.T) {
	t.Parallel()
	const page = 20
	db := schematest.New(t)
	for _, table := range []string{"jobs", "job_status", "jobs_without_status", "job_items"} {
		exec(t, db, "alter table "+table+" set (autovacuum_enabled = off)")
	}
	schematest.Report(t, db, 10)
	schematest.EndedJobs(t, db, 3000)
	exec(t, db, `update job_status set status = case when job_id <= 'job-000000010' then 'failed' else 'cancelled' end
		where job_id <= 'job-000000015'`)
	exec(t, db, "update jobs set cycle_id = 'first', report_id = 'first' where id <= 'job-000000010'")
	exec(t, db, "update job_status set cycle_id = 'first', report_id = 'first' where job_id <= 'job-000000010'")
	exec(t, db, "delete from job_status where job_id = 'job-000000001'")
	vacuum(t, db, "jobs, job_status, jobs_without_status")
	schematest.Job(t, db, 10) // its id is the lowest
	for name, tc := range map[string]struct {
		filter schema.JobFilter
		jobs   int
	}{
		"all":                   {schema.JobFilter{}, page},
		"completed":             {schema.JobFilter{Status: schema.StatusCompleted}, page},
		"failed, the oldest":    {schema.JobFilter{Status: schema.StatusFailed}, 9},
		"cancelled, the oldest": {schema.JobFilter{Status: schema.StatusCancelled}, 5},
		"paused, none":          {schema.JobFilter{Status: schema.StatusPaused}, 0},
		"pending, without a status": {
			schema.JobFilter{Status: schema.StatusPending}, 1,
		},
		"failed by id":        {schema.JobFilter{Status: schema.StatusFailed, IDPrefix: "job-00000000"}, 8},
		"active":              {schema.JobFilter{Active: true}, 1},
		"a cycle, none":       {schema.JobFilter{CycleID: "none"}, 0},
		"a cycle, the oldest": {schema.JobFilter{CycleID: "first"}, 10},
		"a report, none":      {schema.JobFilter{ReportID: "none"}, 0},
		"a report of any cycle, the oldest": {
			schema.JobFilter{ReportID: "first"}, 10,
		},
		"a report":             {schema.JobFilter{CycleID: "first", ReportID: "first"}, 10},
		"a report, failed":     {schema.JobFilter{ReportID: "first", Status: schema.StatusFailed}, 9},
		"a cycle, none paused": {schema.JobFilter{CycleID: "first", Status: schema.StatusPaused}, 0},
		"the large cycle, none paused": {
			schema.JobFilter{CycleID: schematest.CycleID, Status: schema.StatusPaused}, 0,
		},
		"the large cycle, the oldest": {
			schema.JobFilter{CycleID: schematest.CycleID, Status: schema.StatusCancelled}, 5,
		},
		"the large report, the oldest": {
			schema.JobFilter{ReportID: schematest.ReportID, Status: schema.StatusCancelled}, 5,
		},
		"the large report of a cycle, the oldest": {
			schema.JobFilter{
				CycleID: schematest.CycleID, ReportID: schematest.ReportID, Status: schema.StatusCancelled,
			}, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, statistics := range []string{"select 1", "analyze jobs, job_status"} {
				exec(t, db, statistics)
				n := entries(t, db, func(ctx context.Context, tx bun.Tx) error {
					jobs, err := schema.ListJobs(ctx, tx, tc.filter, "", page)
					if err == nil {
						_, err = schema.ListStatuses(ctx, tx, jobs)
					}
					if len(jobs) != tc.jobs {
						t.Errorf("ListJobs: got %d jobs, want %d", len(jobs), tc.jobs)
					}
					return err
				}, "jobs", "job_status", "jobs_without_status", "job_items")
				if n > 8*page {
					t.Errorf("entries read (%s): got %d, want at most %d", statistics, n, 8*page)
				}
			}
		})
	}
}

// A page of a large report reads few other rows, whatever the order, the filter and the statistics: also if
// nothing matches, or if the matches are last in the order.
func TestAPageOfMappingsIsFoundWithoutReadingTheReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	// The snapshot of an autovacuum worker would keep the vacuum below from removing the dead entries of the update.
	for _, table := range []string{"pde_mappings", "attributes", "mapping_counts"} {
		exec(t, db, "alter table "+table+" set (autovacuum_enabled = off)")
	}
	ids := schematest.Report(t, db, 6000)
	exec(t, db, `update pde_mappings set source_field = 'a.b.' || right(id, 6), criticality = 'Low',
		classification_confidence = 60,
		updated_at = now() + case when id >= ?0 then interval '1 hour' else '0' end,
		confidence_score = case when id >= ?0 then 90 else 50 + length(id) % 7 end,
		information_security_classification = case when id >= ?0 then 'Confidential' else 'Public' end`, ids[3000])
	yes, no, low, high := true, false, 10, 99
	cases := map[string]schema.MappingFilter{
		"tier":           {InformationSecurityClassification: schema.TierHRCI},
		"criticality":    {Criticality: schema.LevelHigh},
		"review":         {ReviewStatus: schema.ReviewStatusApproved},
		"unmapped":       {Unmapped: &yes},
		"min_confidence": {MinConfidence: &high, Sort: schema.MappingSortConfidence},
		"max_confidence": {MaxConfidence: &low, Sort: schema.MappingSortConfidence},
		"two that match": {Unmapped: &no, InformationSecurityClassification: schema.TierPublic},
	}
	windowed := map[string]schema.MappingFilter{
		"min_confidence by id": {MinConfidence: &high},
		"max_confidence by id": {MaxConfidence: &low},
	}
	for _, sort := range schema.MappingSorts() {
		cases["up by "+string(sort)] = schema.MappingFilter{Sort: sort}
		cases["down by "+string(sort)] = schema.MappingFilter{Sort: sort, Descending: true}
		none := schema.MappingFilter{Sort: sort, InformationSecurityClassification: schema.TierHRCI}
		switch sort {
		case schema.MappingSortAttributeName, schema.MappingSortSourceField, schema.MappingSortClassificationConfidence:
			windowed["none by "+string(sort)] = none
		default:
			cases["none by "+string(sort)] = none
			last := schema.MappingFilter{Sort: sort, InformationSecurityClassification: schema.TierConfidential}
			cases["last by "+string(sort)] = last
			last = schema.MappingFilter{
				Sort: sort, InformationSecurityClassification: schema.TierPublic, Descending: true,
			}
			cases["first, down by "+string(sort)] = last
		}
	}
	for _, statistics := range []string{"", ", analyze"} {
		exec(t, db, "vacuum (truncate off"+statistics+") pde_mappings, attributes")
		for most, cases := range map[reads]map[string]schema.MappingFilter{
			{Rows: 1000, Blocks: 2000}: cases, {Rows: 3000, Blocks: 5000}: windowed,
		} {
			for name, filter := range cases {
				filter.CycleID, filter.ReportID = schematest.CycleID, schematest.ReportID
				got, err := countReads(t.Context(), db, func(ctx context.Context, tx bun.Tx) (err error) {
					_, next, err := schema.ListMappings(ctx, tx, filter, schema.MappingPosition{}, 50)
					if err == nil && next != nil {
						_, _, err = schema.ListMappings(ctx, tx, filter, *next, 50)
					}
					return err
				})
				if err != nil || got.Rows > most.Rows || got.Blocks > most.Blocks {
					t.Errorf("%s%s: reads of two pages: got %+v, want at most %+v (%v)",
						name, statistics, got, most, err)
				}
			}
		}
	}
}

// reads is what statements have read of mappings, attributes and their indexes.
type reads struct {
	// Rows counts rows and index entries. An entry that a scan passes over counts only with its block.
	Rows int64 `bun:"rows"`
	// Blocks counts the blocks.
	Blocks int64 `bun:"blocks"`
}

// countReads returns what the function reads.
func countReads(
	ctx context.Context, db *schema.DB, do func(context.Context, bun.Tx) error,
) (read reads, err error) {
	count := func(tx bun.Tx) (n reads, err error) {
		err = tx.NewRaw(`select sum(pg_stat_get_xact_tuples_returned(oid))::bigint as rows,
			sum(pg_stat_get_xact_blocks_fetched(oid))::bigint as blocks
			from pg_class where oid in ('attributes'::regclass, 'pde_mappings'::regclass) or oid in (
				select indexrelid from pg_index where indrelid in ('attributes'::regclass,
					'pde_mappings'::regclass))`).Scan(ctx, &n)
		return n, err
	}
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		before, err := count(tx)
		if err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		read, err = count(tx)
		read.Rows, read.Blocks = read.Rows-before.Rows, read.Blocks-before.Blocks
		return err
	})
	return read, err
}

func TestListReports_DoesNotReadTheJobsOfTheRules(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	for _, table := range []string{"jobs", "job_status"} {
		exec(t, db, "alter table "+table+" set (autovacuum_enabled = off)")
	}
	schematest.Report(t, db, 10)
	schematest.EndedJobs(t, db, 3000)
	exec(t, db, "update jobs set classifier = 'llm' where id = 'job-000000007'")
	exec(t, db, "update job_status set input_tokens = 70 where job_id = 'job-000000007'")
	vacuum(t, db, "jobs, job_status")
	for _, statistics := range []string{"select 1", "analyze jobs, job_status"} {
		exec(t, db, statistics)
		n := entries(t, db, func(ctx context.Context, tx bun.Tx) error {
			reports, err := schema.ListReports(ctx, tx, "", "", 10)
			if len(reports) != 1 || reports[0].InputTokens != 70 {
				t.Errorf("ListReports: got %+v, want one with 70 tokens", reports)
			}
			return err
		}, "jobs", "job_status")
		if n > 20 {
			t.Errorf("entries read (%s): got %d, want at most 20", statistics, n)
		}
	}
}

func TestListReports_SumsTheUsageOfTheJobsOfAReport(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	schematest.Report(t, db, 1)
	for i := range 2 {
		job := schematest.ListedJob(t, db, 1)
		for _, statement := range []string{
			"update jobs set classifier = 'hybrid', ended_at = now() where id = ?0",
			`insert into job_status (job_id, cycle_id, report_id, status, progress_percentage, current_step,
				total_steps, completed_steps,
				input_tokens, output_tokens, cost_usd, message, job_version, created_at, updated_at, updated_by)
			select id, cycle_id, report_id, 'running', 0, '', 1, 0, 1000, 10, 0.25, '', 1, now(), now(), 'test'
			from jobs where id = ?0
			on conflict (job_id) do update set input_tokens = 1000, output_tokens = 10, cost_usd = 0.25`,
		} {
			if _, err := db.NewRaw(statement, job.ID).Exec(t.Context()); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	reports, err := schema.ListReports(t.Context(), db, "", "", 10)
	if err != nil || len(reports) != 1 || reports[0].InputTokens != 2000 || reports[0].OutputTokens != 20 ||
		reports[0].CostUSD != schema.Dollar/2 {
		t.Errorf("ListReports: got %+v (%v), want 2000 and 20 tokens and 0.5 USD", reports, err)
	}
}

package schema

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

const (
	// batchJobs and batchItems limit the jobs of one statement. A job with more items is a batch of its own:
	// its counts must come from one snapshot. Counting a million items takes about a second.
	batchJobs  = 1000
	batchItems = 20_000
)

// JobBatch is a page of jobs in the order of their ids, small enough for one statement.
type JobBatch struct {
	IDs []string
	// all is true if no other jobs lie between the first and the last.
	all bool
}

// Contains returns an SQL condition: the job id in the column is in the batch. It is a range if possible,
// because a range is one index scan, whereas a list of a thousand ids is a thousand searches or a scan of the
// table.
func (b JobBatch) Contains(column string) any {
	if b.all {
		return bun.SafeQuery("? between ? and ?", bun.SafeQuery(column), b.IDs[0], b.IDs[len(b.IDs)-1])
	}
	return bun.SafeQuery("? in (?)", bun.SafeQuery(column), bun.List(b.IDs))
}

// EachJobBatch calls do with all jobs of the scope in batches, in the order of their ids. It stops at the
// first error and returns it.
func EachJobBatch(ctx context.Context, db bun.IDB, scope CheckScope, do func(JobBatch) error) error {
	all := scope == CheckScope{}
	for last := ""; ; {
		var jobs []struct {
			ID     string `bun:"id"`
			Listed int64  `bun:"listed"`
		}
		err := db.NewRaw("select id, listed from jobs where ? and id > ? order by id limit ?",
			scope.within("cycle_id = ?0 and report_id = ?1"), last, batchJobs).Scan(ctx, &jobs)
		if err != nil {
			return fmt.Errorf("jobs: %w", err)
		}
		var (
			batch []string
			items int64
		)
		for _, job := range jobs {
			if len(batch) > 0 && items+job.Listed > batchItems {
				if err := do(JobBatch{IDs: batch, all: all}); err != nil {
					return err
				}
				batch, items = nil, 0
			}
			batch, items, last = append(batch, job.ID), items+job.Listed, job.ID
		}
		if len(batch) > 0 {
			if err := do(JobBatch{IDs: batch, all: all}); err != nil {
				return err
			}
		}
		if len(jobs) < batchJobs {
			return nil
		}
	}
}

// CountJobs counts the jobs of the scope.
func CountJobs(ctx context.Context, db bun.IDB, scope CheckScope) (n int64, err error) {
	err = db.NewRaw("select count(*) from jobs where ?", scope.within("cycle_id = ?0 and report_id = ?1")).Scan(ctx, &n)
	if err != nil {
		return 0, fmt.Errorf("count jobs: %w", err)
	}
	return n, nil
}

// checkJobs checks the counts, the history and the signatures of every job.
func (c *checker) checkJobs(ctx context.Context) error {
	total, err := CountJobs(ctx, c.db, c.scope)
	if err != nil {
		return err
	}
	c.progress.report("jobs", 0, total)
	return EachJobBatch(ctx, c.db, c.scope, func(batch JobBatch) error {
		if err := c.checkCounts(ctx, batch); err != nil {
			return err
		}
		if err := c.checkHistory(ctx, batch); err != nil {
			return err
		}
		if err := c.checkJobSignatures(ctx, batch); err != nil {
			return err
		}
		c.checked.Jobs += int64(len(batch.IDs))
		c.progress.report("jobs", c.checked.Jobs, max(total, c.checked.Jobs))
		return nil
	})
}

// checkedJob is a job with the counts to compare: those of its status, of its items, and of its folded items.
type checkedJob struct {
	Job            Job    `bun:"embed:job_"`
	Status         Status `bun:"status,nullzero"`
	TotalSteps     int64  `bun:"total_steps"`
	CompletedSteps int64  `bun:"completed_steps"`
	Kept           Counts `bun:"embed:kept_"`
	Items          Counts `bun:"embed:items_"`
	Folded         Counts `bun:"embed:folded_"`
	// ItemCount is the number of items, and Queued the number of items without an outcome.
	ItemCount int64 `bun:"item_count"`
	Queued    int64 `bun:"queued"`
	// FirstCancelled is the first mapping with a cancelled item.
	FirstCancelled string `bun:"first_cancelled,nullzero"`
}

// countsSQL returns the select list for [Counts] with the prefix. It counts the items that satisfy the
// condition, or copies the counts of the status s if the condition is empty.
func countsSQL(prefix, condition string) string {
	columns := make([]string, 0, 10)
	add := func(name, expression string) {
		if condition == "" {
			expression = "s." + name
		}
		columns = append(columns, "coalesce("+expression+", 0) as "+prefix+name)
	}
	for _, outcome := range Outcomes() {
		add(string(outcome), "count(*) filter (where "+condition+" and outcome = '"+string(outcome)+"')")
	}
	for _, tier := range Tiers() {
		add(strings.ToLower(string(tier)),
			"count(*) filter (where "+condition+" and information_security_classification = '"+string(tier)+"')")
	}
	for _, tokens := range []string{"input_tokens", "output_tokens"} {
		add(tokens, "(sum("+tokens+") filter (where "+condition+"))::bigint")
	}
	return strings.Join(columns, ", ")
}

// checkCounts compares the status of each job with its row and its items.
func (c *checker) checkCounts(ctx context.Context, batch JobBatch) error {
	var jobs []checkedJob
	err := c.db.NewRaw(`select j.id as job_id, j.intent as job_intent, j.listed as job_listed,
			j.cancelled as job_cancelled, j.cancelled_from as job_cancelled_from,
			j.listed_at as job_listed_at, j.ended_at as job_ended_at,
			s.status, s.total_steps, s.completed_steps, `+countsSQL("kept_", "")+`, i.*
		from jobs j left join job_status s on s.job_id = j.id
			cross join lateral (select count(*) as item_count, count(*) filter (where outcome is null) as queued,
				min(mapping_id) filter (where outcome = 'cancelled') as first_cancelled,
				`+countsSQL("items_", "true")+`, `+countsSQL("folded_", "folded_at is not null")+`
				from job_items where job_id = j.id) i
		where ? order by j.id`, batch.Contains("j.id")).Scan(ctx, &jobs)
	if err != nil {
		return fmt.Errorf("check %s: %w", CheckKindCounts, err)
	}
	for _, job := range jobs {
		if job.ItemCount != job.Job.Listed {
			c.found(CheckKindCounts, "jobs", job.Job.ID,
				fmt.Sprintf("listed is %d, but the job has %d items", job.Job.Listed, job.ItemCount))
		}
		if job.Items.Cancelled != job.Job.Cancelled {
			c.found(CheckKindCounts, "jobs", job.Job.ID, fmt.Sprintf(
				"cancelled is %d, but the job has %d cancelled items", job.Job.Cancelled, job.Items.Cancelled))
		}
		// The cancelled items before it would not be listed.
		if job.FirstCancelled != job.Job.CancelledFrom {
			c.found(CheckKindCounts, "jobs", job.Job.ID, fmt.Sprintf("cancelled_from is %q, but the first mapping "+
				"with a cancelled item is %q", job.Job.CancelledFrom, job.FirstCancelled))
		}
		for _, problem := range job.disagreements() {
			c.found(CheckKindCounts, "job_status", job.Job.ID, problem)
		}
	}
	return nil
}

// disagreements returns the differences between the job's status and its items. The status of an active job
// may lag behind the items, but its counts must be those of the folded ones.
func (j checkedJob) disagreements() []string {
	var problems []string
	differ := func(what string, kept, counted int64) {
		if kept != counted {
			problems = append(problems, fmt.Sprintf("%s is %d, but its items give %d", what, kept, counted))
		}
	}
	ended, counted := !j.Job.EndedAt.IsZero(), j.Folded
	switch {
	case j.Status == "" && ended:
		return []string{"the job has ended but has no status; pdeflow rebuild computes it from the items"}
	case j.Status == "":
		return nil
	case ended:
		counted = j.Items
		differ("total_steps", j.TotalSteps, j.ItemCount)
		if want := statusFrom(j.Job, counted); j.Status != want && j.Queued == 0 && j.ItemCount == j.Job.Listed {
			problems = append(problems, fmt.Sprintf("status is %s, but its items give %s", j.Status, want))
		}
		if j.Queued > 0 {
			problems = append(problems,
				fmt.Sprintf("the job has ended with %s still queued", mappings(j.Queued)))
		}
		if uncounted := j.Items.Completed() - j.Folded.Completed(); uncounted > 0 {
			problems = append(problems,
				fmt.Sprintf("the job has ended with %s not counted", mappings(uncounted)))
		}
	case j.Status.IsFinal():
		problems = append(problems, fmt.Sprintf("status is %s, but the job has not ended", j.Status))
	}
	differ("completed_steps", j.CompletedSteps, counted.Completed())
	differ("succeeded", j.Kept.Succeeded, counted.Succeeded)
	differ("skipped", j.Kept.Skipped, counted.Skipped)
	differ("failed", j.Kept.Failed, counted.Failed)
	differ("cancelled", j.Kept.Cancelled, counted.Cancelled)
	differ("hrci", j.Kept.HRCI, counted.HRCI)
	differ("confidential", j.Kept.Confidential, counted.Confidential)
	differ("proprietary", j.Kept.Proprietary, counted.Proprietary)
	differ("public", j.Kept.Public, counted.Public)
	differ("input_tokens", j.Kept.InputTokens, counted.InputTokens)
	differ("output_tokens", j.Kept.OutputTokens, counted.OutputTokens)
	return problems
}

// checkHistory reports mappings that a job wrote without exactly one history row of the job, and history rows
// of jobs that did not write the mapping.
func (c *checker) checkHistory(ctx context.Context, batch JobBatch) error {
	return c.foundRows(ctx, CheckKindHistory, `with entries as (
			select job_id, mapping_id, count(*) as n from classification_history where ?0
			group by job_id, mapping_id
		)
		select 'job_items' as table_name, i.job_id || '/' || i.mapping_id as key,
			case when i.error_code = 'unchanged' then 'the item is unchanged, but the history has an entry of it'
				when e.n is null then 'the item ' || i.outcome || ', but the history of the mapping has no entry of it'
				else 'the history of the mapping has ' || e.n || ' entries of the item' end as problem
		from job_items i left join entries e on e.job_id = i.job_id and e.mapping_id = i.mapping_id
		where ?1 and i.outcome in ('succeeded', 'skipped')
			and case i.error_code when 'unchanged' then e.n is not null else e.n is distinct from 1 end
		union all
		select 'classification_history', h.id,
			'the entry is of a job that did not write the mapping: its item is '
				|| coalesce(i.outcome, 'queued or missing')
		from classification_history h left join job_items i on i.job_id = h.job_id and i.mapping_id = h.mapping_id
		where ?2 and coalesce(i.outcome, '') not in ('succeeded', 'skipped')
		order by 1 desc, 2`, batch.Contains("job_id"), batch.Contains("i.job_id"), batch.Contains("h.job_id"))
}

// checkJobSignatures reports rows that belong to the jobs and lack updated_at or updated_by.
func (c *checker) checkJobSignatures(ctx context.Context, batch JobBatch) error {
	var (
		selects []string
		args    []any
	)
	add := func(name, key, jobID string) {
		selects = append(selects, `select '`+name+`' as table_name, coalesce(`+key+`, '') as key,
			`+unsignedProblem+` as problem from `+name+` t where ? and `+unsignedRow)
		args = append(args, batch.Contains("t."+jobID))
	}
	for _, table := range signedTables() {
		switch {
		case table.name == "jobs":
			add(table.name, table.key, "id")
		case table.order == "", table.name == "classification_history":
			add(table.name, table.key, "job_id")
		}
	}
	return c.foundRows(ctx, CheckKindUnsigned, strings.Join(selects, " union all ")+" order by 1, 2", args...)
}

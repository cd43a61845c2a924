package schema

import (
	"context"
	"fmt"
)

// unpublishedAge is the age in seconds from which on an unpublished change is a finding. A carry-over gives all of its
// changes the time at which it began, so their age counts from its end.
const unpublishedAge = 60

// checkDecisions reports mappings of which the history lacks the last change by a person, mappings that their last
// editor has reviewed, mappings of several columns without a rule, and changes that have not been published for
// a minute. [checker.checkJobs] compares the history with jobs.
func (c *checker) checkDecisions(ctx context.Context) error {
	for done, last := int64(0), ""; ; {
		c.progress.report("decisions", done, 0)
		var (
			rows  int64
			wrong rowProblems
		)
		err := c.db.NewRaw(`select count(*), coalesce(max(id), ''),
				coalesce(json_agg(json_build_array(id, problem) order by id) filter (where problem is not null), '[]')
			from (
				select m.id, case
					when m.version > 1 and not starts_with(m.updated_by, '`+JobAuthor("")+`')
						and not exists (select from classification_history h
							where h.mapping_id = m.id and (h.after->>'version')::bigint = m.version)
						then 'the history has no entry of its version'
					when m.reviewed_by = (`+lastEditor+`) then 'its reviewer was the last to edit it'
					when m.source_fields is not null
						and (coalesce(m.mapping_type, 'direct') = 'direct' or m.transformation_rule is null)
						then 'it has several columns, and no rule that describes them' end as problem
				from pde_mappings m where ?0 and m.id > ?1 order by m.id limit ?2
			) m`, c.scope.within("m.cycle_id = ?0 and m.report_id = ?1"), last, checkPage).
			Scan(ctx, &rows, &last, &wrong)
		if err != nil {
			return fmt.Errorf("check %s: %w", CheckKindDecision, err)
		}
		for _, row := range wrong {
			c.found(CheckKindDecision, "pde_mappings", row[0], row[1])
		}
		if done += rows; rows < checkPage {
			break
		}
	}
	return c.checkUnpublished(ctx)
}

// checkUnpublished reports changes of mappings whose mapping.changed has not been published for a minute: because the
// change is damaged, so that no event can be made of it, or because no dispatcher works.
func (c *checker) checkUnpublished(ctx context.Context) error {
	var rows []History
	err := c.db.NewRaw(`select h.* from classification_history h join pde_mappings m on m.id = h.mapping_id
		where not h.published and greatest(h.changed_at, (select max(finished_at) from planning_changes
				where changed_at = h.changed_at and changed_by = h.changed_by)) < now() - ? * interval '1 second' and ?
		order by h.id limit ?`, unpublishedAge, c.scope.within("m.cycle_id = ?0 and m.report_id = ?1"), MaxProblems).
		Scan(ctx, &rows)
	if err != nil {
		return fmt.Errorf("check %s: %w", CheckKindDecision, err)
	}
	for _, row := range rows {
		problem := "mapping.changed is not published, which is the work of the dispatcher"
		if _, after, err := row.Images(); err != nil || after.Version < 1 {
			problem = "mapping.changed cannot be published, because the image before or after the change is damaged"
		}
		c.found(CheckKindDecision, "classification_history", row.ID, problem)
	}
	return nil
}

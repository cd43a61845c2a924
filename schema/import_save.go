package schema

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// saveChanges writes mappings, each guarded by its version, and the history of each one written.
const saveChanges = `with changed as (
	update pde_mappings m set
		data_source_id = nullif(c.data_source_id, ''), pde_name = nullif(c.pde_name, ''), pde_code = nullif(c.pde_code, ''),
		pde_description = nullif(c.pde_description, ''), source_field = nullif(c.source_field, ''),
		mapping_type = nullif(c.mapping_type, ''), transformation_rule = nullif(c.transformation_rule, ''),
		business_process = nullif(c.business_process, ''), business_owner = nullif(c.business_owner, ''),
		data_steward = nullif(c.data_steward, ''), mapping_confirmed_by_user = c.confirmed,
		confidence_score = c.confidence_score, mapping_rationale = nullif(c.mapping_rationale, ''),
		alternative_mappings = nullif(c.alternatives, 'null')::jsonb,
		suggested_source_field = nullif(c.suggested_source_field, ''),
		review_status = c.review_status,
		reviewed_by = case when c.review_status <> 'pending' then m.reviewed_by end,
		reviewed_at = case when c.review_status <> 'pending' then m.reviewed_at end,
		version = m.version + 1, updated_at = $1, updated_by = $2
	from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
		$13::text[], $14::text[], $15::boolean[], $16::smallint[], $17::text[], $18::text[], $19::text[], $20::bigint[], $21::text[], $22::text[], $24::text[])
		as c (id, history_id, data_source_id, pde_name, pde_code, pde_description, source_field, mapping_type, transformation_rule,
			business_process, business_owner, data_steward, confirmed, confidence_score, mapping_rationale, alternatives,
			suggested_source_field, version, before, after, review_status)
	where m.id = c.id and m.version = c.version
	returning m.id, c.history_id, c.before, c.after
)
insert into classification_history
	(id, mapping_id, changed_at, changed_by, before, after, comment, created_at, created_by, updated_at, updated_by)
select history_id, id, $1::timestamptz, $2::text, before::jsonb, after::jsonb, $23::text, $1, $2, $1, $2 from changed
returning mapping_id`

// save writes the changes with this comment in their history. After an error the caller rolls the transaction back.
func (im *importer) save(ctx context.Context, changes []change, comment string) error {
	historyIDs, err := newIDs(len(changes))
	if err != nil {
		return err
	}
	before, after, alternatives := make([]string, len(changes)), make([]string, len(changes)), make([]string, len(changes))
	for i, c := range changes {
		if before[i], err = imageText(c.before); err != nil {
			return err
		}
		if after[i], err = imageText(c.after); err != nil {
			return err
		}
		list, err := json.Marshal(c.after.AlternativeMappings)
		if err != nil {
			return fmt.Errorf("alternatives of mapping %s: %w", c.after.ID, err)
		}
		alternatives[i] = string(list)
	}
	text := func(of func(Mapping) string) []string {
		return each(changes, func(c change) string { return of(c.after) })
	}
	written, err := im.queryIDs(ctx, saveChanges, pgx.QueryExecModeCacheStatement, im.now, im.author,
		text(func(a Mapping) string { return a.ID }), historyIDs,
		text(func(a Mapping) string { return a.DataSourceID }),
		text(func(a Mapping) string { return a.PDEName }),
		text(func(a Mapping) string { return a.PDECode }),
		text(func(a Mapping) string { return a.PDEDescription }),
		text(func(a Mapping) string { return a.SourceField }),
		text(func(a Mapping) string { return string(a.MappingType) }),
		text(func(a Mapping) string { return a.TransformationRule }),
		text(func(a Mapping) string { return a.BusinessProcess }),
		text(func(a Mapping) string { return a.BusinessOwner }),
		text(func(a Mapping) string { return a.DataSteward }),
		each(changes, func(c change) bool { return c.after.MappingConfirmedByUser }),
		each(changes, func(c change) *int { return c.after.ConfidenceScore }),
		text(func(a Mapping) string { return a.MappingRationale }),
		alternatives,
		text(func(a Mapping) string { return a.SuggestedSourceField }),
		each(changes, func(c change) int64 { return c.before.Version }),
		before, after, comment,
		text(func(a Mapping) string { return string(a.ReviewStatus) }))
	if err != nil {
		return fmt.Errorf("import mappings: %w", err)
	}
	if len(written) != len(changes) {
		return fmt.Errorf("import mappings: %d of %d were written", len(written), len(changes))
	}
	return nil
}

func imageText(m Mapping) (string, error) {
	image, err := json.Marshal(m.Image())
	if err != nil {
		return "", fmt.Errorf("image of mapping %s: %w", m.ID, err)
	}
	return string(image), nil
}

package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// LockMappings locks those of the mappings that the report has, and the report against imports and removals. It returns
// the mappings by id, [ErrNotFound] if there is no such report, and an error of [IsLockTimeout].
func LockMappings(
	ctx context.Context, tx bun.Tx, cycleID, reportID string, ids []string,
) (map[string]Mapping, error) {
	if _, err := LockReport(ctx, tx, cycleID, reportID); err != nil {
		return nil, err
	}
	rows, err := lockMappings(ctx, tx, cycleID, reportID, ids)
	if err != nil {
		return nil, err
	}
	mappings := make(map[string]Mapping, len(rows))
	for _, m := range rows {
		mappings[m.ID] = m
	}
	return mappings, nil
}

// ListMappingsAt returns the mappings as they were at earlier versions, by id. It omits those whose history does not
// have the version.
func ListMappingsAt(ctx context.Context, db bun.IDB, versions []MappingVersion) (map[string]Mapping, error) {
	var rows []History
	err := db.NewRaw(`select h.* from unnest(?::text[], ?::bigint[]) v (id, version)
		join classification_history h on h.mapping_id = v.id and (h.before->>'version')::bigint = v.version`,
		pgdialect.Array(each(versions, func(v MappingVersion) string { return v.ID })),
		pgdialect.Array(each(versions, func(v MappingVersion) int64 { return v.Version }))).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("earlier versions of mappings: %w", err)
	}
	mappings := make(map[string]Mapping, len(rows))
	for _, row := range rows {
		image, err := DecodeImage(row.Before)
		if err != nil {
			return nil, err
		}
		mappings[row.MappingID] = image.restore(Mapping{ID: row.MappingID})
	}
	return mappings, nil
}

// FindReportOf returns the cycle and the report of the first of the mappings that exists, or [ErrNotFound].
func FindReportOf(ctx context.Context, db bun.IDB, ids []string) (cycleID, reportID string, err error) {
	err = db.NewRaw(`select cycle_id, report_id from pde_mappings where id = any(?) order by id limit 1`,
		pgdialect.Array(ids)).Scan(ctx, &cycleID, &reportID)
	if err != nil {
		return "", "", notFound(err, "report of mappings")
	}
	return cycleID, reportID, nil
}

// ListOwnEdits returns those of the mappings of which the author was the last editor and that the author cannot review.
func ListOwnEdits(ctx context.Context, tx bun.Tx, author string, ids []string) ([]string, error) {
	return listOwnEdits(ctx, tx, author, ids)
}

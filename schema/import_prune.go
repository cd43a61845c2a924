package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Prune is the action of an import on attributes and columns that its data does not contain.
type Prune int

const (
	// PruneNothing lists them, and marks the columns as missing.
	PruneNothing Prune = iota
	// PruneUnconfirmed removes them, unless a person has confirmed any of them.
	PruneUnconfirmed
	// PruneConfirmed removes them all.
	PruneConfirmed
)

// Missing has the attributes and columns of a report that the data of an import does not contain.
type Missing struct{ Attributes, Columns MissingRows }

// MissingRows has the missing rows of one kind.
type MissingRows struct {
	FirstRows[MissingRow]
	// Confirmed is the number of those with a confirmed or approved mapping.
	Confirmed int64
}

// MissingRow is an attribute or a column that the data of an import does not contain.
type MissingRow struct {
	ID string
	// DataSourceID is the data source of a column; it is empty for an attribute.
	DataSourceID string
	// Name is the name of the attribute, or the source field of the column.
	Name      string
	Confirmed bool
}

func (g *MissingRows) add(row MissingRow) {
	g.FirstRows.add(row)
	if row.Confirmed {
		g.Confirmed++
	}
}

// ConfirmedError reports that a removal was refused because it includes mappings that a person has confirmed
// or approved.
type ConfirmedError struct {
	// Count is the number of rows to remove that are confirmed or approved; for a data source, of the mappings to it.
	Count int64
}

// Error implements error.
func (e *ConfirmedError) Error() string {
	return fmt.Sprintf("%d of the rows to remove are confirmed or approved", e.Count)
}

// kept has the identities of the attributes that an import contains.
type kept struct{ attributeIdentities []string }

func (k *kept) attributes(page []Attribute) {
	if k == nil {
		return
	}
	for _, a := range page {
		k.attributeIdentities = append(k.attributeIdentities,
			AttributeIdentity(a.LineItemNumber, a.MDRM, a.AttributeName))
	}
}

// prune lists the attributes and columns that the import does not contain, and removes them if prune demands
// it.
func (im *importer) prune(ctx context.Context, prune Prune) error {
	if im.kept == nil {
		return nil
	}
	attributes, err := im.goneAttributes(ctx)
	if err != nil {
		return err
	}
	compared := slices.SortedFunc(maps.Values(im.compared), func(a, b *comparison) int {
		return strings.Compare(a.Source.Name, b.Source.Name)
	})
	columns, err := im.goneColumns(ctx, compared)
	if err != nil {
		return err
	}
	gone := im.done.Missing
	if confirmed := gone.Attributes.Confirmed + gone.Columns.Confirmed; prune == PruneUnconfirmed && confirmed > 0 {
		return &ConfirmedError{Count: confirmed}
	}
	remove := prune != PruneNothing
	if remove {
		err = im.removeAttributes(ctx, attributes)
	} else {
		columns, err = im.markMissing(ctx, columns)
	}
	if err != nil {
		return err
	}
	if err := im.dropColumns(ctx, columns, compared, remove); err != nil {
		return err
	}
	for _, c := range compared {
		im.done.Changes = append(im.done.Changes, c.SourceChanges)
	}
	return nil
}

// goneAttributes lists the attributes that the import does not contain, and returns their ids.
func (im *importer) goneAttributes(ctx context.Context) ([]string, error) {
	if len(im.kept.attributeIdentities) == 0 {
		return nil, nil
	}
	rows, err := im.tx.Tx.QueryContext(ctx, `select a.id, a.attribute_name, `+confirmedMapping+`
		from attributes a join pde_mappings m on m.attribute_id = a.id
		where a.cycle_id = $1 and a.report_id = $2
			and not exists (select from unnest($3::text[]) as kept (identity) where kept.identity = a.identity)
		order by a.id`,
		pgx.QueryExecModeCacheStatement, im.report.CycleID, im.report.ReportID, im.kept.attributeIdentities)
	if err != nil {
		return nil, fmt.Errorf("missing attributes: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var row MissingRow
		if err := rows.Scan(&row.ID, &row.Name, &row.Confirmed); err != nil {
			return nil, fmt.Errorf("missing attributes: %w", err)
		}
		ids = append(ids, row.ID)
		im.done.Missing.Attributes.add(row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("missing attributes: %w", err)
	}
	return ids, nil
}

// markMissing records that the data sources no longer have the columns. It returns those that were not missing before.
func (im *importer) markMissing(ctx context.Context, columns []SourceColumn) ([]SourceColumn, error) {
	columns = slices.DeleteFunc(columns, func(c SourceColumn) bool { return !c.MissingSince.IsZero() })
	if len(columns) == 0 {
		return nil, nil
	}
	_, err := im.tx.Tx.ExecContext(ctx, `update source_columns
		set missing_since = $1, updated_at = $1, updated_by = $2 where id = any($3)`,
		pgx.QueryExecModeCacheStatement, im.now, im.author,
		each(columns, func(c SourceColumn) string { return c.ID }))
	if err != nil {
		return nil, fmt.Errorf("missing columns: %w", err)
	}
	im.newlyMissing = int64(len(columns))
	return columns, nil
}

// goneColumns ends the comparisons. It lists and returns the columns that the import does not contain, of the data
// sources that it names.
func (im *importer) goneColumns(ctx context.Context, compared []*comparison) (columns []SourceColumn, err error) {
	for _, c := range compared {
		columns = append(columns, c.end()...)
	}
	if len(columns) == 0 {
		return nil, nil
	}
	slices.SortFunc(columns, func(a, b SourceColumn) int { return strings.Compare(a.ID, b.ID) })
	confirmed, err := im.confirmedColumns(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range columns {
		im.done.Missing.Columns.add(MissingRow{
			ID: c.ID, DataSourceID: c.DataSourceID, Name: c.SourceField(),
			Confirmed: confirmed.have(c),
		})
	}
	return columns, nil
}

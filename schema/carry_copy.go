package schema

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copyPlanning copies the attributes of the earlier cycle with an empty mapping for each, and the data sources with
// their columns, unless the report has its own.
func (c *carrier) copyPlanning(ctx context.Context) error {
	if c.copiesColumns {
		if err := c.copySources(ctx); err != nil {
			return err
		}
	}
	if c.copiesAttributes {
		return c.copyAttributes(ctx)
	}
	return nil
}

// copySources copies the data sources that the report does not have, and the columns of all.
func (c *carrier) copySources(ctx context.Context) error {
	sources, err := c.listSources(ctx, c.FromCycleID)
	if err != nil {
		return err
	}
	own, err := c.listSources(ctx, c.CycleID)
	if err != nil {
		return err
	}
	ids := map[string]string{}
	for _, source := range own {
		ids[source.Name] = source.ID
	}
	for _, source := range sources {
		id, exists := ids[source.Name]
		if !exists {
			copies, err := c.copyRows(ctx, reflect.TypeFor[DataSource](), []string{source.ID}, c.CycleID)
			if err != nil {
				return err
			}
			id = copies[0]
			c.write.done.DataSources.Added++
		}
		if err := c.copyColumns(ctx, source.ID, id); err != nil {
			return err
		}
	}
	return nil
}

// listSources returns the report's data sources in the cycle, in the order in which they were added.
func (c *carrier) listSources(ctx context.Context, cycleID string) (sources []DataSource, err error) {
	list := func(after string, limit int) ([]DataSource, error) {
		return ListDataSources(ctx, c.db, cycleID, c.ReportID, after, limit)
	}
	for page, err := range Pages(carryPage, list, func(source DataSource) string { return source.ID }) {
		if err != nil {
			return nil, err
		}
		sources = append(sources, page...)
	}
	return sources, nil
}

// copyColumns copies the columns of the data source from to the data source to.
func (c *carrier) copyColumns(ctx context.Context, from, to string) error {
	list := func(after string, limit int) (page []SourceColumn, err error) {
		err = c.db.NewSelect().Model(&page).Column("id", "identity").
			Where("data_source_id = ? and identity > ?", from, after).Order("identity").Limit(int64(limit)).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("columns of data source %s: %w", from, err)
		}
		return page, nil
	}
	for page, err := range Pages(carryPage, list, func(column SourceColumn) string { return column.Identity }) {
		if err != nil {
			return err
		}
		ids := each(page, func(column SourceColumn) string { return column.ID })
		if _, err := c.copyRows(ctx, reflect.TypeFor[SourceColumn](), ids, to); err != nil {
			return err
		}
		c.write.done.Columns.Added += int64(len(page))
	}
	return nil
}

// copyAttributes copies the attributes in their order, with an empty mapping for each.
func (c *carrier) copyAttributes(ctx context.Context) error {
	list := func(after string, limit int) ([]Attribute, error) {
		return ListAttributes(ctx, c.db, c.FromCycleID, c.ReportID, after, limit)
	}
	id := func(attribute Attribute) string { return attribute.ID }
	for page, err := range Pages(carryPage, list, id) {
		if err != nil {
			return err
		}
		added, err := c.copyRows(ctx, reflect.TypeFor[Attribute](), each(page, id), c.CycleID)
		if err != nil {
			return err
		}
		c.write.done.Attributes.Added += int64(len(added))
		if err := c.write.addMappings(ctx, added); err != nil {
			return err
		}
	}
	return nil
}

// copyRows copies rows of a table and returns the ids of the copies. The owner is the cycle of copied attributes and
// data sources, and the data source of copied columns. All other values are those of the original, whichever columns
// the table has.
func (c *carrier) copyRows(
	ctx context.Context, row reflect.Type, ids []string, owner string,
) (copies []string, err error) {
	if copies, err = newIDs(len(ids)); err != nil || len(ids) == 0 {
		return copies, err
	}
	replaced := map[string]string{
		"id": "copy.id", "cycle_id": "$5::text", "data_source_id": "$5::text",
		"column_count": "0", // triggers count the copied columns
		"created_at":   "$1::timestamptz", "created_by": "$2::text", "updated_at": "$1", "updated_by": "$2",
	}
	table := c.db.Dialect().Tables().Get(row)
	var names, values []string
	for _, field := range table.Fields {
		names = append(names, field.Name)
		values = append(values, cmp.Or(replaced[field.Name], "t."+field.Name))
	}
	//nolint:gosec // the names are those of fields of this package
	query := fmt.Sprintf(`insert into %s (%s) select %s from unnest($3::text[], $4::text[]) as copy (original, id)
		join %s t on t.id = copy.original`,
		table.Name, strings.Join(names, ", "), strings.Join(values, ", "), table.Name)
	_, err = c.write.tx.Tx.ExecContext(ctx, query, pgx.QueryExecModeCacheStatement, c.now, c.Author, ids, copies, owner)
	if err != nil {
		return nil, fmt.Errorf("copy into %s: %w", table.Name, err)
	}
	return copies, nil
}

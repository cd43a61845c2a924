package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// SourceChanges is the difference between two readings of a data source, or between two imports of its columns.
type SourceChanges struct {
	Source DataSource
	// Added and Dropped do not include renamed columns. A column that was missing before is added if it is there again.
	Added, Dropped, Renamed, Retyped ColumnChanges
	// Revised counts the mappings with a dropped or renamed column. They need revision. Unmapped counts those of them
	// that became unmapped, because the column was removed.
	Revised, Unmapped int64
}

// ColumnChanges are the columns that changed in one way.
type ColumnChanges = FirstRows[ColumnChange]

// ColumnChange is a column before and after. A column that was added has no Before, one that was dropped no After.
type ColumnChange struct{ Before, After SourceColumn }

// comparison compares the columns of a data source before and after.
type comparison struct {
	SourceChanges
	before []SourceColumn
	// old has the indexes of the columns before by their identity, and current the identities after.
	old     map[string]int
	current map[string]bool
	added   []SourceColumn
	// renamed has the new source fields of renamed columns, by the old ones.
	renamed map[string]string
}

// startComparisons reads the columns of the data sources before they change.
func (im *importer) startComparisons(ctx context.Context, sources []DataSource) ([]*comparison, error) {
	compared := make([]*comparison, len(sources))
	for i, source := range sources {
		c := &comparison{old: map[string]int{}, current: map[string]bool{}}
		c.Source = source
		err := im.tx.NewSelect().Model(&c.before).ExcludeColumn("created_at", "created_by", "updated_at", "updated_by").
			Where("data_source_id = ?", source.ID).
			Order("schema_name", "table_name", "position", "column_name").Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("columns of data source %s: %w", source.ID, err)
		}
		for j, column := range c.before {
			if column.MissingSince.IsZero() {
				c.old[column.Identity] = j
			}
		}
		compared[i] = c
	}
	return compared, nil
}

// add adds a column after the change. Typed is false if its type is unknown.
func (c *comparison) add(row ColumnRow, typed bool) {
	column := row.column()
	c.current[column.Identity] = true
	i, known := c.old[column.Identity]
	switch {
	case !known:
		c.added = append(c.added, column)
	case typed && c.before[i].DataType != column.DataType:
		c.Retyped.add(ColumnChange{Before: c.before[i], After: column})
	}
}

// end finds the columns that were added, dropped and renamed. It returns all columns that are no longer there, those
// that were missing before included.
func (c *comparison) end() (gone []SourceColumn) {
	gone = slices.DeleteFunc(slices.Clone(c.before), func(was SourceColumn) bool { return c.current[was.Identity] })
	newNames := renames(slices.DeleteFunc(slices.Clone(gone), func(was SourceColumn) bool {
		return !was.MissingSince.IsZero()
	}), c.added)
	c.renamed = map[string]string{}
	isNewName := map[string]bool{}
	for _, was := range gone {
		if to, ok := newNames[was.Identity]; ok {
			c.Renamed.add(ColumnChange{Before: was, After: to})
			c.renamed[was.SourceField()] = to.SourceField()
			isNewName[to.Identity] = true
		} else if was.MissingSince.IsZero() {
			c.Dropped.add(ColumnChange{Before: was})
		}
	}
	for _, column := range c.added {
		if !isNewName[column.Identity] {
			c.Added.add(ColumnChange{After: column})
		}
	}
	return gone
}

// renames pairs a column that is gone with an added one of the same table and type that has the same position, or
// the same description if the positions are unknown, as in files. The keys are the identities of the columns that are
// gone. A description that several of them have is no evidence.
func renames(gone, added []SourceColumn) map[string]SourceColumn {
	type place struct {
		schema, table, dataType string
		position                int32
		description             string
	}
	byPlace := func(columns []SourceColumn) map[place][]SourceColumn {
		at := map[place][]SourceColumn{}
		for _, c := range columns {
			p := place{schema: c.SchemaName, table: c.TableName, dataType: c.DataType, position: c.Position}
			if c.Position == 0 {
				p.description = c.Description
			}
			if p.position > 0 || p.description != "" {
				at[p] = append(at[p], c)
			}
		}
		return at
	}
	at := byPlace(added)
	names := map[string]SourceColumn{}
	for p, from := range byPlace(gone) {
		if to := at[p]; len(from) == 1 && len(to) == 1 {
			names[from[0].Identity] = to[0]
		}
	}
	return names
}

// column returns the column as a row without ids, times and authors.
func (c ColumnRow) column() SourceColumn {
	return SourceColumn{
		Identity:   ColumnIdentity(c.SchemaName, c.TableName, c.ColumnName),
		SchemaName: c.SchemaName, TableName: c.TableName, ColumnName: c.ColumnName,
		DataType: c.DataType, Description: c.Description, RelationKind: c.RelationKind, Position: c.Position,
		IsPrimaryKey: c.IsPrimaryKey, References: c.References,
	}
}

// dropColumns changes the mappings that refer to columns which the compared data sources no longer have. They need
// revision, with the reason; a new name is suggested. Those that only suggest such a column lose the suggestion. If
// remove is true, the columns are deleted, and mappings to them become unmapped. Otherwise the columns are missing:
// mappings keep them and their confirmation.
func (im *importer) dropColumns(
	ctx context.Context, columns []SourceColumn, compared []*comparison, remove bool,
) error {
	if len(columns) == 0 {
		return nil
	}
	if remove {
		if err := im.deleteColumns(ctx, columns); err != nil {
			return err
		}
	}
	gone, err := im.goneFields(ctx, columns, nil)
	if err != nil {
		return err
	}
	bySource, byField := map[string]*comparison{}, map[string]*comparison{}
	for _, c := range compared {
		bySource[c.Source.ID] = c
	}
	for _, column := range columns {
		byField[column.SourceField()] = bySource[column.DataSourceID]
	}
	return im.unmap(ctx, gone, HistoryActionRefreshed, func(m Mapping) change {
		c := change{before: m, after: gone.withoutSuggestions(m)}
		if remove {
			c.after = gone.from(m, im.now)
		}
		source, field := bySource[m.DataSourceID], m.SourceField
		isOwn := gone.columns[columnOf{m.DataSourceID, m.SourceField}]
		if !isOwn {
			others := m.others(m.SourceField)
			further := slices.IndexFunc(others, func(f string) bool { return gone.fields[f] })
			if further < 0 {
				c.comment = "a data source no longer has a column that was suggested"
				return c
			}
			source, field = byField[others[further]], others[further]
		}
		c.comment = fmt.Sprintf("data source %s no longer has the column %s", source.Source.Name, field)
		if to := source.renamed[field]; to != "" {
			c.comment += ", which was probably renamed to " + to
			if isOwn {
				c.after.SuggestedSourceField = to
			}
		}
		if isOwn && remove {
			c.after.MappingRationale = strings.ToUpper(c.comment[:1]) + c.comment[1:] + "."
			source.Unmapped++
		}
		source.Revised++
		c.after.ReviewStatus, c.after.CarriedFrom = ReviewStatusNeedsRevision, ""
		c.after.ReviewedBy, c.after.ReviewedAt = ColumnRemoval, im.now
		if c.after.SourceField == m.SourceField {
			im.revised++
		}
		return c
	})
}

// compare compares the page of columns with those that their data sources had before. It has to be called before the
// page is written.
func (im *importer) compare(page []ColumnRow, fields []string) {
	typed := fields == nil || slices.Contains(fields, "data_type")
	for _, row := range page {
		if c := im.compared[row.DataSource]; c != nil {
			c.add(row, typed)
		}
	}
}

// newComparisons starts to compare the data sources that existed before the import.
func (im *importer) newComparisons(ctx context.Context, sources []DataSource) error {
	if im.kept == nil { // a new report, or a refresh, which compares by itself
		return nil
	}
	known := slices.DeleteFunc(slices.Clone(sources), func(s DataSource) bool { return s.ColumnCount == 0 })
	compared, err := im.startComparisons(ctx, known)
	for _, c := range compared {
		im.compared[c.Source.Name] = c
	}
	return err
}

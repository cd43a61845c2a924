package schema

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// SourceCounts counts what a data source has. The keys are known only if its columns were read from a database.
type SourceCounts struct {
	Tables      int64 `bun:"tables"`
	Columns     int64 `bun:"columns"`
	PrimaryKeys int64 `bun:"primary_keys"`
	ForeignKeys int64 `bun:"foreign_keys"`
	// Missing counts the columns that the last import of the data source did not contain.
	Missing int64 `bun:"missing"`
}

// CountSource counts the tables, the columns, and the columns of keys of a data source.
func CountSource(ctx context.Context, db bun.IDB, sourceID string) (counts SourceCounts, err error) {
	err = db.NewRaw(`select count(distinct (schema_name, table_name)) as tables, count(*) as columns,
			count(*) filter (where is_primary_key) as primary_keys,
			count(*) filter (where references_field <> '') as foreign_keys,
			count(*) filter (where missing_since is not null) as missing
		from source_columns where data_source_id = ?`, sourceID).Scan(ctx, &counts)
	if err != nil {
		return counts, fmt.Errorf("counts of data source %s: %w", sourceID, err)
	}
	return counts, nil
}

// SourceTable is a relation of a data source.
type SourceTable struct {
	SchemaName string       `bun:"schema_name"`
	TableName  string       `bun:"table_name"`
	Kind       RelationKind `bun:"relation_kind"`
	// Columns are in the order of the table, or of their names if that is unknown.
	Columns []SourceColumn `bun:"-"`
}

// ListSourceTables returns at most limit tables of a data source after the one with these names, in the order of the
// names, with their columns.
func ListSourceTables(
	ctx context.Context, db bun.IDB, sourceID, afterSchema, afterTable string, limit int,
) ([]SourceTable, error) {
	var tables []SourceTable
	err := db.NewRaw(`select schema_name, table_name, max(relation_kind) as relation_kind from source_columns
		where data_source_id = ? and (schema_name collate "C", table_name collate "C") > (?, ?)
		group by schema_name, table_name order by schema_name collate "C", table_name collate "C" limit ?`,
		sourceID, afterSchema, afterTable, limit).Scan(ctx, &tables)
	if err != nil {
		return nil, fmt.Errorf("tables of data source %s: %w", sourceID, err)
	}
	if len(tables) == 0 {
		return nil, nil
	}
	last := tables[len(tables)-1]
	var columns []SourceColumn
	err = db.NewSelect().Model(&columns).Where("data_source_id = ?", sourceID).
		Where(`(schema_name collate "C", table_name collate "C") > (?, ?)`, afterSchema, afterTable).
		Where(`(schema_name collate "C", table_name collate "C") <= (?, ?)`, last.SchemaName, last.TableName).
		OrderExpr(`schema_name collate "C", table_name collate "C", position, column_name collate "C"`).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("columns of data source %s: %w", sourceID, err)
	}
	i := 0
	for _, c := range columns {
		for i < len(tables) && (tables[i].SchemaName != c.SchemaName || tables[i].TableName != c.TableName) {
			i++
		}
		if i == len(tables) {
			break // a table was added between the two statements
		}
		tables[i].Columns = append(tables[i].Columns, c)
	}
	return tables, nil
}

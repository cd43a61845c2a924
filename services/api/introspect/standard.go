package introspect

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// The queries of this file use the standard's INFORMATION_SCHEMA and nothing else, so that the tests can run them in
// PostgreSQL and MariaDB too. The names are in upper case for databases with a case-sensitive collation.
const (
	standardColumns = `SELECT c.TABLE_SCHEMA, c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.ORDINAL_POSITION,
	c.DATA_TYPE, c.CHARACTER_MAXIMUM_LENGTH, c.NUMERIC_PRECISION, c.NUMERIC_SCALE
FROM INFORMATION_SCHEMA.COLUMNS c
	JOIN INFORMATION_SCHEMA.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
WHERE c.TABLE_SCHEMA NOT IN ('sys', 'INFORMATION_SCHEMA')`
	standardPrimaryKeys = `SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME
FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS p
	JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE k ON k.TABLE_SCHEMA = p.TABLE_SCHEMA AND k.TABLE_NAME = p.TABLE_NAME
		AND k.CONSTRAINT_SCHEMA = p.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = p.CONSTRAINT_NAME
WHERE p.CONSTRAINT_TYPE = 'PRIMARY KEY'`
	// Only keys of one column: the standard's position within the referenced key is not in every product.
	standardForeignKeys = `SELECT f.TABLE_SCHEMA, f.TABLE_NAME, f.COLUMN_NAME,
	u.TABLE_SCHEMA, u.TABLE_NAME, u.COLUMN_NAME
FROM INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS r
	JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE f ON f.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA
		AND f.CONSTRAINT_NAME = r.CONSTRAINT_NAME
	JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE u ON u.CONSTRAINT_SCHEMA = r.UNIQUE_CONSTRAINT_SCHEMA
		AND u.CONSTRAINT_NAME = r.UNIQUE_CONSTRAINT_NAME
WHERE NOT EXISTS (SELECT 1 FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE m
	WHERE m.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND m.CONSTRAINT_NAME = r.CONSTRAINT_NAME
		AND m.ORDINAL_POSITION > 1)
ORDER BY r.CONSTRAINT_SCHEMA, r.CONSTRAINT_NAME`
)

// fieldName identifies a column of a database.
type fieldName struct{ schema, table, column string }

// addStandard adds the columns of a database that has INFORMATION_SCHEMA. There are no comments in it.
func (r *Reading) addStandard(ctx context.Context, conn *sql.Conn) error {
	keys, err := standardRows(ctx, conn, standardPrimaryKeys, 3)
	if err != nil {
		return err
	}
	isKey := map[fieldName]bool{}
	for _, key := range keys {
		isKey[fieldName{key[0], key[1], key[2]}] = true
	}
	if keys, err = standardRows(ctx, conn, standardForeignKeys, 6); err != nil {
		return err
	}
	references := map[fieldName]string{}
	for _, key := range keys {
		from := fieldName{key[0], key[1], key[2]}
		if references[from] == "" { // the first key of a column counts
			references[from] = reference(key[3], key[4], key[5])
		}
	}
	return r.addStandardColumns(ctx, conn, isKey, references)
}

// standardRows returns the rows of a query with so many texts. There are at most [MaxColumns].
func standardRows(ctx context.Context, conn *sql.Conn, query string, width int) (found [][]string, err error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // read to the end, or the error is returned
	for rows.Next() {
		if len(found) == MaxColumns {
			return nil, &Error{Reason: ReasonTooLarge, Message: fmt.Sprintf("There are more than %d keys.", MaxColumns)}
		}
		row, into := make([]string, width), make([]any, width)
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

func (r *Reading) addStandardColumns(
	ctx context.Context, conn *sql.Conn, isKey map[fieldName]bool, references map[fieldName]string,
) error {
	rows, err := conn.QueryContext(ctx, standardColumns)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // read to the end, or the error is returned
	for rows.Next() {
		var (
			row                      schema.ColumnRow
			kind                     string
			length, precision, scale sql.NullInt64
		)
		if err := rows.Scan(&row.SchemaName, &row.TableName, &kind, &row.ColumnName, &row.Position, &row.DataType,
			&length, &precision, &scale); err != nil {
			return err
		}
		row.DataType = standardType(row.DataType, length, precision, scale)
		row.RelationKind = schema.RelationTable
		if strings.HasSuffix(kind, "VIEW") {
			row.RelationKind = schema.RelationView
		}
		name := fieldName{row.SchemaName, row.TableName, row.ColumnName}
		row.IsPrimaryKey, row.References = isKey[name], references[name]
		if err := r.add(row); err != nil {
			return err
		}
	}
	slices.SortStableFunc(r.Columns, func(a, b schema.ColumnRow) int {
		return cmp.Or(cmp.Compare(a.SchemaName, b.SchemaName), cmp.Compare(a.TableName, b.TableName),
			cmp.Compare(a.Position, b.Position))
	})
	return rows.Err()
}

// standardType returns a type with its length, or with its precision and scale. The length -1 is SQL Server's max.
func standardType(name string, length, precision, scale sql.NullInt64) string {
	lower := strings.ToLower(name)
	switch {
	case !length.Valid && precision.Valid && (lower == "decimal" || lower == "numeric"):
		return fmt.Sprintf("%s(%d,%d)", name, precision.Int64, scale.Int64)
	case !length.Valid, !strings.Contains(lower, "char") && !strings.HasSuffix(lower, "binary"):
		return name
	case length.Int64 < 0:
		return name + "(max)"
	}
	return fmt.Sprintf("%s(%d)", name, length.Int64)
}

package schema

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// field is one column of the rows to write, with a value for each row.
type field struct {
	name, array string
	values      any
}

func textField[R any](page []R, name string, of func(R) string) field {
	return field{name, "text[]", each(page, of)}
}

func flagField[R any](page []R, name string, of func(R) bool) field {
	return field{name, "boolean[]", each(page, of)}
}

func (im *importer) cycle(n int) field {
	return field{"cycle_id", "text[]", slices.Repeat([]string{im.report.CycleID}, n)}
}

func (im *importer) reportID(n int) field {
	return field{"report_id", "text[]", slices.Repeat([]string{im.report.ReportID}, n)}
}

// upsert writes one row per id. The first key fields identify a row. If the row exists, the other fields that
// fresh names are updated if they differ; nil means all. It adds to the tally and returns the ids of the
// inserted rows in their order.
func (im *importer) upsert(
	ctx context.Context, table string, ids []string, key int, fresh []string, tally *Tally, fields []field,
) (added []string, err error) {
	args := []any{pgx.QueryExecModeCacheStatement, im.now, im.author, ids}
	var names, arrays, olds, news, sets []string
	for i, f := range fields {
		args = append(args, f.values)
		names = append(names, f.name)
		arrays = append(arrays, fmt.Sprintf("$%d::%s", i+4, f.array))
		if i >= key && (fresh == nil || slices.Contains(fresh, f.name)) {
			olds, news = append(olds, "t."+f.name), append(news, "excluded."+f.name)
			sets = append(sets, f.name+" = excluded."+f.name)
		}
	}
	columns := strings.Join(names, ", ")
	conflict := "do nothing"
	if len(sets) > 0 {
		conflict = fmt.Sprintf(`do update set %s, updated_at = excluded.updated_at, updated_by = excluded.updated_by
			where (%s) is distinct from (%s)`,
			strings.Join(sets, ", "), strings.Join(olds, ", "), strings.Join(news, ", "))
	}
	query := fmt.Sprintf(`insert into %s as t (id, %s, created_at, created_by, updated_at, updated_by)
		select page.*, $1::timestamptz, $2::text, $1, $2 from unnest($3::text[], %s) as page
		on conflict (%s) %s returning id`,
		table, columns, strings.Join(arrays, ", "), strings.Join(names[:key], ", "), conflict)
	written, err := im.queryIDs(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("import into %s: %w", table, err)
	}
	for _, id := range ids {
		if written[id] {
			added = append(added, id)
		}
	}
	tally.Added += int64(len(added))
	tally.Updated += int64(len(written) - len(added))
	tally.Unchanged += int64(len(ids) - len(written))
	return added, nil
}

// queryIDs runs a statement that the driver prepares once per connection, and returns the ids that the
// statement returns.
func (im *importer) queryIDs(ctx context.Context, query string, args ...any) (map[string]bool, error) {
	rows, err := im.tx.Tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ids := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids[id] = true
	}
	return ids, rows.Err()
}

// newIDs returns n new ids that sort in the order of their creation.
func newIDs(n int) ([]string, error) {
	ids := make([]string, n)
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("new id: %w", err)
		}
		ids[i] = id.String()
	}
	return ids, nil
}

// each returns of(row) for each row.
func each[R, V any](page []R, of func(R) V) []V {
	values := make([]V, len(page))
	for i, row := range page {
		values[i] = of(row)
	}
	return values
}

// pages yields the rows in pages, each of which is valid until the next. It yields nothing if rows is nil.
func pages[R any](rows iter.Seq[R]) iter.Seq[[]R] {
	return func(yield func([]R) bool) {
		if rows == nil {
			return
		}
		page := make([]R, 0, importPage)
		for row := range rows {
			if page = append(page, row); len(page) == importPage {
				if !yield(page) {
					return
				}
				page = page[:0]
			}
		}
		if len(page) > 0 {
			yield(page)
		}
	}
}

package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// saveChanges writes mappings, each only if it has the given version, and a history row for each mapping
// written. The parameters are the time, the author and the comment; arrays of ids, versions, ids of history
// rows, and images before and after; and an array for each column.
var saveChanges = saveChangesSQL()

func saveChangesSQL() string {
	var sets, names, arrays []string
	for i, c := range mappingColumns {
		array := c.sqlType
		if array == "jsonb" {
			array = "text" // the driver has no arrays of JSON
		}
		sets = append(sets, fmt.Sprintf("%s = c.%s::%s", c.name, c.name, c.sqlType))
		names = append(names, c.name)
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+9, array))
	}
	return `with changed as (
	update pde_mappings m set ` + strings.Join(sets, ", ") + `,
		version = m.version + 1, updated_at = $1, updated_by = $2
	from unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], ` + strings.Join(arrays, ", ") + `)
		as c (id, version, history_id, before, after, ` + strings.Join(names, ", ") + `)
	where m.id = c.id and m.version = c.version
	returning m.id, c.history_id, c.before, c.after
)
insert into classification_history
	(id, mapping_id, changed_at, changed_by, before, after, comment, created_at, created_by, updated_at, updated_by)
select history_id, id, $1::timestamptz, $2::text, before::jsonb, after::jsonb, $3::text, $1, $2, $1, $2 from changed
returning mapping_id`
}

// save writes the changes with this comment in their history. After an error the caller rolls the transaction
// back.
func (im *importer) save(ctx context.Context, changes []change, comment string) error {
	historyIDs, err := newIDs(len(changes))
	if err != nil {
		return err
	}
	before, after := make([]string, len(changes)), make([]string, len(changes))
	for i, c := range changes {
		if before[i], err = imageText(c.before); err != nil {
			return err
		}
		if after[i], err = imageText(c.after); err != nil {
			return err
		}
	}
	args := []any{
		pgx.QueryExecModeCacheStatement, im.now, im.author, comment,
		each(changes, func(c change) string { return c.after.ID }),
		each(changes, func(c change) int64 { return c.before.Version }),
		historyIDs, before, after,
	}
	for i := range mappingColumns {
		values, err := mappingColumns[i].array(changes)
		if err != nil {
			return err
		}
		args = append(args, values)
	}
	written, err := im.queryIDs(ctx, saveChanges, args...)
	if err != nil {
		return fmt.Errorf("import mappings: %w", err)
	}
	if len(written) != len(changes) {
		return fmt.Errorf("import mappings: %d of %d written", len(written), len(changes))
	}
	return nil
}

// array returns the column's values after the changes, as a slice of pointers. A nil pointer is null.
func (c *mappingColumn) array(changes []change) (any, error) {
	switch c.sqlType {
	case "bigint":
		return arrayOf[int64](c, changes)
	case "boolean":
		return arrayOf[bool](c, changes)
	case "timestamptz":
		return arrayOf[time.Time](c, changes)
	default:
		return arrayOf[string](c, changes)
	}
}

func arrayOf[T any](c *mappingColumn, changes []change) ([]*T, error) {
	values := make([]*T, len(changes))
	for i := range changes {
		value, err := c.value(&changes[i].after)
		if err != nil {
			return nil, err
		}
		if v, ok := value.(T); ok {
			values[i] = &v
		}
	}
	return values, nil
}

// imageText returns the image of a mapping as JSON.
func imageText(m Mapping) (string, error) {
	image, err := json.Marshal(m.Image())
	if err != nil {
		return "", fmt.Errorf("image of mapping %s: %w: %w", m.ID, ErrMalformed, err)
	}
	return string(image), nil
}

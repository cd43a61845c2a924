package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
)

// change is a mapping before and after a decision, an import, a removal or a carry-over.
type change struct {
	before, after Mapping
	comment       string
	// undoes is the id of the row of the history that the change undoes; empty if it undoes none.
	undoes string
	// editedBy is the last editor of a mapping that is carried over, in the earlier cycle.
	editedBy string
}

// changeBatch is what the changes of one call of [saveChanges] have in common.
type changeBatch struct {
	at     time.Time
	author string
	action HistoryAction
}

// writeChanges writes mappings, each only if it has the given version, and a history row for each mapping
// written. The parameters are the time, the author, the action and whether the changes need no event; arrays of
// ids, versions, ids of history rows, images before and after, comments, undone changes, and editors; and an array
// for each column.
var writeChanges = writeChangesSQL()

// writeChangesParameters is the number of parameters of writeChanges before the arrays of the columns.
const writeChangesParameters = 12

func writeChangesSQL() string {
	var sets, names, arrays []string
	for i, c := range mappingColumns {
		array := c.sqlType
		if array == "jsonb" {
			array = "text" // the driver has no arrays of JSON
		}
		sets = append(sets, fmt.Sprintf("%s = c.%s::%s", c.name, c.name, c.sqlType))
		names = append(names, c.name)
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+writeChangesParameters+1, array))
	}
	return `with changed as (
	update pde_mappings m set ` + strings.Join(sets, ", ") + `,
		version = m.version + 1, updated_at = $1, updated_by = $2
	from unnest($5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
			` + strings.Join(arrays, ", ") + `)
		as c (id, version, history_id, before, after, history_comment, undoes, edited_by,
			` + strings.Join(names, ", ") + `)
	where m.id = c.id and m.version = c.version
	returning m.id, c.history_id, c.before, c.after, c.history_comment, c.undoes, c.edited_by
)
insert into classification_history
	(id, mapping_id, action, changed_at, changed_by, before, after, comment, undoes, edited_by, published,
		created_at, created_by, updated_at, updated_by)
select history_id, id, $3::text, $1::timestamptz, $2::text, before::json, after::json, nullif(history_comment, ''),
	nullif(undoes, ''), nullif(edited_by, ''), $4::boolean, $1, $2, $1, $2
from changed`
}

// ErrVersion means that a mapping no longer has the version that was read.
var ErrVersion = errors.New("a mapping has changed since it was read")

// saveChanges writes the mappings after the changes, and a history row for each. It sets the versions. It
// returns ErrVersion if a mapping no longer has the version before its change. After an error the caller rolls
// the transaction back.
func saveChanges(ctx context.Context, tx bun.Tx, batch changeBatch, changes []change) error {
	historyIDs, err := newIDs(len(changes))
	if err != nil {
		return err
	}
	before, after := make([]string, len(changes)), make([]string, len(changes))
	for i := range changes {
		c := &changes[i]
		c.after.Version = c.before.Version + 1
		if batch.action != HistoryActionReviewed && batch.action != HistoryActionAutoApproved {
			c.after.InputHash = "" // the mapping is no longer the result of a job
		}
		if before[i], err = imageText(c.before); err != nil {
			return err
		}
		if after[i], err = imageText(c.after); err != nil {
			return err
		}
	}
	args := []any{
		pgx.QueryExecModeCacheStatement, batch.at, batch.author, string(batch.action), !batch.action.isPublished(),
		each(changes, func(c change) string { return c.after.ID }),
		each(changes, func(c change) int64 { return c.before.Version }),
		historyIDs, before, after,
		each(changes, func(c change) string { return c.comment }),
		each(changes, func(c change) string { return c.undoes }),
		each(changes, func(c change) string { return c.editedBy }),
	}
	for i := range mappingColumns {
		values, err := mappingColumns[i].array(changes)
		if err != nil {
			return err
		}
		args = append(args, values)
	}
	written, err := tx.Tx.ExecContext(ctx, writeChanges, args...)
	if err != nil {
		return fmt.Errorf("save mappings: %w", err)
	}
	if n, err := written.RowsAffected(); err != nil || n != int64(len(changes)) {
		return fmt.Errorf("save mappings: %d of %d written: %w", n, len(changes), cmp.Or(err, ErrVersion))
	}
	return nil
}

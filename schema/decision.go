package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/uptrace/bun"
)

// Decision is one change of a mapping by a person.
type Decision struct {
	CycleID, ReportID, MappingID string
	// Version is the version of the mapping that the person has seen. 0 accepts every version.
	Version int64
	Author  string
	Comment string
}

// Decided is a mapping before and after a decision. Both are equal if the decision changed nothing.
type Decided struct{ Before, After Mapping }

// Changed reports whether the decision changed the mapping.
func (d Decided) Changed() bool { return d.Before.Version != d.After.Version }

// VersionError is returned if the mapping no longer has the version on which a decision is based.
type VersionError struct{ Current int64 }

// Error implements error.
func (e *VersionError) Error() string { return fmt.Sprintf("the mapping has version %d", e.Current) }

// ErrNoSuggestion is returned if a mapping has no suggestions to accept.
var ErrNoSuggestion = errors.New("the mapping has no suggestions")

// apply locks the mapping, applies decide to it, and saves the result with a row in the history. It returns
// [ErrNotFound] if the report has no such mapping, a [VersionError], an error of [IsLockTimeout], and the errors
// of decide. After an error the caller rolls the transaction back.
func (d Decision) apply(
	ctx context.Context, tx bun.Tx, action HistoryAction, decide func(m Mapping, now time.Time) (Mapping, error),
) (Decided, error) {
	return d.applyChange(ctx, tx, action, func(m Mapping, now time.Time) (change, error) {
		after, err := decide(m, now)
		return change{before: m, after: after, comment: d.Comment}, err
	})
}

func (d Decision) applyChange(
	ctx context.Context, tx bun.Tx, action HistoryAction, decide func(m Mapping, now time.Time) (change, error),
) (Decided, error) {
	before, now, err := d.lock(ctx, tx)
	if err != nil {
		return Decided{}, err
	}
	c, err := decide(before, now)
	if err != nil || reflect.DeepEqual(before.Image(), c.after.Image()) {
		return Decided{Before: before, After: before}, err
	}
	batch := changeBatch{at: now, author: d.Author, action: action}
	if err := saveChanges(ctx, tx, batch, []change{c}); err != nil {
		return Decided{}, err
	}
	c.after.Version, c.after.UpdatedAt, c.after.UpdatedBy = before.Version+1, now, d.Author
	return Decided{Before: before, After: c.after}, nil
}

// lock locks the mapping, and its report against imports and removals, and reads the clock.
func (d Decision) lock(ctx context.Context, tx bun.Tx) (m Mapping, now time.Time, err error) {
	if _, err := LockReport(ctx, tx, d.CycleID, d.ReportID); err != nil {
		return m, now, err
	}
	err = withLockTimeout(ctx, tx, func() error {
		err := tx.NewSelect().Model(&m).
			Where("id = ? and cycle_id = ? and report_id = ?", d.MappingID, d.CycleID, d.ReportID).
			For("no key update").Scan(ctx)
		if err != nil {
			return notFound(err, "mapping "+d.MappingID)
		}
		return nil
	})
	if err != nil {
		return m, now, err
	}
	if d.Version != 0 && d.Version != m.Version {
		return m, now, &VersionError{Current: m.Version}
	}
	now, err = Now(ctx, tx)
	return m, now, err
}

// ErrNothingToUndo is returned if the last change of a mapping is not an edit or a decision of the person, or is
// itself undone.
var ErrNothingToUndo = errors.New("the last change of the mapping is not a decision of this person")

// Undo restores the mapping from before the last change, which must be an edit or a review by the author of the
// decision. The history keeps both. Allowed returns an error if the person may not undo such an action. Undo
// returns that error, [ErrNothingToUndo], [EditErrors] if the restored column does not exist any more, and the
// errors of [EditMapping].
func Undo(ctx context.Context, tx bun.Tx, d Decision, allowed func(HistoryAction) error) (Decided, error) {
	return d.applyChange(ctx, tx, HistoryActionUndone, func(m Mapping, _ time.Time) (c change, err error) {
		last, err := lastChange(ctx, tx, m.ID)
		if err != nil {
			return c, err
		}
		own := last.ChangedBy == d.Author && last.Version == m.Version
		switch last.Action {
		case HistoryActionEdited, HistoryActionAccepted, HistoryActionReviewed:
		default:
			own = false
		}
		if !own {
			return c, ErrNothingToUndo
		}
		if err := allowed(last.Action); err != nil {
			return c, err
		}
		image, _, err := last.Images()
		if err != nil {
			return c, err
		}
		after := image.restore(m)
		if err := d.checkColumns(ctx, tx, m, after); err != nil {
			return c, err
		}
		return change{before: m, after: after, comment: d.Comment, undoes: last.ID}, nil
	})
}

// checkColumns returns [EditErrors] if the report does not have the columns of the restored mapping any more.
func (d Decision) checkColumns(ctx context.Context, tx bun.Tx, before, after Mapping) error {
	main, others := columnName{after.SourceField, after.DataSourceID}, after.others(after.SourceField)
	names := []columnName{main}
	for _, field := range others {
		names = append(names, columnName{field: field})
	}
	columns, err := findColumns(ctx, tx, d.CycleID, d.ReportID, names)
	if err != nil {
		return err
	}
	if main.field != "" && main != (columnName{before.SourceField, before.DataSourceID}) {
		if _, err := columns.find(main); err != nil {
			return err
		}
	}
	_, err = columns.findOthers(main.field, others)
	return err
}

// lastVersion is the newest row of a mapping's history and the version that it has written.
type lastVersion struct {
	History `bun:"embed:"`
	Version int64 `bun:"version"`
}

// lastChange returns the newest row of the history, or [ErrNothingToUndo] if it is empty.
func lastChange(ctx context.Context, tx bun.Tx, mappingID string) (last lastVersion, err error) {
	err = tx.NewRaw(`select h.*, (after->>'version')::bigint as version from classification_history h
		where mapping_id = ? order by changed_at desc, id desc limit 1`, mappingID).Scan(ctx, &last)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return last, ErrNothingToUndo
	case err != nil:
		return last, fmt.Errorf("last change of mapping %s: %w", mappingID, err)
	}
	return last, nil
}

package schema

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// LockMappings locks those of the mappings that the report has, and the report against imports and removals. It returns
// the mappings by id, [ErrNotFound] if there is no such report, and an error of [IsLockTimeout]. Transactions that lock
// several pages of mappings lock them in the order of their ids, so that they do not wait for each other in a circle.
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

// BulkDecision is one of the decisions of [DecideMappings]: a review of a mapping if Status is set, else an edit.
type BulkDecision struct {
	// Mapping is the mapping as [LockMappings] has returned it.
	Mapping Mapping
	Edit    MappingEdit
	// Status is not [ReviewStatusPending].
	Status  ReviewStatus
	Comment string
	// DryRun only checks the decision.
	DryRun bool
}

// BulkOutcome is the outcome of a [BulkDecision].
type BulkOutcome struct {
	// Changed is false if the mapping already has the values or the status.
	Changed bool
	// Err is why the decision is impossible: [EditErrors] or an [OwnEditError]. The mapping is not changed.
	Err error
}

// DecideMappings makes decisions about mappings that [LockMappings] has locked in the transaction, with the rules of
// [EditMapping] and [ReviewMapping]. Of names the report and the author. It returns an outcome for each decision. The
// decisions that are possible are saved, in one statement for the edits and one for the reviews. After an error the
// caller rolls the transaction back.
func DecideMappings(ctx context.Context, tx bun.Tx, of Decision, decisions []BulkDecision) ([]BulkOutcome, error) {
	bulk, err := prepareBulk(ctx, tx, of, decisions)
	if err != nil {
		return nil, err
	}
	outcomes := make([]BulkOutcome, len(decisions))
	var edits, reviews []change
	for i, d := range decisions {
		c := change{before: d.Mapping, comment: d.Comment}
		c.after, outcomes[i].Err = bulk.decide(d)
		if outcomes[i].Err != nil || reflect.DeepEqual(c.before.Image(), c.after.Image()) {
			continue
		}
		outcomes[i].Changed = true
		switch {
		case d.DryRun:
		case d.Status != "":
			reviews = append(reviews, c)
		default:
			edits = append(edits, c)
		}
	}
	if err := bulk.save(ctx, tx, HistoryActionEdited, edits); err != nil {
		return nil, err
	}
	return outcomes, bulk.save(ctx, tx, HistoryActionReviewed, reviews)
}

// bulk has what the decisions about a page of mappings depend on.
type bulk struct {
	of      Decision
	now     time.Time
	columns *columnFinder
	// own has the ids of the mappings to review that the author was the last to edit.
	own map[string]bool
}

func prepareBulk(ctx context.Context, tx bun.Tx, of Decision, decisions []BulkDecision) (b bulk, err error) {
	var (
		reviewed []string
		named    []columnName
	)
	for _, d := range decisions {
		if d.Status != "" {
			reviewed = append(reviewed, d.Mapping.ID)
		} else {
			named = append(named, d.Edit.columnNames(d.Mapping)...)
		}
	}
	b = bulk{of: of, own: map[string]bool{}}
	if b.columns, err = findColumns(ctx, tx, of.CycleID, of.ReportID, named); err != nil {
		return b, err
	}
	own, err := listOwnEdits(ctx, tx, of.Author, reviewed)
	if err != nil {
		return b, err
	}
	for _, id := range own {
		b.own[id] = true
	}
	b.now, err = Now(ctx, tx)
	return b, err
}

// decide returns the mapping after the decision.
func (b *bulk) decide(d BulkDecision) (Mapping, error) {
	if d.Status == "" {
		of := b.of
		of.Comment = d.Comment
		return of.edit(b.columns, d.Mapping, d.Edit)
	}
	after, changed := Review{Status: d.Status, Author: b.of.Author, Comment: d.Comment}.of(d.Mapping, b.now)
	if changed && b.own[d.Mapping.ID] {
		return d.Mapping, &OwnEditError{IDs: []string{d.Mapping.ID}, Count: 1}
	}
	return after, nil
}

func (b *bulk) save(ctx context.Context, tx bun.Tx, action HistoryAction, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	return saveChanges(ctx, tx, changeBatch{at: b.now, author: b.of.Author, action: action}, changes)
}

// ListMappingsAt returns the mappings as they were at earlier versions, by id. It omits those whose history does not
// have the version.
func ListMappingsAt(ctx context.Context, db bun.IDB, versions []MappingVersion) (map[string]Mapping, error) {
	if len(versions) == 0 {
		return nil, nil
	}
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
		image, _, err := row.Images()
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

package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Review is a manager's decision about mappings of a report.
type Review struct {
	CycleID, ReportID string
	// Status is not [ReviewStatusPending].
	Status          ReviewStatus
	Author, Comment string
	// SkipOwn leaves out the mappings that the author was the last to edit. Without it they are an error.
	SkipOwn bool
}

// ReviewCounts counts the mappings of a review.
type ReviewCounts struct {
	// Decided got the status, and Unchanged already had it. Own were left out because the author edited them last.
	Decided, Unchanged, Own int64
}

// OwnEditError is returned if the author of a review was the last to edit some of the mappings.
type OwnEditError struct {
	// IDs are the first [MaxProblems] of these mappings, and Count is their number.
	IDs   []string
	Count int64
}

// Error implements error.
func (e *OwnEditError) Error() string {
	return fmt.Sprintf("the reviewer was the last to edit %d of the mappings", e.Count)
}

// MappingVersion identifies a mapping as it was read. Version 0 is any version.
type MappingVersion struct {
	ID      string
	Version int64
}

// MaxReview is the maximum number of mappings of one request for a review, because it is one transaction.
const MaxReview = 20_000

// reviewPage is the number of mappings of a review that are read and written by one statement.
const reviewPage = 1000

// ReviewMapping reviews one mapping. It returns the errors of [EditMapping], and an [OwnEditError].
func ReviewMapping(ctx context.Context, tx bun.Tx, d Decision, status ReviewStatus) (Decided, error) {
	review := Review{Status: status, Author: d.Author, Comment: d.Comment}
	return d.apply(ctx, tx, HistoryActionReviewed, func(m Mapping, now time.Time) (Mapping, error) {
		after, changed := review.of(m, now)
		if !changed {
			return m, nil
		}
		own, err := listOwnEdits(ctx, tx, d.Author, []string{m.ID})
		if err == nil && len(own) > 0 {
			err = &OwnEditError{IDs: own, Count: 1}
		}
		return after, err
	})
}

// of returns the mapping after the review. Changed is false if it has the status already, unless there is a comment
// to record.
func (r Review) of(m Mapping, now time.Time) (after Mapping, changed bool) {
	if m.ReviewStatus == r.Status && r.Comment == "" {
		return m, false
	}
	m.ReviewStatus, m.ReviewedBy, m.ReviewedAt = r.Status, r.Author, now
	return m, true
}

// ListMappingVersions returns at most limit mappings that pass the filter, in the order of their ids.
func ListMappingVersions(
	ctx context.Context, db bun.IDB, filter MappingFilter, limit int,
) (found []MappingVersion, err error) {
	filter.Sort, filter.Descending = MappingSortID, false
	query := filter.order(filter.selectAll(db).Column("m.id", "m.version")).Limit(int64(limit))
	if err := query.Scan(ctx, &found); err != nil {
		return nil, fmt.Errorf("mappings of report %s: %w", filter.ReportID, err)
	}
	return found, nil
}

// CountMappings returns the number of mappings that pass the filter.
func CountMappings(ctx context.Context, db bun.IDB, filter MappingFilter) (n int64, err error) {
	if err := filter.selectAll(db).ColumnExpr("count(*)").Scan(ctx, &n); err != nil {
		return 0, fmt.Errorf("mappings of report %s: %w", filter.ReportID, err)
	}
	return n, nil
}

// selectAll selects the mappings m that pass the filter, with their attributes a.
func (f MappingFilter) selectAll(db bun.IDB) *bun.SelectQuery {
	f.Sort, f.Descending = MappingSortID, false // a position of another order is a condition
	query := db.NewSelect().TableExpr("pde_mappings as m").Join(joinAttributes)
	return f.matching(f.where(f.following(query, MappingPosition{})))
}

// CountReview returns what the review would change. It locks nothing, and ignores mappings that the report does not
// have.
func CountReview(ctx context.Context, db bun.IDB, r Review, mappings []MappingVersion) (ReviewCounts, error) {
	var counts ReviewCounts
	for page := range slices.Chunk(mappings, reviewPage) {
		var rows []Mapping
		if err := selectNamed(db, &rows, r.CycleID, r.ReportID, mappingIDs(page)).Scan(ctx); err != nil {
			return counts, fmt.Errorf("mappings of report %s: %w", r.ReportID, err)
		}
		changes := r.changes(rows, time.Time{}, &counts)
		own, err := listOwnEdits(ctx, db, r.Author, each(changes, func(c change) string { return c.before.ID }))
		if err != nil {
			return counts, err
		}
		counts.Own += int64(len(own))
		counts.Decided += int64(len(changes) - len(own))
	}
	return counts, nil
}

// ReviewMappings reviews mappings of the report, all or none. It returns [ErrNotFound] if there is
// no such report or if it has not all of the mappings, [ErrVersion] if one of them no longer has its version, an
// [OwnEditError], and an error of [IsLockTimeout]. After an error the caller rolls the transaction back.
func ReviewMappings(ctx context.Context, tx bun.Tx, r Review, mappings []MappingVersion) (ReviewCounts, error) {
	var counts ReviewCounts
	if _, err := LockReport(ctx, tx, r.CycleID, r.ReportID); err != nil {
		return counts, err
	}
	sorted := slices.Clone(mappings) // every transaction locks mappings in this order
	slices.SortFunc(sorted, func(a, b MappingVersion) int { return strings.Compare(a.ID, b.ID) })
	var own OwnEditError
	for page := range slices.Chunk(sorted, reviewPage) {
		changes, now, err := r.lock(ctx, tx, page, &counts)
		if err != nil {
			return counts, err
		}
		edited, err := listOwnEdits(ctx, tx, r.Author, each(changes, func(c change) string { return c.before.ID }))
		if err != nil {
			return counts, err
		}
		if len(edited) > 0 {
			own.Count += int64(len(edited))
			own.IDs = append(own.IDs, edited[:min(len(edited), MaxProblems-len(own.IDs))]...)
			changes = slices.DeleteFunc(changes, func(c change) bool { return slices.Contains(edited, c.before.ID) })
		}
		counts.Decided += int64(len(changes))
		if len(changes) == 0 || own.Count > 0 && !r.SkipOwn {
			continue
		}
		batch := changeBatch{at: now, author: r.Author, action: HistoryActionReviewed}
		if err := saveChanges(ctx, tx, batch, changes); err != nil {
			return counts, err
		}
	}
	counts.Own = own.Count
	if own.Count > 0 && !r.SkipOwn {
		return counts, &own
	}
	return counts, nil
}

// lock locks the mappings and returns those that the review changes.
func (r Review) lock(
	ctx context.Context, tx bun.Tx, page []MappingVersion, counts *ReviewCounts,
) (changes []change, now time.Time, err error) {
	mappings, err := lockMappings(ctx, tx, r.CycleID, r.ReportID, mappingIDs(page))
	if err != nil {
		return nil, now, err
	}
	if len(mappings) != len(page) {
		return nil, now, fmt.Errorf("mappings of report %s: %w", r.ReportID, ErrNotFound)
	}
	if now, err = Now(ctx, tx); err != nil {
		return nil, now, err
	}
	for i, m := range mappings {
		if page[i].Version != 0 && page[i].Version != m.Version {
			return nil, now, ErrVersion
		}
	}
	return r.changes(mappings, now, counts), now, nil
}

// changes returns what the review changes in the mappings, and counts the others.
func (r Review) changes(mappings []Mapping, now time.Time, counts *ReviewCounts) (changes []change) {
	for _, m := range mappings {
		after, changed := r.of(m, now)
		if !changed {
			counts.Unchanged++
			continue
		}
		changes = append(changes, change{before: m, after: after, comment: r.Comment})
	}
	return changes
}

func mappingIDs(mappings []MappingVersion) []string {
	return each(mappings, func(m MappingVersion) string { return m.ID })
}

// lockMappings locks and returns those of the mappings that the report has, in the order of their ids.
func lockMappings(ctx context.Context, tx bun.Tx, cycleID, reportID string, ids []string) (rows []Mapping, err error) {
	err = withLockTimeout(ctx, tx, func() error {
		return selectNamed(tx, &rows, cycleID, reportID, ids).For("no key update").Scan(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("lock mappings of report %s: %w", reportID, err)
	}
	return rows, nil
}

// selectNamed selects those of the mappings that the report has, in the order of their ids.
func selectNamed(db bun.IDB, rows *[]Mapping, cycleID, reportID string, ids []string) *bun.SelectQuery {
	return db.NewSelect().Model(rows).Where("id = any(?)", pgdialect.Array(ids)).
		Where("cycle_id = ? and report_id = ?", cycleID, reportID).Order("id")
}

// lastEditor selects the author of the last edit of the mapping m that is not undone. Jobs, reviews, approvals by a
// rule, undos, removals of columns and refreshes are not edits; imports are. The editor of a mapping that was carried
// over is the one of the earlier cycle, and null if it had none. A row of a job has no action. The query does not name
// job_id, because Postgres would read the index of all rows without one for each mapping if it believes them to be few.
const lastEditor = `select case h.action when 'carried_over' then h.edited_by else h.changed_by end
	from classification_history h
	where h.mapping_id = m.id
		and h.action not in ('reviewed', 'undone', 'auto_approved', 'unmapped', 'refreshed')
		and not exists (select from classification_history u where u.mapping_id = m.id and u.undoes = h.id)
	order by h.changed_at desc, h.id desc limit 1`

// listOwnEdits returns those of the mappings of which the author was the last editor.
func listOwnEdits(ctx context.Context, db bun.IDB, author string, ids []string) (own []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = db.NewRaw(`select m.id from unnest(?::text[]) m (id) where (`+lastEditor+`) = ?`,
		pgdialect.Array(ids), author).Scan(ctx, &own)
	if err != nil {
		return nil, fmt.Errorf("last edits of mappings: %w", err)
	}
	return own, nil
}

// listLastEditors returns the last editors of the mappings by their ids. The editor is empty if only jobs have changed
// the mapping.
func listLastEditors(ctx context.Context, db bun.IDB, ids []string) (map[string]string, error) {
	var rows []struct {
		ID     string `bun:"id"`
		Editor string `bun:"editor"`
	}
	err := db.NewRaw(`select m.id, coalesce((`+lastEditor+`), '') as editor from unnest(?::text[]) m (id)`,
		pgdialect.Array(ids)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("last edits of mappings: %w", err)
	}
	editors := make(map[string]string, len(rows))
	for _, row := range rows {
		editors[row.ID] = row.Editor
	}
	return editors, nil
}

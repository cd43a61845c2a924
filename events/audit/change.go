package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
)

// change is a change of a mapping by a person or an import, or a change of planning data.
type change struct {
	ID string `bun:"id"`
	// MappingID and Version are zero for planning data.
	MappingID string `bun:"mapping_id"`
	Version   int64  `bun:"version"`
	// Due reports whether the change is as old as the query requires.
	Due bool `bun:"due"`
}

func (c change) eventID() string {
	if c.MappingID != "" {
		return events.MappingChanged{MappingID: c.MappingID, Version: c.Version}.ID()
	}
	return events.PlanningChanged{ChangeID: c.ID}.ID()
}

// finishedAt is an SQL expression: when the row h of the history was about to be committed. An import gives all of
// its rows the time at which it began and may take minutes.
const finishedAt = `greatest(h.changed_at, (select max(finished_at) from planning_changes
	where changed_at = h.changed_at and changed_by = h.changed_by))`

// HasUnauditedChanges reports whether there are changes of mappings or of planning data that have not been
// compared with the log.
func HasUnauditedChanges(ctx context.Context, db bun.IDB) (has bool, err error) {
	if err = db.NewRaw("select exists (select from unaudited_changes)").Scan(ctx, &has); err != nil {
		return false, fmt.Errorf("unaudited changes: %w", err)
	}
	return has, nil
}

// ChangePage is a page of unaudited changes.
type ChangePage struct {
	// Facts are the changes of at least the required age that the log lacks.
	Facts []Fact
	// Audited are the ids of the changes that the log has once the facts are appended; see [MarkChangesAudited].
	Audited []string
	// Last is the id after which to continue. It is empty if no later change is old enough.
	Last string
}

// ListUnauditedChanges reads a page of at most limit unaudited changes with ids greater than after.
func ListUnauditedChanges(
	ctx context.Context, db bun.IDB, age time.Duration, after string, limit int,
) (page ChangePage, err error) {
	var changes []change
	err = db.NewRaw(`select u.id, coalesce(h.mapping_id, '') as mapping_id,
			coalesce((h.after->>'version')::bigint, 0) as version,
			coalesce(coalesce(h.changed_at, p.changed_at) <= now() - ? * interval '1 microsecond', true) as due
		from unaudited_changes u
			left join classification_history h on u.kind = 'mapping' and h.id = u.id
			left join planning_changes p on u.kind = 'planning' and p.id = u.id
		where u.id > ? order by u.id limit ?`, age.Microseconds(), after, limit).
		Scan(ctx, &changes)
	if err != nil {
		return page, fmt.Errorf("unaudited changes: %w", err)
	}
	ids := each(changes, change.eventID)
	logged, err := listVerified(ctx, db, ids)
	if err != nil {
		return page, err
	}
	var missing Query
	for i, c := range changes {
		switch {
		case logged[ids[i]]:
		case !c.Due:
			continue
		case c.MappingID != "":
			missing.Changes = append(missing.Changes, ChangeKey{MappingID: c.MappingID, Version: c.Version})
		default:
			missing.Planning = append(missing.Planning, c.ID)
		}
		page.Audited = append(page.Audited, c.ID)
	}
	// Ids are generated in the order of time: if no change of this page is old enough, no later one is.
	if len(changes) == limit && len(page.Audited) > 0 {
		page.Last = changes[limit-1].ID
	}
	page.Facts, err = listFactsInOrder(ctx, db, missing, ids)
	return page, err
}

// MarkChangesAudited records that the log has these changes.
func MarkChangesAudited(ctx context.Context, db bun.IDB, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := db.NewRaw("delete from unaudited_changes where id in (?)", bun.List(ids)).Exec(ctx); err != nil {
		return fmt.Errorf("audited changes: %w", err)
	}
	return nil
}

// verifyChanges reports changes of mappings that belong to no job, and changes of planning data, that the log
// lacks although they were committed longer ago than the grace.
func (v *verifier) verifyChanges(ctx context.Context) error {
	var done int64
	for _, query := range []string{
		`select h.id, h.mapping_id, (h.after->>'version')::bigint as version,
			` + finishedAt + ` < now() - ? * interval '1 second' as due
			from classification_history h where h.job_id is null and h.id > ? order by h.id limit ?`,
		`select id, finished_at < now() - ? * interval '1 second' as due
			from planning_changes where id > ? order by id limit ?`,
	} {
		for last := ""; ; {
			v.progress("changes", done, 0)
			var changes []change
			if err := v.db.NewRaw(query, grace.Seconds(), last, verifyPage).Scan(ctx, &changes); err != nil {
				return fmt.Errorf("changes: %w", err)
			}
			ids := each(changes, change.eventID)
			logged, err := listVerified(ctx, v.db, ids)
			if err != nil {
				return err
			}
			for i, c := range changes {
				if c.Due && !logged[ids[i]] {
					v.found(Finding{Problem: ProblemMissing, EventID: ids[i]})
				}
				last = c.ID
			}
			if done += int64(len(changes)); len(changes) < verifyPage {
				break
			}
		}
	}
	return nil
}

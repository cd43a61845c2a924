package schema_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// The origin of a decision does not let its editor approve it, in the next cycle or in the one after it.
func TestCarryOver_KeepsTheLastEditor(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	q.carried(nextQuarter())
	last := schema.CarryOver{
		CycleID: "2027-Q1", ReportID: schematest.ReportID, FromCycleID: nextCycle, Author: "cora",
	}
	q.carried(last)
	review := func(cycleID, name, author string) error {
		return in(t.Context(), q.db, func(tx bun.Tx) error {
			d := schema.Decision{
				CycleID: cycleID, ReportID: schematest.ReportID, MappingID: q.mapping(cycleID, name).ID, Author: author,
			}
			_, err := schema.ReviewMapping(t.Context(), tx, d, schema.ReviewStatusApproved)
			return err
		})
	}
	for _, cycleID := range []string{nextCycle, "2027-Q1"} {
		if _, own := errors.AsType[*schema.OwnEditError](review(cycleID, "Date", "tess")); !own {
			t.Errorf("%s: got a review by the editor of the earlier cycle, want OwnEditError", cycleID)
		}
		if err := review(cycleID, "Date", "cora"); err != nil {
			t.Errorf("%s: review by the one who carried over: got %v, want none", cycleID, err)
		}
		if err := review(cycleID, "Comment", "tess"); err != nil {
			t.Errorf("%s: review of a mapping without an editor: got %v, want none", cycleID, err)
		}
	}
	if got := q.mapping("2027-Q1", "Date").CarriedFrom; got != nextCycle {
		t.Errorf("carried from: got %s, want %s", got, nextCycle)
	}
	id := q.mapping(nextCycle, "Date").ID
	if _, err := editedIn(t.Context(), q.db, nextCycle, id, "tess", schema.MappingEdit{PDEName: new("x")}); err != nil {
		t.Fatal(err)
	}
	if m := q.mapping(nextCycle, "Date"); m.CarriedFrom != "" || m.ReviewStatus != schema.ReviewStatusPending {
		t.Errorf("edited mapping: got carried from %q and %s, want no origin and pending",
			m.CarriedFrom, m.ReviewStatus)
	}
	undo := schema.Decision{CycleID: nextCycle, ReportID: schematest.ReportID, MappingID: id, Author: "tess"}
	err := in(t.Context(), q.db, func(tx bun.Tx) error {
		_, err := schema.Undo(t.Context(), tx, undo, func(schema.HistoryAction) error { return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := q.mapping(nextCycle, "Date").CarriedFrom; got != schematest.CycleID {
		t.Errorf("carried from, after the edit is undone: got %q, want %s", got, schematest.CycleID)
	}
	// The carry-over itself is not undone for one mapping.
	undo.Author, undo.MappingID = "cora", q.mapping(nextCycle, "Flag").ID
	err = in(t.Context(), q.db, func(tx bun.Tx) error {
		_, err := schema.Undo(t.Context(), tx, undo, func(schema.HistoryAction) error { return nil })
		return err
	})
	if !errors.Is(err, schema.ErrNothingToUndo) {
		t.Errorf("Undo of a carry-over: got %v, want %v", err, schema.ErrNothingToUndo)
	}
}

func editedIn(
	ctx context.Context, db *schema.DB, cycleID, id, author string, edit schema.MappingEdit,
) (d schema.Decided, err error) {
	err = in(ctx, db, func(tx bun.Tx) (err error) {
		d, err = schema.EditMapping(ctx, tx, schema.Decision{
			CycleID: cycleID, ReportID: schematest.ReportID, MappingID: id, Author: author,
		}, edit)
		return err
	})
	return d, err
}

func TestCarryOver_RefusesAReportWithDecisionsOrAJob(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	from := nextQuarter()
	from.FromCycleID = "2025-Q3"
	if _, err := carry(t.Context(), q.db, from); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("unknown cycle: got %v, want %v", err, schema.ErrNotFound)
	}
	_, err := from.Preview(t.Context(), q.db)
	if other, ok := errors.AsType[*schema.OtherCycleError](err); !ok ||
		!slices.Equal(other.Cycles, []string{schematest.CycleID}) {
		t.Errorf("Preview from an unknown cycle: got %v, want its cycles", err)
	}
	q.load(loans(nextCycle))
	exec(t, q.db, "update pde_mappings set mapping_confirmed_by_user = true where id = ?",
		q.mapping(nextCycle, "Date").ID)
	_, err = carry(t.Context(), q.db, nextQuarter())
	if decided, ok := errors.AsType[*schema.DecidedError](err); !ok || decided.Count != 1 {
		t.Errorf("report with a decision: got %v, want one decision", err)
	}
	exec(t, q.db, "update pde_mappings set mapping_confirmed_by_user = false where cycle_id = ?", nextCycle)
	job := schematest.Job(t, q.db, 4)
	exec(t, q.db, "update jobs set cycle_id = ? where id = ?", nextCycle, job.ID)
	_, err = carry(t.Context(), q.db, nextQuarter())
	if active, ok := errors.AsType[*schema.ActiveJobError](err); !ok || active.JobID != job.ID {
		t.Errorf("Run for a report with an active job: got %v, want ActiveJobError of %s", err, job.ID)
	}
	_, err = nextQuarter().Preview(t.Context(), q.db)
	if active, ok := errors.AsType[*schema.ActiveJobError](err); !ok || active.JobID != job.ID {
		t.Errorf("Preview for a report with an active job: got %v, want ActiveJobError of %s", err, job.ID)
	}
}

func TestCarryOver_LocksNothingOfTheEarlierCycle(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	tx := begin(t, q.db)
	if _, err := nextQuarter().Run(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	edit := schema.MappingEdit{PDEName: new("another")}
	id := q.mapping(schematest.CycleID, "Balance").ID
	if _, err := edited(t.Context(), q.db, id, "tess", edit); err != nil {
		t.Errorf("edit of the earlier cycle: got %v, want none", err)
	}
	q.load(loans(schematest.CycleID))
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestCarryOver_WritesPagesInAFewStatements(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const mappings = 2500
	schematest.Report(t, db, mappings)
	exec(t, db, "update pde_mappings set risk_level = 'High'")
	statements := schematest.CountStatements(t, func(db *schema.DB) {
		done, err := carry(t.Context(), db, nextQuarter())
		if err != nil || done.Carried.Count != mappings || len(done.Carried.First) != schema.MaxProblems {
			t.Errorf("Run: got %d carried and %d listed (%v), want %d and %d",
				done.Carried.Count, len(done.Carried.First), err, mappings, schema.MaxProblems)
		}
	})
	if statements > 80 {
		t.Errorf("statements for %d mappings: got %d, want a few for each page of 1,000", mappings, statements)
	}
	var ids []string
	err := db.NewRaw(`select o.attribute_id from pde_mappings n join attributes a on a.id = n.attribute_id
		join attributes b on b.identity = a.identity and b.cycle_id = ?
		join pde_mappings o on o.attribute_id = b.id where n.cycle_id = ? order by n.id`,
		schematest.CycleID, nextCycle).Scan(t.Context(), &ids)
	if err != nil || len(ids) != mappings || !slices.IsSorted(ids) {
		t.Errorf("mappings of the new cycle: got %d (%v), want %d in the order of the earlier one",
			len(ids), err, mappings)
	}
}

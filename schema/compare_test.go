package schema_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// differences reads the list in pages of this size, as "kind name: field before -> after, ...".
func (q quarters) differences(limit int) (lines []string) {
	q.t.Helper()
	c := schema.Comparison{CycleID: nextCycle, ReportID: schematest.ReportID, OtherCycleID: schematest.CycleID}
	for next := new(schema.DifferencePosition); next != nil; {
		var page []schema.Difference
		var err error
		if page, next, err = c.List(q.t.Context(), q.db, *next, limit); err != nil {
			q.t.Fatal(err)
		}
		if len(page) > limit {
			q.t.Errorf("page: got %d rows, want at most %d", len(page), limit)
		}
		for _, d := range page {
			line := fmt.Sprintf("%s %s", d.Kind, d.AttributeName)
			for _, f := range d.Fields {
				line += fmt.Sprintf(", %s %v -> %v", f.Field, shown(f.Before), shown(f.After))
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func shown(value any) any {
	if text, ok := value.(*string); ok {
		if text == nil {
			return "null"
		}
		return *text
	}
	return value
}

func TestComparison_ListsTheDifferencesInPages(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	q.load(loans(nextCycle))
	q.carried(nextQuarter())
	if got := q.differences(10); len(got) != 0 {
		t.Errorf("differences of equal cycles: got %q, want none", got)
	}
	data := loans(nextCycle)
	data.Attributes = attributes(
		schema.Attribute{AttributeName: "Balance", LineItemNumber: "1", Description: "What was owed", DataType: "N10"},
		schema.Attribute{AttributeName: "New"}, schema.Attribute{AttributeName: "Newer"})
	q.load(data)
	other := loans(schematest.CycleID)
	other.Attributes = attributes(schema.Attribute{AttributeName: "Old"}, schema.Attribute{AttributeName: "Older"})
	q.load(other)
	edit := schema.MappingEdit{
		SourceField: new("svc.LOANS.FLG"), DataSourceID: new(q.source(nextCycle, "Loans")),
		Criticality: new(schema.LevelLow),
	}
	if _, err := editedIn(t.Context(), q.db, nextCycle, q.mapping(nextCycle, "Flag").ID, "tess", edit); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"changed Balance, description What is owed -> What was owed",
		"changed Flag, criticality null -> Low, review_status approved -> pending, data_source Bureau -> Loans",
		"added New", "added Newer", "dropped Old", "dropped Older",
	}
	for limit := 1; limit <= 7; limit++ {
		if diff := cmp.Diff(want, q.differences(limit)); diff != "" {
			t.Errorf("differences in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestComparison_ReturnsNotFoundForEitherCycle(t *testing.T) {
	t.Parallel()
	q := newQuarters(t)
	c := schema.Comparison{CycleID: nextCycle, ReportID: schematest.ReportID, OtherCycleID: schematest.CycleID}
	if _, _, err := c.List(t.Context(), q.db, schema.DifferencePosition{}, 1); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("unknown cycle: got %v, want %v", err, schema.ErrNotFound)
	}
	c.CycleID, c.OtherCycleID = c.OtherCycleID, c.CycleID
	_, _, err := c.List(t.Context(), q.db, schema.DifferencePosition{}, 1)
	if _, ok := errors.AsType[*schema.OtherCycleError](err); !ok {
		t.Errorf("unknown other cycle: got %v, want an OtherCycleError", err)
	}
}

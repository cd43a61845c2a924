package dispatcher

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAPlanningChangeIsPublishedOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	schematest.Report(t, f.DB, 1)
	d := f.dispatcher(Options{})
	f.turns(d)
	err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.InsertDataSource(ctx, tx, schema.DataSource{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, Name: "Warehouse", CreatedBy: "olga",
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := schema.ListUnpublishedPlanningChanges(t.Context(), f.DB, 10)
	if err != nil || len(changes) != 1 {
		t.Fatalf("unannounced changes: got %+v (%v), want one", changes, err)
	}
	f.turns(d)
	f.turns(d)
	published := 0
	for _, m := range f.Messages(events.StreamEvents) {
		if m.Subject == "planning.changed."+changes[0].ID && m.Header.Get("ce-id") == "planning/"+changes[0].ID &&
			m.Header.Get("ce-source") == "/pdeflow/dispatcher" {
			published++
		}
	}
	if published != 1 {
		t.Errorf("events of the change: got %d, want 1", published)
	}
}

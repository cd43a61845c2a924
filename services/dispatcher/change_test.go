package dispatcher

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// edit changes a mapping like a person.
func (f *fixture) edit(id, name string) {
	f.T.Helper()
	err := f.DB.RunInTx(f.T.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.EditMapping(ctx, tx, schema.Decision{
			CycleID: schematest.CycleID, ReportID: schematest.ReportID, MappingID: id, Author: "olga", Comment: "why",
		}, schema.MappingEdit{PDEName: &name})
		return err
	})
	if err != nil {
		f.T.Fatal(err)
	}
}

// changed returns the ids of the published changes of mappings.
func (f *fixture) changed() (ids []string) {
	f.T.Helper()
	for _, m := range f.Messages(events.StreamEvents) {
		if strings.HasPrefix(m.Subject, "mapping.changed.") {
			ids = append(ids, m.Header.Get("ce-id"))
			if m.Header.Get("ce-source") != "/pdeflow/dispatcher" {
				f.T.Errorf("ce-source: got %s, want /pdeflow/dispatcher", m.Header.Get("ce-source"))
			}
		}
	}
	return ids
}

func TestAChangeOfAMappingIsPublishedOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := schematest.Report(t, f.DB, 2)
	d := f.dispatcher(Options{})
	f.turns(d)
	f.edit(ids[0], "first")
	f.edit(ids[1], "other")
	f.edit(ids[0], "second")

	f.Bus.Stop() // the changes are kept
	if _, err := d.turn(t.Context()); err == nil {
		t.Error("turn without NATS: got no error")
	}
	if n := f.Count("select count(*) from classification_history where not published"); n != 3 {
		t.Errorf("unpublished changes: got %d, want 3", n)
	}
	f.Bus.Restart()
	f.Eventually("the changes are published", func() bool {
		_, err := d.turn(t.Context())
		return err == nil && f.Count("select count(*) from classification_history where not published") == 0
	})
	f.turns(d)
	want := []string{"changed/" + ids[0] + "/2", "changed/" + ids[1] + "/2", "changed/" + ids[0] + "/3"}
	if got := f.changed(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("published changes: got %v, want %v", got, want)
	}
}

func TestEveryChangeOfALargeReviewIsPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	schematest.Report(t, f.DB, changePage+1)
	f.Exec(
		`insert into classification_history (id, mapping_id, action, changed_at, changed_by, before, after, published,
			created_at, created_by, updated_at, updated_by)
		select 'h' || id, id, 'reviewed', now(), 'mia', '{}', '{"version": 2}', false, now(), 'mia', now(), 'mia'
		from pde_mappings`,
	)
	f.turns(f.dispatcher(Options{}))
	if got := len(f.changed()); got != changePage+1 {
		t.Errorf("published changes: got %d, want %d", got, changePage+1)
	}
}

func TestADamagedChangeDelaysNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := schematest.Report(t, f.DB, 1)
	f.Exec(`insert into classification_history (id, mapping_id, action, changed_at, changed_by, before, after,
			published, created_at, created_by, updated_at, updated_by)
		select '0' || n, m.id, 'reviewed', now(), 'mia', '{}', case when n % 2 = 0 then '{}'::jsonb else '[1]' end,
			false, now(), 'mia', now(), 'mia'
		from pde_mappings m, generate_series(1, ?) n`, changePage)
	f.edit(ids[0], "name")
	d := f.dispatcher(Options{})
	f.turns(d)
	if got, want := f.changed(), []string{"changed/" + ids[0] + "/2"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("published changes: got %v, want %v", got, want)
	}
	if got := f.Log.Count("change of a mapping is damaged"); got != changePage {
		t.Errorf("logged changes: got %d, want each once", got)
	}
}

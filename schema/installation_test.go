package schema_test

import (
	"slices"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestGetInstallation_ListsTablesTheUserCannotWrite(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	facts, err := schema.GetInstallation(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if facts.ReadOnly || facts.Standby || facts.Encoding != "UTF8" || facts.VersionNumber < 140000 ||
		len(facts.Denied) > 0 || !facts.MayCreate {
		t.Errorf("the test's database: got %+v, want UTF8 and every permission", facts)
	}
	exec := func(query string) {
		t.Helper()
		if _, err := db.NewRaw(query).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	exec("create role installation_reader")
	defer exec("drop role installation_reader")
	exec("grant usage on schema " + facts.Schema + " to installation_reader")
	defer exec("drop owned by installation_reader")
	limited, err := schema.Open(t.Context(), schematest.URL(t)+"&role=installation_reader", schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = limited.Close() }()
	var all []string
	if err := db.NewRaw(`select relname from pg_class where relnamespace = current_schema()::regnamespace
		and relkind = 'r' and relname not like 'bun\_%' order by relname`).Scan(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	denied := func(name string, want []string) {
		t.Helper()
		facts, err := schema.GetInstallation(t.Context(), limited)
		if err != nil || facts.User != "installation_reader" || facts.MayCreate || !slices.Equal(facts.Denied, want) {
			t.Errorf("user %s: got %+v (%v), want %v denied", name, facts, err, want)
		}
	}
	denied("without privileges", all)
	exec("grant select, insert on all tables in schema " + facts.Schema + " to installation_reader")
	exec("grant update on jobs, job_item_locks to installation_reader")
	exec("grant delete on mapping_counts to installation_reader")
	denied("with some privileges", []string{
		"attributes", "auto_approvals", "classification_history", "data_sources", "idempotency_keys", "job_costs",
		"job_item_locks", "job_items", "job_status", "jobs_without_status", "model_calls", "pde_mappings",
		"planning_changes", "reports", "source_columns", "unaudited_changes",
	})
}

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
	exec("grant select, insert on all tables in schema " + facts.Schema + " to installation_reader")
	exec(
		"grant update on jobs, job_items to installation_reader; grant usage on schema " + facts.Schema +
			" to installation_reader",
	)
	defer exec("drop owned by installation_reader")
	limited, err := schema.Open(t.Context(), schematest.URL(t)+"&role=installation_reader", schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = limited.Close() }()
	facts, err = schema.GetInstallation(t.Context(), limited)
	want := []string{
		"attributes", "data_sources", "idempotency_keys", "job_status", "pde_mappings", "reports", "source_columns",
	}
	if err != nil || facts.User != "installation_reader" || facts.MayCreate || !slices.Equal(facts.Denied, want) {
		t.Errorf("the limited user: got %+v (%v), want %v denied", facts, err, want)
	}
}

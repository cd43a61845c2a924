package main

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAJobRunsFromTheRequestToTheRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	schematest.Report(t, f.db, 50)
	job := f.regenerate()
	f.exact(f.finish(job), 50)
}

// Not parallel: the passwords of nats.conf come from the environment.
func TestTheMainJobRunsOnNATSConfigurationWithAUserPerService(t *testing.T) {
	password := func(s schema.Service) string { return "p" + string(s) + "0123456789" }
	t.Setenv("PDEFLOW_NATS_STORE_DIR", t.TempDir())
	t.Setenv("PDEFLOW_NATS_OPERATOR_PASSWORD", "poperator0123456789")
	for _, name := range schema.Services() {
		t.Setenv("PDEFLOW_NATS_"+strings.ToUpper(string(name))+"_PASSWORD", password(name))
	}
	f := newIdleFixture(t, eventstest.StartConfig(t, "../../nats.conf"))
	schematest.Report(t, f.db, 50)
	for _, name := range schema.Services() {
		f.runOn(strings.Replace(f.nats.URL(), "://", "://"+string(name)+":"+password(name)+"@", 1), name)
	}
	f.exact(f.finish(f.regenerate()), 50)
}

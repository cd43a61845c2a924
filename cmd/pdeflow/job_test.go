package main

import (
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAJobRunsFromThePostToTheRows(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	schematest.Report(t, s.db, 50)
	job := s.regenerate()
	s.exact(s.finish(job), 50)
}

// Not parallel: the passwords of nats.conf come from the environment.
func TestTheMainJobRunsOnNATSConfigurationWithAUserPerService(t *testing.T) {
	password := func(s service) string { return "p" + string(s) + "0123456789" }
	t.Setenv("PDEFLOW_NATS_STORE_DIR", t.TempDir())
	t.Setenv("PDEFLOW_NATS_OPERATOR_PASSWORD", "poperator0123456789")
	for _, name := range allServices() {
		t.Setenv("PDEFLOW_NATS_"+strings.ToUpper(string(name))+"_PASSWORD", password(name))
	}
	s := newIdleStand(t, eventstest.StartConfig(t, "../../nats.conf"))
	schematest.Report(t, s.db, 50)
	for _, name := range allServices() {
		s.runOn(strings.Replace(s.nats.URL(), "://", "://"+string(name)+":"+password(name)+"@", 1), name)
	}
	s.exact(s.finish(s.regenerate()), 50)
}

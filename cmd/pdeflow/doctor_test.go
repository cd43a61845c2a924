package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// examined runs the doctor and returns the findings by check.
func examined(t *testing.T, code int, got result) map[string]diagnosis {
	t.Helper()
	result := from[doctorResult](t, got.ends(t, code))
	all := map[string]diagnosis{}
	for _, f := range result.Findings {
		all[f.Check] = f
		if (f.State == wrong || f.State == warned) != (f.Advice != "") {
			t.Errorf("%s: got %s with advice %q, want advice for a problem only", f.Check, f.State, f.Advice)
		}
	}
	if result.OK != (code == exitDone) {
		t.Errorf("got ok %v with exit code %d, want ok for 0 only", result.OK, code)
	}
	return all
}

func TestTheDoctorFindsNothingWrongWithAWorkingInstallation(t *testing.T) {
	t.Parallel()
	f := newFixture(
		t,
		schema.ServiceAPI,
		schema.ServiceDispatcher,
		schema.ServiceClassifier,
		schema.ServiceProjector,
		schema.ServiceAuditor,
	)
	schematest.Report(t, f.db, 2)
	f.finish(f.regenerate())
	environment := f.environment()
	environment["PDEFLOW_DATA_DIR"] = t.TempDir()
	awaitReady(t, strings.TrimSuffix(f.url, "/api/v1")) // the auditor may not be yet
	got := pdeflow(t.Context(), environment, "doctor")
	got.ends(t, exitDone, "ok       database ", "ok       nats ", "Nothing is wrong, ")
	all := examined(t, exitDone, pdeflow(t.Context(), environment, "doctor", "--json"))
	for _, check := range []string{
		"program", "server", "server clock", "readiness", "database", "database writes", "database connections",
		"database clock", "migrations", "nats",
		"nats clock", "nats publishing", "jetstream", "stream PDE_EVENTS", "stream PDE_WORK",
		"consumer classifier-rules",
		"consumer classifier-llm",
		"consumer projector", "consumer auditor",
	} {
		if all[check].State != fine {
			t.Errorf("%s: got %+v, want ok", check, all[check])
		}
	}
	if all["disk"].State == "" || all["disk"].State == skipped {
		t.Errorf("disk: got %+v, want a check", all["disk"])
	}
}

func TestTheDoctorNamesProblemsWithAdvice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	doctor := func(environment map[string]string) map[string]diagnosis {
		t.Helper()
		return examined(t, exitFailed, pdeflow(t.Context(), environment, "doctor", "--json"))
	}
	wants := func(all map[string]diagnosis, check, detail, advice string) {
		t.Helper()
		if f := all[check]; f.State != wrong || !strings.Contains(f.Detail, detail) ||
			!strings.Contains(f.Advice, advice) {
			t.Errorf("%s: got %+v, want detail %q and advice %q", check, f, detail, advice)
		}
	}
	js, err := events.JetStream(f.nats.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := (events.Topology{}).Declare(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), events.StreamEvents, events.Projector().Name)
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.MaxDeliver = 5 // what an operator may have tried
	if _, err := js.UpdateConsumer(t.Context(), events.StreamEvents, config); err != nil {
		t.Fatal(err)
	}
	wants(doctor(f.environment()), "consumer projector", "MaxDeliver", "restart the service")

	environment := f.environment()
	environment["NATS_URL"], environment["PDEFLOW_SERVER"] = "nats://127.0.0.1:1", unusedAddress(t)
	all := doctor(environment)
	wants(all, "nats", "nats://127.0.0.1:1", "NATS_URL")
	wants(all, "server", "no server listens at", "--server (PDEFLOW_SERVER)")
	if all["database"].State != fine {
		t.Errorf("database while the server is down: got %+v, want ok", all["database"])
	}

	environment["DATABASE_URL"] = "postgres://nobody:hunter2@127.0.0.1:1/none?connect_timeout=1"
	all = doctor(environment)
	wants(all, "database", "127.0.0.1:1", "DATABASE_URL")
	if strings.Contains(all["database"].Detail, "hunter2") {
		t.Errorf("got %+v, want an output without the password", all["database"])
	}
	environment["DATABASE_URL"] = schematest.URL(t) + "&default_transaction_read_only=on"
	wants(doctor(environment), "database writes", "read-only", "default_transaction_read_only")
}

func TestTheDoctorSkipsMissingServers(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"PATH": "/usr/bin:/bin", "PDEFLOW_DATA_DIR": t.TempDir() + "/none", "PDEFLOW_SERVER": "",
	}
	got := pdeflow(t.Context(), environment, "doctor", "--json")
	result := from[doctorResult](t, got)
	for _, check := range []string{"nats", "database"} {
		i := slices.IndexFunc(result.Findings, func(f diagnosis) bool { return f.Check == check })
		// A demo of the same user may run.
		if i < 0 || result.Findings[i].State != skipped && result.Findings[i].State != fine {
			t.Errorf("%s: got %+v, want skipped", check, result.Findings)
		}
	}
}

func TestTheDoctorChecksSettingsAndClocks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		facts schema.Installation
		skew  time.Duration
		check string
		state severity
	}{
		"an old PostgreSQL": {
			facts: schema.Installation{VersionNumber: 130000, Version: "13.1"}, check: "database", state: wrong,
		},
		"a standby": {
			facts: schema.Installation{Standby: true, ReadOnly: true}, check: "database writes", state: wrong,
		},
		"a table without rights": {
			facts: schema.Installation{Schema: "public", Denied: []string{"jobs"}, User: "api"},
			check: "database writes", state: wrong,
		},
		"no right to create": {facts: schema.Installation{Schema: "public"}, check: "database writes", state: warned},
		"few connections left": {
			facts: schema.Installation{MaxConnections: 20, Connections: 15}, check: "database connections",
			state: warned,
		},
		"a clock a little off": {skew: -3 * time.Second, check: "clock", state: warned},
		"a clock far off":      {skew: 5 * time.Minute, check: "clock", state: wrong},
		"a clock in step":      {skew: 300 * time.Millisecond, check: "clock", state: fine},
	} {
		t.Run(name, func(t *testing.T) {
			d := &doctor{}
			d.judgeDatabase(tt.facts)
			d.compareClocks("clock", tt.skew)
			i := slices.IndexFunc(d.findings, func(f diagnosis) bool { return f.Check == tt.check })
			if i < 0 || d.findings[i].State != tt.state {
				t.Errorf("%s: got %+v, want %s", name, d.findings, tt.state)
			}
		})
	}
}

func TestMigrationsAreListedAsJSON(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	list := from[struct{ Items []migration }](t, f.pdeflow("migrate", "status", "--json").ends(t, exitDone))
	if len(list.Items) == 0 || !list.Items[0].Applied || list.Items[0].Name == "" {
		t.Errorf("migrations: got %+v, want applied ones", list)
	}
}

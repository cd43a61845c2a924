package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestAnIDMayBeAPrefixOrLatest(t *testing.T) {
	t.Parallel()
	f := plainFixture(t)
	ids := schematest.Report(t, f.db, 3)
	f.pdeflow("jobs", "status", "latest").ends(t, exitFailed, "there is no job yet")
	first := f.regenerate()
	f.finish(first)
	second := f.regenerate()
	f.finish(second)
	common := 0
	for common < len(first) && first[common] == second[common] {
		common++
	}
	for word, want := range map[string]string{
		"latest": second, first[:common+1]: first, second[:common+1]: second, first: first,
	} {
		t.Run(word, func(t *testing.T) {
			if status := from[events.JobStatus](t,
				f.pdeflow("jobs", "status", word, "--json").ends(t, exitDone)); status.JobID != want {
				t.Errorf("%s: got job %s, want %s", word, status.JobID, want)
			}
		})
	}
	f.pdeflow("jobs", "retry", first[:common]).
		ends(t, exitUsage, "the ids of several jobs begin with “"+first[:common]+"”:", first+"  ",
			second+"  completed, 2026-Q3 auto-loans, ")
	f.pdeflow("jobs", "status", first[:3]).ends(t, exitFailed, "There is no such job") // too short to be a prefix
	f.pdeflow("jobs", "status", first[:4]+"%").ends(t, exitFailed, "There is no such job")

	report := []string{"--cycle", schematest.CycleID, "--report", schematest.ReportID}
	prefix := ids[1][:len(ids[1])-1]
	unique := !slices.ContainsFunc(ids, func(id string) bool { return id != ids[1] && strings.HasPrefix(id, prefix) })
	shown := f.pdeflow(append([]string{"mappings", "show", prefix, "--json"}, report...)...)
	if unique {
		if mapping := from[api.Mapping](t, shown.ends(t, exitDone)); mapping.ID != ids[1] {
			t.Errorf("%s: got mapping %s, want %s", prefix, mapping.ID, ids[1])
		}
	} else {
		shown.ends(t, exitUsage, "the ids of several mappings begin with")
	}
	if _, err := f.db.NewRaw("update pde_mappings set updated_at = updated_at + interval '1 hour' where id = ?",
		ids[2]).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mapping := from[api.Mapping](t,
		f.pdeflow(append([]string{"mappings", "show", "latest", "--json"}, report...)...)); mapping.ID != ids[2] {
		t.Errorf("latest: got mapping %s, want %s", mapping.ID, ids[2])
	}
}

func TestIDsCyclesAndReportsAreCompletedByTheServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	ids := schematest.Report(t, f.db, 2)
	job := f.regenerate()
	ofReport := "--cycle " + schematest.CycleID + " --report " + schematest.ReportID
	for typed, want := range map[string]string{
		"sources test " + ofReport + " ":               latest,
		"jobs watch ":                                  job,
		"jobs cancel " + job[:6]:                       job,
		"jobs status lat":                              latest,
		"regenerate --cycle ":                          schematest.CycleID,
		"regenerate --cycle x --report ":               "",
		"mappings list --report auto":                  schematest.ReportID,
		"jobs list --cycle=" + schematest.CycleID[:3]:  schematest.CycleID,
		"mappings show " + ofReport + " " + ids[0][:8]: ids[0],
	} {
		t.Run(typed, func(t *testing.T) {
			found := slices.ContainsFunc(completed(t, f.environment(), strings.Split(typed, " ")...),
				func(line string) bool {
					value, _, _ := strings.Cut(line, "\t")
					return value == want
				})
			if !found {
				t.Errorf("%q: got candidates %q, want %q",
					typed, completed(t, f.environment(), strings.Split(typed, " ")...), want)
			}
		})
	}
}

func TestReportsAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	schematest.Report(t, f.db, 2)
	f.pdeflow("reports", "list").ends(t, exitDone, "CYCLE    REPORT      NAME", "2026-Q3  auto-loans")
	if list := from[struct{ Items []api.ReportSummary }](t,
		f.pdeflow("reports", "list", "--json")); len(list.Items) != 1 || list.Items[0].MappingCount != 2 {
		t.Errorf("reports: got %+v, want one with 2 mappings", list)
	}
}

func TestJobsWaitEndsWithTheJobOrTheTimeout(t *testing.T) {
	t.Parallel()
	f := plainFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	schematest.Report(t, f.db, 2)
	job := f.regenerate()
	f.becomes(job, schema.StatusRunning)
	f.pdeflow("jobs", "wait", job, "--timeout", "50ms").ends(t, exitFailed,
		"job "+job+" is still running after 50ms: 0 of 2 mappings")
	if status := from[events.JobStatus](t,
		f.pdeflow("jobs", "wait", job, "--timeout", "50ms", "--json").ends(t, exitFailed)); status.JobID != job {
		t.Errorf("JSON: got %+v, want job %s", status, job)
	}
	f.pdeflow("jobs", "wait", job, "--timeout", "0s").ends(t, exitUsage, "--timeout cannot be “0s”")
	f.run(schema.ServiceClassifier)
	f.pdeflow("jobs", "wait", "latest", "--timeout", "5m").ends(t, exitDone,
		"Job "+job+" is completed. 2 mappings: 2 succeeded")
	if got := f.pdeflow("jobs", "wait", job).ends(t, exitDone); got.stderr != "" {
		t.Errorf("standard error: got %q, want none", got.stderr)
	}
}

func TestJobsListWatchPrintsChanges(t *testing.T) {
	t.Parallel()
	f := plainFixture(t, schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceProjector)
	schematest.Report(t, f.db, 2)
	ctx, interrupt := context.WithCancel(t.Context())
	w := f.watch(ctx, "jobs", "list", "--watch")
	w.shows(t, "JOB  STATUS", 1)
	job := f.regenerate()
	w.shows(t, job, 1)
	f.run(schema.ServiceClassifier)
	w.shows(t, "completed", 1)
	interrupt()
	w.exits(t, exitDone)
}

func TestTheVersionOfTheServerIsPrinted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	server := f.environment()["PDEFLOW_SERVER"]
	f.pdeflow("version").ends(t, exitDone, "pdeflow "+version()+"\nserver "+version()+" at "+server+"\n")
	if all := from[versions](t, f.pdeflow("version", "--json")); all.Version != version() || all.Server == nil ||
		all.Server.URL != server {
		t.Errorf("versions: got %+v, want those of the program and of the server", all)
	}
	pdeflow(t.Context(), nil, "version", "--server", unusedAddress(t)).ends(t, exitFailed, "no server listens at")
}

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

func TestAnIDIsNamedByItsBeginningOrAsTheLatest(t *testing.T) {
	t.Parallel()
	s := plainStand(t)
	ids := schematest.Report(t, s.db, 3)
	s.pdeflow("jobs", "status", "latest").ends(t, exitFailed, "there is no job yet")
	first := s.regenerate()
	s.finish(first)
	second := s.regenerate()
	s.finish(second)
	common := 0
	for common < len(first) && first[common] == second[common] {
		common++
	}
	for word, want := range map[string]string{
		"latest": second, first[:common+1]: first, second[:common+1]: second, first: first,
	} {
		if status := from[events.JobStatus](t,
			s.pdeflow("jobs", "status", word, "--json").ends(t, exitDone)); status.JobID != want {
			t.Errorf("%s names job %s, not %s", word, status.JobID, want)
		}
	}
	s.pdeflow("jobs", "retry", first[:common]).
		ends(t, exitUsage, "the ids of several jobs begin with “"+first[:common]+"”:", first+"  ",
			second+"  completed, 2026-Q3 auto-loans, ")
	s.pdeflow("jobs", "status", first[:3]).ends(t, exitFailed, "There is no such job") // too short to be a prefix
	s.pdeflow("jobs", "status", first[:4]+"%").ends(t, exitFailed, "There is no such job")

	report := []string{"--cycle", schematest.CycleID, "--report", schematest.ReportID}
	prefix := ids[1][:len(ids[1])-1]
	unique := !slices.ContainsFunc(ids, func(id string) bool { return id != ids[1] && strings.HasPrefix(id, prefix) })
	shown := s.pdeflow(append([]string{"mappings", "show", prefix, "--json"}, report...)...)
	if unique {
		if mapping := from[api.Mapping](t, shown.ends(t, exitDone)); mapping.ID != ids[1] {
			t.Errorf("%s names mapping %s", prefix, mapping.ID)
		}
	} else {
		shown.ends(t, exitUsage, "the ids of several mappings begin with")
	}
	if _, err := s.db.NewRaw("update pde_mappings set updated_at = updated_at + interval '1 hour' where id = ?",
		ids[2]).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mapping := from[api.Mapping](t,
		s.pdeflow(append([]string{"mappings", "show", "latest", "--json"}, report...)...)); mapping.ID != ids[2] {
		t.Errorf("the latest mapping is %s, not %s", mapping.ID, ids[2])
	}
}

func TestIDsCyclesAndReportsAreCompletedFromTheServer(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService)
	ids := schematest.Report(t, s.db, 2)
	job := s.regenerate()
	for typed, want := range map[string]string{
		"jobs watch ":                                 job,
		"jobs cancel " + job[:6]:                      job,
		"jobs status lat":                             latest,
		"regenerate --cycle ":                         schematest.CycleID,
		"regenerate --cycle x --report ":              "",
		"mappings list --report auto":                 schematest.ReportID,
		"jobs list --cycle=" + schematest.CycleID[:3]: schematest.CycleID,
		"mappings show --cycle " + schematest.CycleID + " --report " + schematest.ReportID + " " + ids[0][:8]: ids[0],
	} {
		found := slices.ContainsFunc(completed(t, s.environment(), strings.Split(typed, " ")...),
			func(line string) bool {
				value, _, _ := strings.Cut(line, "\t")
				return value == want
			})
		if !found {
			t.Errorf("%q is not completed by %q: %q", typed, want,
				completed(t, s.environment(), strings.Split(typed, " ")...))
		}
	}
}

func TestReportsAreListed(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService)
	schematest.Report(t, s.db, 2)
	s.pdeflow("reports", "list").ends(t, exitDone, "CYCLE    REPORT      NAME", "2026-Q3  auto-loans")
	if list := from[struct{ Items []api.ReportSummary }](t,
		s.pdeflow("reports", "list", "--json")); len(list.Items) != 1 || list.Items[0].MappingCount != 2 {
		t.Errorf("as JSON the list is %+v", list)
	}
}

func TestWaitingForAJobEndsWithItOrWithItsTime(t *testing.T) {
	t.Parallel()
	s := plainStand(t, apiService, dispatcherService, projectorService)
	schematest.Report(t, s.db, 2)
	job := s.regenerate()
	s.becomes(job, schema.Running)
	s.pdeflow("jobs", "wait", job, "--timeout", "50ms").ends(t, exitFailed,
		"job "+job+" is still running after 50ms: 0 of 2 mappings")
	if status := from[events.JobStatus](t,
		s.pdeflow("jobs", "wait", job, "--timeout", "50ms", "--json").ends(t, exitFailed)); status.JobID != job {
		t.Errorf("as JSON it is %+v", status)
	}
	s.pdeflow("jobs", "wait", job, "--timeout", "0s").ends(t, exitUsage, "--timeout cannot be “0s”")
	s.run(classifierService)
	s.pdeflow("jobs", "wait", "latest", "--timeout", "5m").ends(t, exitDone,
		"Job "+job+" is completed. 2 mappings: 2 succeeded")
	if got := s.pdeflow("jobs", "wait", job).ends(t, exitDone); got.stderr != "" {
		t.Errorf("waiting prints %q", got.stderr)
	}
}

func TestAListOfJobsIsWatched(t *testing.T) {
	t.Parallel()
	s := plainStand(t, apiService, dispatcherService, projectorService)
	schematest.Report(t, s.db, 2)
	ctx, interrupt := context.WithCancel(t.Context())
	w := s.watch(ctx, "jobs", "list", "--watch")
	w.shows(t, "JOB  STATUS", 1)
	job := s.regenerate()
	w.shows(t, job, 1)
	s.run(classifierService)
	w.shows(t, "completed", 1)
	interrupt()
	w.exits(t, exitDone)
}

func TestTheVersionOfTheServerIsPrinted(t *testing.T) {
	t.Parallel()
	s := newStand(t, apiService)
	server := s.environment()["PDEFLOW_SERVER"]
	s.pdeflow("version").ends(t, exitDone, "pdeflow "+version()+"\nserver "+version()+" at "+server+"\n")
	if all := from[versions](t, s.pdeflow("version", "--json")); all.Version != version() || all.Server == nil ||
		all.Server.URL != server {
		t.Errorf("as JSON they are %+v", all)
	}
	pdeflow(t.Context(), nil, "version", "--server", nobody(t)).ends(t, exitFailed, "no server listens at")
}

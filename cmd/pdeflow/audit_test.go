package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestTheAuditLogIsListedAndVerified(t *testing.T) {
	t.Parallel()
	s, jobID, ids := auditedJob(t, 3)
	list := s.pdeflow("audit", "list").ends(t, exitDone, "SEQ", "requested/"+jobID, "3 mappings of auto-loans",
		"finished/"+jobID, "completed")
	if lines := strings.Count(list.stdout, "\n"); lines != 8 {
		t.Errorf("got %d lines, want a header and 7 rows:\n%s", lines, list.stdout)
	}
	for _, tt := range []struct {
		want int
		args []string
	}{
		{3, []string{"--actor", "job:" + jobID}},
		{1, []string{"--mapping", ids[0]}},
		{7, []string{"--job", jobID, "--cycle", schematest.CycleID, "--report", schematest.ReportID}},
		{0, []string{"--origin", "rows"}},
		{0, []string{"--unverified"}},
		{2, []string{"--limit", "2"}},
		{5, []string{"--after", "2"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := s.pdeflow(append([]string{"audit", "list", "--json"}, tt.args...)...).ends(t, exitDone)
			if lines := strings.Count(got.stdout, "\n"); lines != tt.want {
				t.Errorf("%q: got %d rows, want %d", tt.args, lines, tt.want)
			}
		})
	}
	var row auditRow
	first := s.pdeflow("audit", "list", "--json", "--limit", "1").ends(t, exitDone)
	if err := json.Unmarshal([]byte(first.stdout), &row); err != nil || row.Seq != 1 ||
		row.EventID != "requested/"+jobID || row.Actor != "tina" || len(row.Hash) != 64 {
		t.Errorf("got first row %+v (%v), want seq 1 of the request by tina", row, err)
	}
	tail := s.pdeflow("audit", "tail", "-n", "2", "--json").ends(t, exitDone)
	if lines := strings.Split(strings.TrimSpace(tail.stdout), "\n"); len(lines) != 2 ||
		!strings.Contains(lines[1], `{"seq":7,`) {
		t.Errorf("got tail %q, want the last row", tail.stdout)
	}

	s.pdeflow("audit", "verify").ends(t, exitDone,
		"The audit log has 7 rows, which were compared with 1 job and the history. It ends with row 7, hash\n",
		"Nothing is wrong.")
	s.change("alter table audit_log disable trigger all", "update audit_log set actor = 'nobody' where seq = 2",
		"delete from audit_log where seq = 7")
	got := s.pdeflow("audit", "verify").ends(t, exitFailed)
	words := strings.Join(strings.Fields(got.stdout), " ") // lines are as long as the terminal is wide
	for _, want := range []string{
		"It ends with row 6", "Wrong in 3 places, the first of them first: audit_log 2: the row is not as it was " +
			"written (started/" + jobID + ")",
		": it happened, and the log does not have it",
		"audit_log 2: the log and the rows disagree (started/" + jobID + ")",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("got output without %q, want it in:\n%s", want, got.stdout)
		}
	}
	verified := from[auditVerified](t, s.pdeflow("audit", "verify", "--json").ends(t, exitFailed))
	if verified.OK || verified.FindingCount != 3 || verified.Findings[0].Row != "2" || verified.HeadSeq != 6 {
		t.Errorf("got JSON %+v, want three findings from row 2 on", verified)
	}
}

func TestTheAuditLogIsFollowed(t *testing.T) {
	t.Parallel()
	s, before, _ := auditedJob(t, 2)
	ctx, interrupt := context.WithCancel(t.Context())
	w := s.watch(ctx, "audit", "tail", "--follow", "--lines", "1")
	w.shows(t, "/"+before, 1)
	job := s.regenerate()
	s.finish(job)
	w.shows(t, "/"+job, 6)
	interrupt()
	w.exits(t, exitDone)
	if rows := strings.Count(w.stdout.String(), "\n"); rows != 8 ||
		!strings.Contains(w.stdout.String(), "finished/"+job) {
		t.Errorf("got %d lines, want a header and 7 rows:\n%s", rows, w.stdout.String())
	}
}

package events_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestParseSubject_InvertsString(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]events.Subject{
		"regenerate.requested.j1":       events.RegenerateRequestedSubject("j1"),
		"mapping.requested.rules.j1.m1": events.MappingRequestedSubject(schema.LaneRules, "j1", "m1"),
		"mapping.requested.llm.j1.m1":   events.MappingRequestedSubject(schema.LaneLLM, "j1", "m1"),
		"mapping.changed.m1":            events.MappingChangedSubject("m1"),
		"planning.changed.c1":           events.PlanningChangedSubject("c1"),
		"mapping.rejected.body":         events.MappingRejectedSubject(events.ReasonBody),
		"job.progress.j1":               events.JobProgressSubject("j1"),
		"job.finished.j1":               events.JobFinishedSubject("j1"),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if s.String() != want {
				t.Errorf("got %s, want %s", s, want)
			}
			parsed, err := events.ParseSubject(want)
			if err != nil || parsed != s {
				t.Errorf("ParseSubject(%s): got %+v, %v, want %+v", want, parsed, err, s)
			}
		})
	}
}

func TestParseSubject_RefusesOtherSubjects(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "job", "job.progress", "job.progress.", "job.progress.a.b", "job.progress.*", "job.progress.>",
		"job.progress.a b",
		"job.progress.a\n", "job.progress.a/b", "job.progress.ä", "job.started.a", "mapping.requested.rules.j",
		"mapping.requested.fast.j.m",
		"mapping.requested.rules.j.m.x", "mapping.requested.rules..m", "JOB.PROGRESS.a", "job.progress." +
			strings.Repeat("a", 129),
	} {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			_, err := events.ParseSubject(s)
			if _, ok := errors.AsType[*events.SubjectError](err); !ok {
				t.Errorf("ParseSubject(%q): got %v, want a SubjectError", s, err)
			}
		})
	}
}

func TestCheckID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"0198c5a2-7b1e-7c3d-9a55-0f6f2f1b8a01", "a", "A_b-1:2@3", strings.Repeat("a", 128)} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			if err := events.CheckID(id); err != nil {
				t.Errorf("CheckID(%q): got %v, want nil", id, err)
			}
		})
	}
	for _, id := range []string{"", "a.b", "*", "a>", "a b", "a\tb", "a/b", "é", "\x7f", strings.Repeat("a", 129)} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			err := events.CheckID(id)
			if _, ok := errors.AsType[*events.IDError](err); !ok {
				t.Errorf("CheckID(%q): got %v, want an IDError", id, err)
			}
		})
	}
}

func TestTopic_Type(t *testing.T) {
	t.Parallel()
	if got := events.TopicJobProgress.Type(); got != "io.pdeflow.job.progress.v1" {
		t.Error(got)
	}
}

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// statusAt returns the status of a job of 100 mappings.
func statusAt(status schema.Status, completed int64) events.JobStatus {
	return events.JobStatus{
		JobID: "j", Status: status, TotalSteps: 100, CompletedSteps: completed, ProgressPercentage: int(completed),
	}
}

func TestProgress_PrintsLinesWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, false)
	began := time.Unix(0, 0)
	for _, step := range []struct {
		after     time.Duration
		status    schema.Status
		completed int64
	}{
		{0, schema.StatusPending, 0},
		{time.Second, schema.StatusRunning, 0},
		{2 * time.Second, schema.StatusRunning, 10},
		{3 * time.Second, schema.StatusRunning, 20},
		{6 * time.Second, schema.StatusRunning, 50},
		{7 * time.Second, schema.StatusRunning, 60},

		{8 * time.Second, schema.StatusPaused, 60},
		{9 * time.Second, schema.StatusRunning, 60},
		{10 * time.Second, schema.StatusCompleted, 100},
	} {
		p.show(statusAt(step.status, step.completed), began.Add(step.after))
	}
	p.end()
	want := "job j is pending: 0 of 100 mappings (0 %)\n" +
		"job j is running: 0 of 100 mappings (0 %)\n" +
		"job j is running: 50 of 100 mappings (50 %), 10 a second, 5s left\n" +
		"job j is paused: 60 of 100 mappings (60 %)\n" +
		"job j is running: 60 of 100 mappings (60 %)\n" +
		"job j is completed: 100 of 100 mappings (100 %)\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

func TestProgress_DrawsABarOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, true)
	began := time.Unix(0, 0)
	nothing := events.JobStatus{JobID: "j", Status: schema.StatusPending}
	p.show(nothing, began)
	if out.Len() > 0 {
		t.Errorf("job of unknown length: got %q, want nothing", out.String())
	}
	p.show(statusAt(schema.StatusRunning, 0), began.Add(time.Second))
	p.show(statusAt(schema.StatusRunning, 40), began.Add(3*time.Second))
	drawn := out.String()
	for _, part := range []string{"40% |", "█", "40/100", "running, 20 a second, 3s left"} {
		if !strings.Contains(drawn, part) {
			t.Errorf("bar: got %q, want %q in it", drawn, part)
		}
	}
	longer := statusAt(schema.StatusRunning, 40)
	longer.TotalSteps = 400
	p.show(longer, began.Add(4*time.Second))
	if !strings.Contains(out.String(), "40/400") {
		t.Errorf("longer job: got %q, want 40/400", out.String())
	}
	waiting := "the provider, until noon"
	longer.WaitingFor = &waiting
	p.show(longer, began.Add(5*time.Second))
	p.show(longer, began.Add(6*time.Second))
	if strings.Count(out.String(), "waiting: "+waiting+"\n") != 1 {
		t.Errorf("got %q, want the reason once", out.String())
	}
	p.end()
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("got %q, want a line end", out.String())
	}
	if strings.Contains(out.String(), "\x1b[3") || strings.Contains(out.String(), "\x1b[9") {
		t.Errorf("got %q, want no colour", out.String())
	}
}

func TestProgress_EndsTheLineOfTheBarWithTheJob(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, true)
	p.show(statusAt(schema.StatusRunning, 10), time.Unix(0, 0))
	p.show(statusAt(schema.StatusCompleted, 100), time.Unix(1, 0))
	p.end()
	if !strings.Contains(out.String(), "100% |") || !strings.HasSuffix(out.String(), "\n") ||
		strings.HasSuffix(out.String(), "\n\n") {
		t.Errorf("got %q, want 100 %% and one line", out.String())
	}
}

func TestPace_IsTheRateOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	var p pace
	began := time.Unix(0, 0)
	if p.rate() != 0 {
		t.Error("got a pace without samples, want none")
	}
	// Starts at 5,000, 10 a second for a minute, then a pause of an hour, then 100 a second.
	for second := range 60 {
		p.add(began.Add(time.Duration(second)*time.Second), 5000+int64(second)*10)
	}
	if got := p.rate(); got != 10 {
		t.Errorf("after a minute: got %v, want 10", got)
	}
	again := began.Add(time.Hour)
	for second := range 30 {
		p.add(again.Add(time.Duration(second)*time.Second), 6000+int64(second)*100)
	}
	if got := p.rate(); got != 100 {
		t.Errorf("after a pause: got %v, want 100", got)
	}
	if len(p.seen) > 20 {
		t.Errorf("samples: got %d, want at most 20", len(p.seen))
	}
}

func TestProgress_ShowsListingWhileTheStatusIsUnchanged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, false)
	began := time.Unix(0, 0)
	listing := statusAt(schema.StatusRunning, 0)
	listing.CurrentStep = "Listing the mappings, 60 so far"
	p.show(listing, began)
	for second := range 40 {
		p.refresh(began.Add(time.Duration(second) * time.Second))
	}
	line := "job j is running: 0 of 100 mappings (0 %), listing the mappings, 60 so far\n"
	if want := strings.Repeat(line, 4); out.String() != want { // after 0, 5, 15 and 35 seconds
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
	cancelling := statusAt(schema.StatusRunning, 50)
	cancelling.CurrentStep = "Cancelling what has not started"
	p.show(cancelling, began.Add(time.Minute))
	if !strings.Contains(out.String(), "job j is cancelling: 50 of 100") {
		t.Errorf("cancelling job: got\n%s\nwant 50 of 100", out.String())
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	var lines, redrawn bytes.Buffer
	plain := counter{w: &lines, what: "importing", total: 12, drawnAt: time.Unix(0, 0)}
	terminal := counter{w: &redrawn, terminal: true, what: "importing", total: 12, drawnAt: time.Unix(0, 0)}
	second := int64(0)
	for range counted(slices.Values(make([]int, 12)), func() {
		second++
		plain.add(time.Unix(second, 0))
		terminal.add(time.Unix(second, 0))
	}) {
		continue
	}
	terminal.end()
	if want := "importing: 5 of 12\nimporting: 10 of 12\n"; lines.String() != want {
		t.Errorf("got %q, want %q", lines.String(), want)
	}
	if got := redrawn.String(); strings.Count(got, "\n") != 1 ||
		!strings.HasSuffix(got, "\rimporting: 12 of 12\x1b[K\n") {
		t.Errorf("on a terminal: got %q, want one line with the last state", got)
	}
}

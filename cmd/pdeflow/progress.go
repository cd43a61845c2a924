package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// paceWindow is how far back the rate looks: long enough to be steady, short enough to forget a pause.
	paceWindow = 10 * time.Second
	// lineEvery is how often a line is printed where nobody watches a bar and nothing else happens.
	lineEvery = 5 * time.Second
)

// progress shows how a job gets on: as a bar on a terminal, else as lines now and then.
type progress struct {
	w        io.Writer
	terminal bool
	pace     pace
	bar      *progressbar.ProgressBar
	// shown is what the newest line or bar says, and when that was.
	shown   events.JobStatus
	shownAt time.Time
	waiting string
}

// newProgress shows progress on w.
func newProgress(w io.Writer, terminal bool) *progress { return &progress{w: w, terminal: terminal} }

// show shows where the job stands now.
func (p *progress) show(status events.JobStatus, now time.Time) {
	if status.Status == schema.Running {
		p.pace.add(now, status.CompletedSteps)
	} else {
		p.pace = pace{} // a job that has not begun, or is paused, has none
	}
	if waiting := orEmpty(status.WaitingFor); waiting != p.waiting {
		if p.waiting = waiting; waiting != "" {
			p.note("waiting: " + waiting)
		}
	}
	if p.terminal {
		p.drawBar(status)
		return
	}
	if status.Status != p.shown.Status || now.Sub(p.shownAt) >= lineEvery {
		fmt.Fprintf(p.w, "job %s is %s: %d of %d mappings (%d %%)%s\n", status.JobID, status.Status, status.CompletedSteps, status.TotalSteps,
			status.ProgressPercentage, p.pace.text(status))
		p.shown, p.shownAt = status, now
	}
}

// drawBar draws the bar anew. It is made when the first status with something to do comes, because a bar cannot have no length.
func (p *progress) drawBar(status events.JobStatus) {
	if status.TotalSteps == 0 {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(status.TotalSteps,
			progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionOnCompletion(func() { fmt.Fprintln(p.w) }))
	}
	// What fails here is the terminal's writer, and there is nobody else to tell.
	if p.bar.GetMax64() != status.TotalSteps {
		p.bar.ChangeMax64(status.TotalSteps)
	}
	p.bar.Describe(string(status.Status) + p.pace.text(status))
	_ = p.bar.Set64(status.CompletedSteps)
}

// note says something beside the progress.
func (p *progress) note(text string) {
	if p.bar != nil && !p.bar.IsFinished() {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.w, text)
}

// end leaves the terminal with the cursor at the beginning of a line.
func (p *progress) end() {
	if p.bar != nil && !p.bar.IsFinished() {
		fmt.Fprintln(p.w)
	}
}

// pace is how fast a job has been lately, as seen from here.
type pace struct{ seen []sighting }

type sighting struct {
	at        time.Time
	completed int64
}

// add takes note of how far the job is. The oldest sighting that is kept is the last one from before the window.
func (p *pace) add(at time.Time, completed int64) {
	p.seen = append(p.seen, sighting{at, completed})
	for len(p.seen) > 2 && at.Sub(p.seen[1].at) >= paceWindow {
		p.seen = p.seen[1:]
	}
}

// rate is in mappings a second; 0 where there is no telling.
func (p *pace) rate() float64 {
	if len(p.seen) < 2 {
		return 0
	}
	first, last := p.seen[0], p.seen[len(p.seen)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(last.completed-first.completed) / took
}

// text is the rate and, while the job runs, the time that is left at it.
func (p *pace) text(status events.JobStatus) string {
	rate := p.rate()
	if rate <= 0 || status.Status.Final() {
		return ""
	}
	left := time.Duration(float64(status.TotalSteps-status.CompletedSteps) / rate * float64(time.Second))
	return fmt.Sprintf(", %s a second, %s left", rateText(rate), max(left.Round(time.Second), time.Second))
}

func rateText(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

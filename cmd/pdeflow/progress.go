package main

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// paceWindow is the period of the rate: long enough to be steady, short enough to forget a pause.
	paceWindow = 10 * time.Second
	// lineEvery is the interval of lines without a terminal while the status stays the same.
	lineEvery = 5 * time.Second
	// redrawEvery is the shortest interval between two redraws on a terminal.
	redrawEvery = 100 * time.Millisecond
	// maxSilence is the longest interval between lines for a job that has not processed a mapping yet. The intervals
	// double up to it.
	maxSilence = time.Minute
)

// barWidth is the width of the bar in cells. A bar narrower than minBarWidth is left out.
const (
	barWidth    = 30
	minBarWidth = 10
)

// progress shows the progress of a job: a bar on a terminal, otherwise a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	// mu guards the fields below, because refreshing runs concurrently with show.
	mu   sync.Mutex
	pace pace
	// drawn is true if the cursor is on the line of a bar.
	drawn bool
	// shown is the newest status. shownAt is the time of the last line.
	shown   events.JobStatus
	shownAt time.Time
	silence time.Duration
	began   time.Time
	waiting string
}

// drawsBars reports whether standard error is a terminal that can redraw a line.
func (a *app) drawsBars() bool { return isTerminal(a.stderr) && a.getenv("TERM") != "dumb" }

// newProgress returns a progress that prints to w.
func newProgress(w io.Writer, terminal bool) *progress { return &progress{w: w, terminal: terminal} }

// show shows a status.
func (p *progress) show(status events.JobStatus, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if status.Status == schema.StatusRunning {
		p.pace.add(now, status.CompletedSteps)
	} else {
		p.pace = pace{} // a pending or paused job has no rate
	}
	if p.began.IsZero() {
		p.began = now
	}
	if waiting := orEmpty(status.WaitingFor); waiting != p.waiting {
		if p.waiting = waiting; waiting != "" {
			p.printLine("waiting: " + oneLine(waiting))
		}
	}
	changed := status.Status != p.shown.Status
	p.shown = status
	switch {
	case p.terminal:
		p.drawBar(status)
	case changed || now.Sub(p.shownAt) >= lineEvery:
		p.silence = lineEvery
		p.line(now)
	}
}

// line prints the newest status.
func (p *progress) line(now time.Time) {
	fmt.Fprintf(p.w, "job %s is %s: %d of %s (%d %%)%s%s\n", p.shown.JobID, phase(p.shown), p.shown.CompletedSteps,
		count(p.shown.TotalSteps, "mapping"), p.shown.ProgressPercentage, suffix(step(p.shown)),
		suffix(p.pace.texts(p.shown)[0]))
	p.shownAt = now
}

// phase returns the status, or "cancelling" while a job is being cancelled.
func phase(status events.JobStatus) string {
	if status.Status == schema.StatusRunning && strings.HasPrefix(status.CurrentStep, "Cancelling") {
		return "cancelling"
	}
	return string(status.Status)
}

// step returns what a job does before its first mapping, or "".
func step(status events.JobStatus) string {
	if status.Status == schema.StatusRunning && status.CompletedSteps == 0 &&
		strings.HasPrefix(status.CurrentStep, "Listing") {
		return strings.ToLower(status.CurrentStep[:1]) + status.CurrentStep[1:]
	}
	return ""
}

// refresh shows the newest status again until the job has processed a mapping, so that starting and listing do not look
// stuck.
func (p *progress) refresh(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() || p.shown.CompletedSteps > 0 || p.shown.Status != schema.StatusPending &&
		p.shown.Status != schema.StatusRunning {
		return
	}
	if p.terminal {
		p.drawBar(p.shown, now.Sub(p.began).Round(time.Second).String())
	} else if now.Sub(p.shownAt) >= p.silence {
		p.silence = min(2*p.silence, maxSilence)
		p.line(now)
	}
}

// refreshing calls refresh every second until stop is called.
func (p *progress) refreshing() (stop func()) {
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				p.refresh(now)
			}
		}
	})
	return func() {
		close(done)
		ticking.Wait()
	}
}

// drawBar draws the bar over the previous one, with remarks after it. A job of unknown length has no bar.
func (p *progress) drawBar(status events.JobStatus, remarks ...string) {
	if status.TotalSteps == 0 {
		return
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", barText(status, append(remarks, p.pace.texts(status)...), lineWidth(p.w)-1))
	p.drawn = true
	if status.Status.IsFinal() {
		p.endLine()
	}
}

// barText formats a bar with its numbers in at most width cells. A narrow terminal gets a shorter bar, then fewer
// remarks, then no bar.
func barText(status events.JobStatus, paces []string, width int) string {
	head := fmt.Sprintf("%3d%% ", status.ProgressPercentage)
	text := ""
	for _, pace := range paces {
		text = fmt.Sprintf(" %d/%d %s%s", status.CompletedSteps, status.TotalSteps, phase(status), suffix(pace))
		cells := min(barWidth, width-len(head)-len(text)-2)
		if cells >= minBarWidth {
			full := int(int64(cells) * status.CompletedSteps / status.TotalSteps)
			return head + "|" + strings.Repeat("█", full) + strings.Repeat(" ", cells-full) + "|" + text
		}
	}
	return truncate(head+strings.TrimSpace(text), width)
}

// suffix formats a remark after a sentence.
func suffix(text string) string {
	if text == "" {
		return ""
	}
	return ", " + text
}

// note prints a line above the bar.
func (p *progress) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.printLine(text)
}

func (p *progress) printLine(text string) {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
	fmt.Fprintln(p.w, text)
}

// end moves the cursor to the start of a line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLine()
}

func (p *progress) endLine() {
	if p.drawn {
		fmt.Fprintln(p.w)
		p.drawn = false
	}
}

// counter shows a count: on a terminal as a line that is redrawn, otherwise as a line now and then.
type counter struct {
	w        io.Writer
	terminal bool
	what     string
	n, total int
	drawnAt  time.Time
}

// add counts one more.
func (c *counter) add(now time.Time) {
	c.n++
	switch since := now.Sub(c.drawnAt); {
	case c.terminal && (since >= redrawEvery || c.n == c.total):
		fmt.Fprintf(c.w, "\r%s: %d of %d\x1b[K", c.what, c.n, c.total)
	case !c.terminal && since >= lineEvery:
		fmt.Fprintf(c.w, "%s: %d of %d\n", c.what, c.n, c.total)
	default:
		return
	}
	c.drawnAt = now
}

// end leaves the cursor at the beginning of a line.
func (c *counter) end() {
	if c.terminal && c.n > 0 {
		fmt.Fprintln(c.w)
	}
}

// counted calls each for every value of a sequence.
func counted[T any](values iter.Seq[T], each func()) iter.Seq[T] {
	return func(yield func(T) bool) {
		for value := range values {
			each()
			if !yield(value) {
				return
			}
		}
	}
}

// pace is the rate of a job in the last seconds, as observed by this process.
type pace struct{ seen []rateSample }

type rateSample struct {
	at        time.Time
	completed int64
}

// add records the progress of the job. It keeps one sample from before the window.
func (p *pace) add(at time.Time, completed int64) {
	p.seen = append(p.seen, rateSample{at, completed})
	for len(p.seen) > 2 && at.Sub(p.seen[1].at) >= paceWindow {
		p.seen = p.seen[1:]
	}
}

// rate returns mappings per second, or 0 if unknown.
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

// texts describes the rate and the remaining time: in full, shortened, and empty.
func (p *pace) texts(status events.JobStatus) []string {
	rate := p.rate()
	if rate <= 0 || status.Status.IsFinal() {
		return []string{""}
	}
	left := time.Duration(float64(status.TotalSteps-status.CompletedSteps) / rate * float64(time.Second))
	remaining := max(left.Round(time.Second), time.Second).String() + " left"
	return []string{fmt.Sprintf("%s a second, %s", rateText(rate), remaining), remaining, ""}
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

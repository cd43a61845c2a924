package protocol_test

import (
	"fmt"
	"strings"
)

// items is the largest number of mappings of a job, and workers that of the classifier's workers. Two of each are
// enough for every conflict: two workers with one item, and one item that overtakes another. An item whose attempt
// maxAttempts fails has failed.
const (
	items       = 2
	workers     = 2
	maxAttempts = 2
)

// intent is the request of a user to a job.
type intent uint8

const (
	run intent = iota
	pause
	cancel
)

// outcome is the end of an item. The zero value is that of a queued one.
type outcome uint8

const (
	queued outcome = iota
	succeeded
	failed
	cancelled
)

// state is everything that the services store, have in a stream or remember. It is comparable, so that a state that was
// visited before is recognised.
type state struct {
	job       job
	item      [items]item
	mapping   [items]mapping
	view      view
	work      [items]work
	events    events
	worker    [workers]worker
	projector projector
	// mappings is the number of mappings of the report. It does not change.
	mappings uint8
	// faults and requests are the numbers of faults and of requests of users that may still follow.
	faults, requests uint8
}

// job is the row of jobs. Instead of its version, whatever depends on the version is marked as stale when the row is
// written.
type job struct {
	intent                intent
	started, listed       bool
	cancelled             uint8
	ended                 bool
	publishedListed       bool
	publishedFinished     bool
	sent                  [items]bool
	startedWithoutRunning bool // an item was begun although the job was not to run
}

// item is a row of job_items.
type item struct {
	exists  bool
	outcome outcome
	attempt uint8
	folded  bool
	changed bool // an outcome was replaced by another one
	stale   bool // an error was counted for another attempt than the present one
}

// mapping is a row of pde_mappings with what its history shows. A worker that has read an earlier version is stale.
type mapping struct {
	saves, history uint8 // of the job
	lost           bool  // a save replaced a version that it had not read
}

// view is the row of job_status.
type view struct {
	stale      bool // it was not computed from the job's present row
	running    bool // clients could see that the job runs
	final      bool
	count      [cancelled + 1]uint8
	earlyCount bool // an item was counted before clients could see that the job runs
}

func (v view) completed() uint8 { return v.count[succeeded] + v.count[failed] + v.count[cancelled] }

// work is the message of an item in PDE_WORK, which has at most one.
type work uint8

const (
	absent work = iota
	ready
	delivered // and not acknowledged
)

// events are the messages in PDE_EVENTS that the projector has not acknowledged. Two equal ones are as one.
type events struct {
	listed, bell bool
	item         [items]bool
}

// phase is the next step of a worker that has a message.
type phase uint8

const (
	idle phase = iota
	reading
	saving      // after the judgement
	savingItem  // the second half of a save that is not one transaction
	publishing  // after the commit
	ringing     // the item waits for its next attempt
	acknowledge // after the event
)

// worker is the memory of a worker.
type worker struct {
	phase   phase
	item    uint8
	stale   bool  // the mapping has changed since it was read
	attempt uint8 // of the item, as it was read
	fails   bool  // its judgement ended in an error
	holds   bool  // its message is still in the stream
}

// projector is the memory of the projector while it handles an event.
type projector struct {
	phase projectorPhase
	event event
	job   readJob
}

// readJob is what the projector reads of the row of jobs.
type readJob struct {
	stale                              bool // the row has changed since it was read
	cancelled                          uint8
	started, listed                    bool
	publishedListed, publishedFinished bool
}

func (s *state) read() readJob {
	j := &s.job
	return readJob{false, j.cancelled, j.started, j.listed, j.publishedListed, j.publishedFinished}
}

type projectorPhase uint8

const (
	waiting projectorPhase = iota
	counting
	counted   // the final status is committed
	finishing // job.finished is published and not recorded
)

// event is one of the events that the projector can receive. The values from 0 on are those of the items.
type event int8

const (
	bell   event = -1
	listed event = -2
)

func (s *state) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "    job %+v\n    view %+v\n    events %+v, projector %+v", s.job, s.view, s.events, s.projector)
	for i := range s.item {
		fmt.Fprintf(&b, "\n    item %d %+v mapping %+v message %d", i, s.item[i], s.mapping[i], s.work[i])
	}
	for i := range s.worker {
		fmt.Fprintf(&b, "\n    worker %d %+v", i, s.worker[i])
	}
	return b.String()
}

// writeJob marks what was computed from the job's row as stale.
func (s *state) writeJob() {
	s.view.stale = true
	s.projector.job.stale = s.projector.phase == counting
}

// writeMapping marks what was read of the mapping as stale.
func (s *state) writeMapping(i int) {
	for w := range s.worker {
		s.worker[w].stale = s.worker[w].stale || s.worker[w].phase == saving && int(s.worker[w].item) == i
	}
}

// lags reports whether the view does not show the rows yet.
func (s *state) lags() bool {
	lags := s.view.stale || s.job.ended && !s.job.publishedFinished
	for i := range s.item {
		it := &s.item[i]
		lags = lags || it.exists && it.outcome != queued && it.outcome != cancelled && !it.folded
	}
	return lags
}

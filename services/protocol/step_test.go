package protocol_test

import "fmt"

// mechanism is a part of the protocol that the exploration can leave out.
type mechanism uint32

const (
	// versionGuard saves a mapping only in the version that was read.
	versionGuard mechanism = 1 << iota
	// queuedGuard saves the outcome of an item only if it has none.
	queuedGuard
	// attemptGuard counts an error only for the attempt that was read.
	attemptGuard
	// oneTransaction saves mapping, item and history together.
	oneTransaction
	// cancelQueued cancels only items without an outcome.
	cancelQueued
	// outcomeGate does not judge an item that has an outcome.
	outcomeGate
	// intentGate does not judge an item of a job that is paused or cancelled.
	intentGate
	// redelivery delivers a message again if its worker died.
	redelivery
	// republish publishes the message of a queued item whenever it has none.
	republish
	// foldMark counts only items that are not marked as folded.
	foldMark
	// runningFirst commits that a job is running before it counts an item of it.
	runningFirst
	// startRead counts no item by a job's row that was read before the job started.
	startRead
	// listFirst ends a job only after its work list is complete.
	listFirst
	// endGuard ends a job only in the version of its row from which the status was computed.
	endGuard
	// repair publishes a bell for a job whose status lags its rows.
	repair
	// publishFirst acknowledges a work message only after the item's event was published.
	publishFirst
	// saveFirst acknowledges a work message only after the item was saved.
	saveFirst
	// finishFirst acknowledges the last event only after job.finished was published.
	finishFirst

	everything = 1<<iota - 1
)

// system is the protocol with these mechanisms.
type system struct{ has mechanism }

func (y system) with(m mechanism) bool { return y.has&m != 0 }

// visit is called with each state that follows by one step. Harm is true for a fault or a request of a user: no service
// may depend on one to get on.
type visit func(step string, harm bool, s state)

// steps visits all states that follow s.
func (y system) steps(s state, visit visit) {
	y.dispatcher(s, visit)
	for w := range s.worker {
		y.worker(s, w, visit)
	}
	y.projector(s, visit)
	y.user(s, visit)
	y.fault(s, visit)
}

// dispatcher starts, lists, cancels, publishes and repairs. Each step is a transaction or a publish of its own, so any
// number of dispatchers take the same steps.
func (y system) dispatcher(s state, visit visit) {
	if n := s; !s.job.started && s.job.intent == run && !s.job.ended {
		n.job.started = true
		n.writeJob()
		visit("dispatcher: MarkStarted", false, n)
	}
	y.list(s, visit)
	for i := range s.item {
		it := s.item[i]
		if n := s; s.job.intent == cancel && it.exists && it.outcome != cancelled && !s.job.ended &&
			(it.outcome == queued || !y.with(cancelQueued)) {
			n.item[i].changed = it.outcome != queued
			n.item[i].outcome, n.item[i].folded = cancelled, true
			n.job.cancelled++
			n.writeJob()
			visit(fmt.Sprintf("dispatcher: CancelItems %d", i), false, n)
		}
		if n := s; s.job.intent == run && it.exists && it.outcome == queued && s.work[i] == absent &&
			(y.with(republish) || !s.job.sent[i]) {
			n.work[i] = ready
			n.job.sent[i] = !y.with(republish)
			visit(fmt.Sprintf("dispatcher: publish mapping.requested %d", i), false, n)
		}
	}
	if n := s; s.job.listed && !s.job.publishedListed {
		n.events.listed, n.job.publishedListed = true, true
		visit("dispatcher: publish listed", false, n)
		n = s
		n.events.listed = true
		visit("dispatcher: publish listed, and die before it is recorded", true, n)
	}
	if n := s; y.with(repair) && s.lags() && s.events == (events{}) {
		n.events.bell = true
		visit("dispatcher: publish bell", false, n)
	}
}

// list writes pages of one mapping. The page without any completes the list.
func (y system) list(s state, visit visit) {
	if s.job.listed || s.job.intent == pause || s.job.ended || !s.job.started && s.job.intent == run {
		return
	}
	n := s
	n.writeJob()
	for i := range s.item[:s.mappings] {
		if s.item[i].exists {
			continue
		}
		n.item[i].exists = true
		if s.job.intent == cancel {
			n.item[i].outcome, n.item[i].folded = cancelled, true
			n.job.cancelled++
		}
		visit(fmt.Sprintf("dispatcher: InsertItems %d", i), false, n)
		return
	}
	n.job.listed = true
	visit("dispatcher: InsertItems, the list is complete", false, n)
}

// user pauses, resumes and cancels the job, and edits mappings. The api accepts no request for a job that has ended.
func (y system) user(s state, visit visit) {
	ask := func(name string, to intent) {
		n := s
		n.job.intent = to
		n.writeJob()
		if to != run {
			n.requests--
		}
		visit("user: "+name, true, n)
	}
	if s.job.intent == pause && !s.job.ended {
		ask("resume", run) // costs no request, so that no state is left paused
	}
	if s.requests == 0 {
		return
	}
	if s.job.intent == run && !s.job.ended {
		ask("pause", pause)
	}
	if s.job.intent != cancel && !s.job.ended {
		ask("cancel", cancel)
	}
	for i := range s.mapping[:s.mappings] {
		n := s
		n.writeMapping(i)
		n.requests--
		visit(fmt.Sprintf("user: edit %d", i), true, n)
	}
}

// fault loses, repeats and forges messages, and ends processes.
func (y system) fault(s state, visit visit) {
	for i := range s.work {
		if s.work[i] == delivered && s.holders(i) == 0 && y.with(redelivery) {
			n := s
			n.work[i] = ready
			visit(fmt.Sprintf("NATS: deliver %d again", i), false, n)
		}
	}
	if s.faults == 0 {
		return
	}
	s.faults--
	n := s
	n.work, n.events = [items]work{}, events{}
	for w := range n.worker {
		n.worker[w].holds = false
	}
	visit("fault: the streams are wiped", true, n)
	for i := range s.work {
		if s.work[i] == delivered && s.holders(i) > 0 {
			n := s
			n.work[i] = ready
			visit(fmt.Sprintf("fault: AckWait of %d passes while a worker has it", i), true, n)
		}
		if s.work[i] == absent && s.item[i].exists {
			n := s
			n.work[i] = ready
			visit(fmt.Sprintf("fault: %d is published from an old list", i), true, n)
		}
		if !s.events.item[i] {
			n := s
			n.events.item[i] = true
			visit(fmt.Sprintf("fault: the event of item %d is repeated or forged", i), true, n)
		}
	}
	for w := range s.worker {
		if s.worker[w].phase != idle {
			n := s
			n.worker[w] = worker{}
			visit("fault: a classifier dies", true, n)
		}
	}
	if s.projector.phase != waiting {
		n := s
		n.projector = projector{}
		visit("fault: the projector dies", true, n)
	}
}

// holders is the number of workers that have the message of the item.
func (s *state) holders(i int) (n int) {
	for _, w := range s.worker {
		if w.phase != idle && w.holds && int(w.item) == i {
			n++
		}
	}
	return n
}

package protocol_test

import "fmt"

// worker takes a message, reads, judges, saves, publishes and acknowledges; see [classifier.Classifier].
func (y system) worker(s state, w int, visit visit) {
	me, i := s.worker[w], s.worker[w].item
	step := func(name string, n state) { visit(fmt.Sprintf("worker %d: %s %d", w, name, i), false, n) }
	switch me.phase {
	case idle:
		for i := range s.work {
			if n := s; s.work[i] == ready {
				n.work[i] = delivered
				n.worker[w] = worker{phase: reading, item: uint8(i), holds: true}
				if !y.with(saveFirst) {
					n.remove(i)
				}
				y.read(n, w, visit)
			}
		}
	case reading:
		y.read(s, w, visit)
	case saving:
		y.save(s, w, step)
	case savingItem:
		n := s
		n.end(int(i), succeeded)
		n.mapping[i].history++
		n.worker[w].phase = publishing
		step("save the item of", n)
	case publishing:
		n := s
		n.events.item[i] = true
		n.worker[w].phase = acknowledge
		step("publish item", n)
	case ringing:
		n := s
		n.events.bell = true
		n.worker[w].phase = acknowledge
		step("publish bell for", n)
	case acknowledge:
		n := s
		if me.holds {
			n.remove(int(i))
		}
		n.worker[w] = worker{}
		step("acknowledge", n)
	}
}

// remove removes the message of the item from the stream. Later acknowledgements of it change nothing.
func (s *state) remove(i int) {
	s.work[i] = absent
	for w := range s.worker {
		if int(s.worker[w].item) == i {
			s.worker[w].holds = false
		}
	}
}

// end gives the item an outcome.
func (s *state) end(i int, o outcome) {
	s.item[i].changed = s.item[i].changed || s.item[i].outcome != queued
	s.item[i].outcome = o
}

// read reads the rows and passes the gate. A judgement may end in an error that counts.
func (y system) read(s state, w int, visit visit) {
	i := s.worker[w].item
	it, n := s.item[i], s
	step := func(name string, n state) { visit(fmt.Sprintf("worker %d: %s %d", w, name, i), false, n) }
	switch {
	case it.outcome == cancelled && y.with(outcomeGate):
		n.worker[w].phase = acknowledge
		step("read the cancelled", n)
	case it.outcome != queued && y.with(outcomeGate):
		n.worker[w].phase = publishing
		step("read the completed", n)
	case s.job.intent != run && y.with(intentGate):
		n.worker[w].phase = acknowledge
		step("read, not to run,", n)
	default:
		n.job.startedWithoutRunning = s.job.intent != run
		n.worker[w].phase, n.worker[w].attempt = saving, it.attempt
		step("judge", n)
		if n.faults > 0 {
			n.faults--
			n.worker[w].fails = true
			visit(fmt.Sprintf("worker %d: fail to judge %d", w, i), true, n)
		}
	}
}

// save writes the result, or counts the error.
func (y system) save(s state, w int, step func(string, state)) {
	me, i := s.worker[w], int(s.worker[w].item)
	it, n := s.item[i], s
	n.worker[w] = worker{item: me.item, holds: me.holds}
	isQueued := it.outcome == queued || !y.with(queuedGuard)
	switch {
	case me.fails && (!isQueued || me.attempt+1 < maxAttempts && y.with(attemptGuard) && it.attempt != me.attempt):
		n.worker[w].phase = acknowledge
		step("PostponeItem, for nothing,", n)
	case me.fails && me.attempt+1 < maxAttempts:
		n.item[i].attempt = me.attempt + 1
		n.item[i].stale = it.stale || it.attempt != me.attempt
		n.worker[w].phase = ringing
		step("PostponeItem", n)
	case me.fails:
		n.item[i].attempt = me.attempt + 1
		n.end(i, failed)
		n.worker[w].phase = publishing
		step("FailItem", n)
	case y.with(versionGuard) && me.stale, !isQueued:
		n.worker[w].phase = reading
		step("find a change of", n)
	default:
		n.mapping[i].lost = n.mapping[i].lost || me.stale
		n.mapping[i].saves++
		n.writeMapping(i)
		n.worker[w].phase = savingItem
		if y.with(oneTransaction) {
			n.mapping[i].history++
			n.end(i, succeeded)
			n.worker[w].phase = publishing
		}
		if !y.with(publishFirst) && me.holds {
			n.remove(i)
		}
		step("SaveWork", n)
	}
}

// projector takes an event, reads the job, counts, publishes job.finished and acknowledges; see [projector.Projector].
func (y system) projector(s state, visit visit) {
	p := s.projector
	step := func(name string, n state) { visit("projector: "+name, false, n) }
	switch p.phase {
	case waiting:
		for _, e := range s.received() {
			n := s
			n.projector = projector{counting, e, s.read()}
			if !y.with(finishFirst) {
				n.acknowledge(e)
			}
			step(fmt.Sprintf("LockStatus for %s", e), n)
		}
	case counting:
		y.count(s, step)
	case counted:
		n := s
		n.projector.phase = finishing
		step("publish job.finished", n)
	case finishing:
		n := s
		n.job.publishedFinished = true
		n.acknowledge(p.event)
		n.projector = projector{}
		step("record job.finished", n)
	}
}

func (e event) String() string {
	switch e {
	case bell:
		return "bell"
	case listed:
		return "listed"
	default:
		return fmt.Sprintf("item %d", int8(e))
	}
}

// received lists the events in the stream.
func (s *state) received() (all []event) {
	if s.events.listed {
		all = append(all, listed)
	}
	if s.events.bell {
		all = append(all, bell)
	}
	for i := range s.events.item {
		if s.events.item[i] {
			all = append(all, event(i))
		}
	}
	return all
}

func (s *state) acknowledge(e event) {
	switch e {
	case listed:
		s.events.listed = false
	case bell:
		s.events.bell = false
	default:
		s.events.item[e] = false
	}
}

// count folds the items that the event names, or all of them, and writes the status from the job's row as it was read.
func (y system) count(s state, step func(string, state)) {
	n, read := s, s.projector.job
	if y.with(runningFirst) && !s.view.running && read.started && !s.view.final {
		n.view.running = true
		n.projector.job = s.read() // the next transaction reads it again
		step("MarkRunning", n)
		return
	}
	for i := range n.item {
		it := &n.item[i]
		named := s.projector.event < 0 || int(s.projector.event) == i
		if named && it.outcome != queued && it.outcome != cancelled && (!it.folded || !y.with(foldMark)) {
			it.folded = true
			n.view.count[it.outcome]++
			n.view.earlyCount = n.view.earlyCount || !n.view.running
		}
	}
	if y.with(startRead) && !read.started && n.view.count != s.view.count {
		n = s
		n.projector.job = s.read()
		step("FoldItems, the job has started", n)
		return
	}
	n.view.count[cancelled] = read.cancelled
	n.view.stale = read.stale
	n.view.running = n.view.running || read.started
	total := n.view.completed() >= s.mappings || !y.with(listFirst) && n.view.completed() >= n.exist()
	if total && (read.listed || !y.with(listFirst)) {
		if !s.job.ended && y.with(endGuard) && read.stale {
			n = s
			n.projector.job = s.read()
			step("UpdateStatus, the job has changed", n)
			return
		}
		n.view.final, n.job.ended = true, true
	}
	p := s.projector
	if n.view.final && !read.publishedFinished && (read.publishedListed || p.event == listed) {
		n.projector.phase = counted
		step("UpdateStatus, the job has ended", n)
		return
	}
	// If the projector dies before the acknowledgement, the event is repeated, which is a fault of its own.
	n.acknowledge(p.event)
	n.projector = projector{}
	step(fmt.Sprintf("UpdateStatus, acknowledge %s", p.event), n)
}

// exist is the number of items that are listed.
func (s *state) exist() (n uint8) {
	for _, it := range s.item {
		if it.exists {
			n++
		}
	}
	return n
}

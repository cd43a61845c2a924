package throttle

import (
	"math"
	"time"
)

const (
	// epoch is the time after which the rate is adapted, if at least minStarted calls were started in it.
	epoch, minStarted = time.Second, 10
	// maxEpoch ends an epoch with fewer calls.
	maxEpoch = 10 * time.Second
	// growth is the share by which the rate grows in an epoch without a refusal. From the epoch after steadyEpochs of
	// them on it doubles with each, up to maxGrowth: the rate is far below what the provider allows.
	growth, steadyEpochs, maxGrowth = 0.03, 5, 0.3
	// minRate is the lowest rate, in calls per second.
	minRate = 0.1
	// holdEpochs is the number of epochs in which the rate stays after it has been restored.
	holdEpochs = 10
	// catchUp is how late a start may be without lowering the rate.
	catchUp = 100 * time.Millisecond
)

// pace is the rate at which calls start. The zero value does not limit it.
type pace struct {
	// rate is the number of starts per second; 0 does not limit it.
	rate float64
	// next is the time of the next start.
	next time.Time

	// clean is the number of epochs without a refusal since the last refusal.
	clean int

	began            time.Time // of the current epoch
	started, refused int       // in the current epoch

	// lowered is true if the last epoch has lowered the rate. The rate and the share of refusals were these before.
	lowered               bool
	rateBefore, shareThen float64
	hold                  int
}

// wait returns the time until the next start.
func (p *pace) wait(now time.Time) time.Duration {
	if p.rate == 0 {
		return 0
	}
	return max(p.next.Sub(now), 0)
}

// start counts a start.
func (p *pace) start(now time.Time) {
	if p.began.IsZero() {
		p.began = now
	}
	p.started++
	if p.rate > 0 {
		if earliest := now.Add(-catchUp); p.next.Before(earliest) {
			p.next = earliest
		}
		p.next = p.next.Add(p.interval())
	}
}

func (p *pace) interval() time.Duration { return time.Duration(float64(time.Second) / p.rate) }

// refuse counts a call that the provider has refused because there were too many.
func (p *pace) refuse() { p.refused++ }

// adapt changes the rate at the end of an epoch.
func (p *pace) adapt(now time.Time) {
	elapsed := now.Sub(p.began)
	if p.began.IsZero() || elapsed < epoch || p.started < minStarted && elapsed < maxEpoch {
		return
	}
	startRate := float64(p.started) / elapsed.Seconds()
	// A refusal comes at once, so that the others were accepted, answered or not.
	accepted := float64(max(p.started-p.refused, 0)) / elapsed.Seconds()
	share := float64(p.refused) / float64(max(p.started, 1))
	switch {
	case p.hold > 0:
		p.hold--
	case p.refused == 0:
		p.lowered = false
		if p.rate > 2*startRate {
			p.rate = 0 // something else limits the calls
		}
		p.clean++
		p.rate *= 1 + min(growth*math.Exp2(float64(max(p.clean-steadyEpochs, 0))), maxGrowth)
	case p.lowered && share > 0.7*p.shareThen:
		p.rate, p.lowered, p.hold = p.rateBefore, false, holdEpochs
	default:
		before := p.rate
		if before == 0 || before > startRate {
			before = startRate
		}
		p.rate, p.clean = max(accepted, minRate), 0
		if accepted == 0 {
			p.rate = max(before/2, minRate)
		}
		p.lowered = p.rate < 0.9*before
		p.rateBefore, p.shareThen = before, share
		p.next = now
	}
	p.began, p.started, p.refused = now, 0, 0
}

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
	// growth is the share by which the rate grows in an epoch without an unexpected refusal. From the epoch after
	// steadyEpochs of them on it doubles with each, up to maxGrowth: the rate is far below what the provider allows.
	growth, steadyEpochs, maxGrowth = 0.03, 5, 0.3
	// minRate is the lowest rate, in calls per second, and maxDrop the share by which one step lowers it at most: many
	// refusals may arrive at once after a delay.
	minRate, maxDrop = 0.1, 0.5
	// trialStarted is the number of starts after which the effect of a lower rate is judged; trialTime is the time, if
	// minAccepted calls were accepted in it, and maxTrial if they were not: a slow model has few starts.
	trialStarted, trialTime, maxTrial = 60, 5 * time.Second, time.Minute
	// minSteps is the number of steps after which refusals may be found to be independent of the rate, if at least
	// minAccepted calls were accepted since the last one.
	minSteps, minAccepted = 2, 20
	// helped is the share to which a step must lower the share of refusals to have been the right one.
	helped = 0.25
	// fading is the share by which background follows a lower share of refusals in an epoch.
	fading = 0.1
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
	// current is the epoch that is running.
	current period
	// background is the share of refusals that does not depend on the rate.
	background float64
	trial      trial
}

// period counts the starts and the refusals since it began.
type period struct {
	began            time.Time
	started, refused int
}

// share returns the share of the starts that were refused.
func (p period) share() float64 { return float64(p.refused) / float64(max(p.started, 1)) }

// isOver reports whether a trial since then can be judged.
func (p period) isOver(now time.Time) bool {
	elapsed := now.Sub(p.began)
	return p.started >= trialStarted || elapsed >= maxTrial ||
		elapsed >= trialTime && p.started-p.refused >= minAccepted
}

// rates returns the starts per second, and those of them that were not refused: a refusal comes at once, so that the
// others were accepted, answered or not.
func (p period) rates(now time.Time) (started, accepted float64) {
	seconds := now.Sub(p.began).Seconds()
	return float64(p.started) / seconds, float64(max(p.started-p.refused, 0)) / seconds
}

// trial judges whether a lower rate has fewer refusals. The zero value is no trial.
type trial struct {
	// steps is the number of times that the rate was lowered; 0 if no trial is running.
	steps int
	// rate is the one before the trial; share, started and accepted were measured at that rate.
	rate, share, started, accepted float64
	// since counts since the last step.
	since period
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
	if p.current.began.IsZero() {
		p.current.began = now
	}
	p.current.started++
	if p.rate > 0 {
		if earliest := now.Add(-catchUp); p.next.Before(earliest) {
			p.next = earliest
		}
		p.next = p.next.Add(p.interval())
	}
}

func (p *pace) interval() time.Duration { return time.Duration(float64(time.Second) / p.rate) }

// refuse counts a call that the provider has refused because there were too many.
func (p *pace) refuse() { p.current.refused++ }

// adapt changes the rate at the end of an epoch.
func (p *pace) adapt(now time.Time) {
	elapsed := now.Sub(p.current.began)
	if p.current.began.IsZero() || elapsed < epoch || p.current.started < minStarted && elapsed < maxEpoch {
		return
	}
	switch {
	case p.trial.steps > 0:
		p.trial.since.started += p.current.started
		p.trial.since.refused += p.current.refused
		if p.trial.since.isOver(now) {
			p.judge(now)
		}
	case p.expected(p.current):
		p.grow(now)
	default:
		started, accepted := p.current.rates(now)
		p.trial = trial{rate: p.rate, share: p.current.share(), started: started, accepted: accepted}
		if p.rate > 0 {
			started = min(started, p.rate)
		}
		p.lower(now, started, p.trial.share)
	}
	p.current = period{began: now}
}

// expected reports whether no more calls were refused than at any rate, but for chance.
func (p *pace) expected(e period) bool {
	n, b := float64(e.started), p.background
	return float64(e.refused) <= n*b+2*math.Sqrt(n*b*(1-b))
}

// grow makes the rate higher after an epoch without unexpected refusals.
func (p *pace) grow(now time.Time) {
	if share := p.current.share(); share < p.background {
		p.background += fading * (share - p.background)
	}
	if started, _ := p.current.rates(now); p.rate > 2*started {
		p.rate = 0 // something else limits the calls
	}
	p.clean++
	p.rate *= 1 + min(growth*math.Exp2(float64(max(p.clean-steadyEpochs, 0))), maxGrowth)
}

// lower makes the next step of a trial: the rate becomes what the provider has accepted at the rate before.
func (p *pace) lower(now time.Time, before, share float64) {
	p.rate = max(before*max(1-share, maxDrop), minRate)
	p.clean, p.next = 0, now
	p.trial.steps++
	p.trial.since = period{began: now}
}

// judge ends the trial if the lower rate has fewer refusals, or if the refusals do not depend on the rate, and makes
// another step if neither is clear. If they do not, the accepted calls fall with the rate; at the limit of a provider
// they stay.
func (p *pace) judge(now time.Time) {
	share := p.trial.since.share()
	_, accepted := p.trial.since.rates(now)
	fell := p.trial.since.started-p.trial.since.refused >= minAccepted &&
		accepted < p.trial.accepted*(1+p.rate/p.trial.started)/2
	switch {
	case share <= helped*p.trial.share:
		p.trial = trial{}
	case p.trial.steps >= minSteps && fell:
		p.rate, p.background = p.trial.rate, share
		p.trial = trial{}
	default:
		p.lower(now, p.rate, share)
	}
}

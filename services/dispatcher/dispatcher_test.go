package dispatcher

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAJobHasItsWindowOutstandingAndNoMore(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 30)
	d := k.dispatcher(Options{Window: 10, Slots: 1})
	k.turns(d)
	k.turns(d)
	if diff := cmp.Diff(10, len(k.outstanding(job))); diff != "" {
		t.Errorf("outstanding (-want +got):\n%s", diff)
	}
	first := k.outstanding(job)
	k.finish(job, first[:4]...)
	k.turns(d)
	now := k.outstanding(job)
	if len(now) != 10 || slices.Contains(now, first[0]) || !slices.Contains(now, first[9]) {
		t.Errorf("after four of %v: %v", first, now)
	}
}

func TestASmallJobHasItsShareBesideALargeOne(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	large, small := k.job("large", 100), k.job("small", 10)
	d := k.dispatcher(Options{Window: 20, Slots: 1})
	k.turns(d)
	if l, s := len(k.outstanding(large)), len(k.outstanding(small)); l != 10 || s != 10 {
		t.Errorf("%d of the large job are outstanding, %d of the small", l, s)
	}
	k.Exec("update jobs set ended_at = listed_at, announced_finished = true where id = ?", small.ID)
	k.turns(d)
	if l := len(k.outstanding(large)); l != 20 {
		t.Errorf("%d are outstanding when the large job has the lane for itself", l)
	}
}

func TestAShareIsOfTheRunningJobsOfTheLaneAndNeverLessThanTwiceTheSlots(t *testing.T) {
	t.Parallel()
	d := &Dispatcher{options: Options{Window: 100, Slots: 10}}
	running := schema.Job{Classifier: schema.Rules, Intent: schema.IntentRun}
	model := schema.Job{Classifier: schema.Hybrid, Intent: schema.IntentRun}
	paused := schema.Job{Classifier: schema.Rules, Intent: schema.IntentPause}
	ended := schema.Job{Classifier: schema.Rules, Intent: schema.IntentRun, EndedAt: time.Now()}
	for name, test := range map[string]struct {
		jobs []schema.Job
		want map[schema.Lane]int
	}{
		"alone":     {[]schema.Job{running, paused, ended}, map[schema.Lane]int{schema.RulesLane: 100}},
		"two lanes": {[]schema.Job{running, running, model}, map[schema.Lane]int{schema.RulesLane: 50, schema.LLMLane: 100}},
		"many":      {slices.Repeat([]schema.Job{running}, 50), map[schema.Lane]int{schema.RulesLane: 20}},
		"none":      {nil, map[schema.Lane]int{}},
	} {
		if diff := cmp.Diff(test.want, d.shares(test.jobs)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAHintIsTrustedForItsLife(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sent := hint{"job", "mapping", 1, 2}
	h := hints{sent: {until: now.Add(5 * time.Second)}}
	h.forget(now.Add(9*time.Second), 5*time.Second)
	if !h.fresh(sent, now.Add(4*time.Second)) {
		t.Error("a fresh hint is not trusted")
	}
	for _, other := range []hint{{"other", "mapping", 1, 2}, {"job", "other", 1, 2}, {"job", "mapping", 2, 2}, {"job", "mapping", 1, 3}} {
		if h.fresh(other, now) {
			t.Errorf("%v is taken for %v", other, sent)
		}
	}
	if h.fresh(sent, now.Add(5*time.Second)) {
		t.Error("an old hint is trusted")
	}
	if h.forget(now.Add(11*time.Second), 5*time.Second); len(h) != 0 {
		t.Error("an old hint is kept")
	}
}

func TestALostMessageIsSentAgainWhenItsHintIsOld(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	trusting, doubting := k.dispatcher(Options{}), k.dispatcher(Options{HintLife: time.Nanosecond})
	for _, d := range []*Dispatcher{trusting, doubting} {
		k.turns(d) // the second has all of them refused, which is as good a hint
	}
	k.lose()
	k.turns(trusting)
	if sent := k.outstanding(job); len(sent) != 0 {
		t.Errorf("sent although the hints are fresh: %v", sent)
	}
	k.turns(doubting)
	if sent := k.outstanding(job); len(sent) != 3 {
		t.Errorf("sent when the hints are old: %v", sent)
	}
}

func TestANewAttemptIsSentAtOnceWhenItIsDue(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	d := k.dispatcher(Options{})
	k.turns(d)
	k.lose()
	for id, wait := range map[string]time.Duration{"cards-1": 0, "cards-2": schema.LongestWait} {
		saved := schema.Saved{Attempt: 1, Code: schema.CodePanic, Error: "broke"}
		if _, err := schema.PostponeItem(t.Context(), k.DB, job.ID, id, saved, wait); err != nil {
			t.Fatal(err)
		}
	}
	k.turns(d)
	if diff := cmp.Diff([]string{"cards-1"}, k.outstanding(job)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestWhatWasSentBeforeAReconnectIsSentAgain(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 3)
	k.Run(k.dispatcher(Options{Interval: 10 * time.Millisecond}).Run)
	k.Eventually("all are sent", func() bool { return len(k.outstanding(job)) == 3 })
	k.lose()
	k.Bus.Stop()
	k.Bus.Restart()
	k.Eventually("the test is connected again", k.NC.IsConnected)
	k.Eventually("all are sent again", func() bool {
		_, err := k.JS.Stream(t.Context(), events.StreamWork)
		return err == nil && len(k.outstanding(job)) == 3
	})
}

func TestADeletedStreamIsDeclaredAgainAndFilledAtOnce(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	// The first job of every turn has a trouble of its own, which is what the turn reports.
	odd, job := k.job("odd", 1), k.job("cards", 3)
	k.Exec("update jobs set requested_by = '' where id = ?", odd.ID)
	d := k.dispatcher(Options{})
	if _, err := d.turn(t.Context()); err == nil {
		t.Fatal("a job that nobody has asked for is announced")
	}
	if sent := k.outstanding(job); len(sent) != 3 {
		t.Fatalf("the other job's trouble has kept it from its turn: %v", sent)
	}
	if err := k.JS.DeleteStream(t.Context(), events.StreamWork); err != nil {
		t.Fatal(err)
	}
	// Something new has to be sent for the loss to be seen; the other two are believed to be there.
	if _, err := schema.PostponeItem(t.Context(), k.DB, job.ID, "cards-2", schema.Saved{Attempt: 1, Code: schema.CodePanic}, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.turn(t.Context()); err == nil {
			t.Fatal("the turn went well")
		}
	}
	if sent := k.outstanding(job); len(sent) != 3 {
		t.Errorf("sent to the new stream: %v", sent)
	}
}

func TestWhileNATSIsAwayTheListGoesOnAndEachReasonIsLoggedOnce(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	k.Bus.Stop()
	job := k.job("cards", 9)
	k.Run(k.dispatcher(Options{Page: 2, Interval: time.Millisecond}).Run)
	k.Eventually("the list is complete", func() bool { return !k.ReadJob(job.ID).ListedAt.IsZero() })
	k.Bus.Restart()
	k.Eventually("the recovery is logged", func() bool { return k.Log.Count("turns are whole again") == 1 })
	// A server that has just started may refuse for another reason than that it is away.
	logged := map[string]int{}
	for line := range strings.Lines(k.Log.String()) {
		if _, problem, ok := strings.Cut(line, "turn cut short"); ok {
			logged[problem]++
		}
	}
	for problem, n := range logged {
		if n != 1 {
			t.Errorf("logged %d times, want once: %s", n, problem)
		}
	}
	if len(logged) == 0 {
		t.Error("the problem is not logged")
	}
	if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, k.said(job)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

func TestTwoDispatchersShareTheJobsAndSayNothingTwice(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	var jobs []schema.Job
	for _, name := range []string{"a", "b", "c", "d"} {
		jobs = append(jobs, k.job(name, 20))
	}
	for range 2 {
		k.Run(k.dispatcher(Options{Page: 3, Interval: time.Millisecond, BellPause: never}).Run)
	}
	for _, job := range jobs {
		k.Eventually("all of "+job.ReportID+" are sent", func() bool { return len(k.outstanding(job)) == 20 })
		if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, k.said(job)); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
		if now := k.ReadJob(job.ID); now.Listed != 20 {
			t.Errorf("%d are listed", now.Listed)
		}
	}
}

func TestAJobIsFreeWhenTheDispatcherThatHasItDies(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	other, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{ApplicationName: "victim"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback() //nolint:errcheck // its session is ended below
	if taken, err := schema.TakeJob(t.Context(), lock, job.ID); err != nil || !taken {
		t.Fatalf("taken %v, %v", taken, err)
	}
	d := k.dispatcher(Options{})
	k.turns(d)
	if now := k.ReadJob(job.ID); !now.StartedAt.IsZero() {
		t.Fatal("a job that another dispatcher has is started")
	}
	k.Exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'")
	k.Eventually("the job has its turn", func() bool {
		k.turns(d)
		return !k.ReadJob(job.ID).StartedAt.IsZero()
	})
}

func TestARequestWakesTheLoop(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	// The first turn is over when its news is out, and the next one is an hour away.
	first := k.job("first", 1)
	d := k.dispatcher(Options{Interval: never})
	k.Run(d.Run)
	k.Eventually("the first job is sent", func() bool { return len(k.outstanding(first)) == 1 })
	job := k.job("cards", 1)
	if err := events.NewPublisher(k.JS, "api").Publish(t.Context(), events.RegenerateRequestedOf(job)); err != nil {
		t.Fatal(err)
	}
	k.Eventually("the job is sent", func() bool { return len(k.outstanding(job)) == 1 })
}

func TestAJobThatNobodyWantsAnythingOfTakesNoTurn(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	quiet, owing := k.job("quiet", 3), k.job("owing", 3)
	d := k.dispatcher(Options{})
	k.turns(d)
	k.Intend(quiet.ID, schema.IntentPause)
	k.Intend(owing.ID, schema.IntentPause)
	k.turns(d)
	k.Exec("update jobs set announced_listed = false where id = ?", owing.ID)
	jobs, err := schema.JobsWithWork(t.Context(), k.DB, nil)
	if err != nil || len(jobs) != 1 || jobs[0].ID != owing.ID {
		t.Errorf("%d jobs have work, not only that of %s, %v", len(jobs), owing.ReportID, err)
	}
}

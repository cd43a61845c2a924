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
	f := newFixture(t)
	job := f.job("cards", 30)
	d := f.dispatcher(Options{Window: 10, Slots: 1})
	f.turns(d)
	f.turns(d)
	if diff := cmp.Diff(10, len(f.outstanding(job))); diff != "" {
		t.Errorf("outstanding (-want +got):\n%s", diff)
	}
	first := f.outstanding(job)
	f.finish(job, first[:4]...)
	f.turns(d)
	now := f.outstanding(job)
	if len(now) != 10 || slices.Contains(now, first[0]) || !slices.Contains(now, first[9]) {
		t.Errorf("outstanding after four of %v: got %v, want ten with the last of them", first, now)
	}
}

func TestASmallJobHasItsShareOfTheWindow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	large, small := f.job("large", 100), f.job("small", 10)
	d := f.dispatcher(Options{Window: 20, Slots: 1})
	f.turns(d)
	if l, s := len(f.outstanding(large)), len(f.outstanding(small)); l != 10 || s != 10 {
		t.Errorf("outstanding of the large and the small job: got %d and %d, want 10 and 10", l, s)
	}
	f.Exec("update jobs set ended_at = listed_at, published_finished = true where id = ?", small.ID)
	f.turns(d)
	if l := len(f.outstanding(large)); l != 20 {
		t.Errorf("outstanding of the only job: got %d, want 20", l)
	}
}

func TestShares_DividesTheWindowAmongTheRunningJobsOfALane(t *testing.T) {
	t.Parallel()
	d := &Dispatcher{options: Options{Window: 100, Slots: 10}}
	running := schema.Job{Classifier: schema.ClassifierRules, Intent: schema.IntentRun}
	model := schema.Job{Classifier: schema.ClassifierHybrid, Intent: schema.IntentRun}
	paused := schema.Job{Classifier: schema.ClassifierRules, Intent: schema.IntentPause}
	ended := schema.Job{Classifier: schema.ClassifierRules, Intent: schema.IntentRun, EndedAt: time.Now()}
	for name, test := range map[string]struct {
		jobs []schema.Job
		want map[schema.Lane]int
	}{
		"alone": {[]schema.Job{running, paused, ended}, map[schema.Lane]int{schema.LaneRules: 100}},
		"two lanes": {
			[]schema.Job{running, running, model},
			map[schema.Lane]int{schema.LaneRules: 50, schema.LaneLLM: 100},
		},
		"many": {slices.Repeat([]schema.Job{running}, 50), map[schema.Lane]int{schema.LaneRules: 20}},
		"none": {nil, map[schema.Lane]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, d.shares(test.jobs)); diff != "" {
				t.Errorf("shares (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAHintExpires(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sent := hint{"job", "mapping", 1, 2}
	h := hints{sent: {until: now.Add(5 * time.Second)}}
	h.forget(now.Add(9*time.Second), 5*time.Second)
	if !h.fresh(sent, now.Add(4*time.Second)) {
		t.Error("fresh before the expiry: got false, want true")
	}
	for _, other := range []hint{
		{"other", "mapping", 1, 2}, {"job", "other", 1, 2}, {"job", "mapping", 2, 2}, {"job", "mapping", 1, 3},
	} {
		if h.fresh(other, now) {
			t.Errorf("fresh(%v) with a hint for %v: got true, want false", other, sent)
		}
	}
	if h.fresh(sent, now.Add(5*time.Second)) {
		t.Error("fresh after the expiry: got true, want false")
	}
	if h.forget(now.Add(11*time.Second), 5*time.Second); len(h) != 0 {
		t.Error("forget kept an expired hint")
	}
}

func TestALostMessageIsPublishedAgainAfterItsHintExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	withHints, withoutHints := f.dispatcher(Options{}), f.dispatcher(Options{HintLife: time.Nanosecond})
	for _, d := range []*Dispatcher{withHints, withoutHints} {
		f.turns(d) // the publishes of the second one are rejected, which also gives hints
	}
	f.lose()
	f.turns(withHints)
	if sent := f.outstanding(job); len(sent) != 0 {
		t.Errorf("published with fresh hints: got %v, want none", sent)
	}
	f.turns(withoutHints)
	if sent := f.outstanding(job); len(sent) != 3 {
		t.Errorf("published with expired hints: got %v, want 3", sent)
	}
}

func TestANewAttemptIsPublishedAsSoonAsItIsDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	d := f.dispatcher(Options{})
	f.turns(d)
	f.lose()
	for id, wait := range map[string]time.Duration{"cards-1": 0, "cards-2": schema.LongestWait} {
		saved := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "broke"}
		if _, err := schema.PostponeItem(t.Context(), f.DB, job.ID, id, saved, wait); err != nil {
			t.Fatal(err)
		}
	}
	f.turns(d)
	if diff := cmp.Diff([]string{"cards-1"}, f.outstanding(job)); diff != "" {
		t.Errorf("outstanding (-want +got):\n%s", diff)
	}
}

func TestMessagesArePublishedAgainAfterAReconnect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	f.Run(f.dispatcher(Options{Interval: 10 * time.Millisecond}).Run)
	f.Eventually("all are published", func() bool { return len(f.outstanding(job)) == 3 })
	f.lose()
	f.Bus.Stop()
	f.Bus.Restart()
	f.Eventually("the test is connected again", f.NC.IsConnected)
	f.Eventually("all are published again", func() bool {
		_, err := f.JS.Stream(t.Context(), events.StreamWork)
		return err == nil && len(f.outstanding(job)) == 3
	})
}

func TestADeletedStreamIsDeclaredAgainAndFilledAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// The first job of every turn fails, and the turn returns its error.
	odd, job := f.job("odd", 1), f.job("cards", 3)
	f.Exec("update jobs set requested_by = '' where id = ?", odd.ID)
	d := f.dispatcher(Options{})
	if _, err := d.turn(t.Context()); err == nil {
		t.Fatal("turn: got nil, want an error")
	}
	if sent := f.outstanding(job); len(sent) != 3 {
		t.Fatalf("outstanding of the other job: got %v, want 3", sent)
	}
	if err := f.JS.DeleteStream(t.Context(), events.StreamWork); err != nil {
		t.Fatal(err)
	}
	// The loop notices the loss when it publishes something new; the other two items have hints.
	postponed := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic}
	if _, err := schema.PostponeItem(t.Context(), f.DB, job.ID, "cards-2", postponed, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.turn(t.Context()); err == nil {
			t.Fatal("turn: got nil, want an error")
		}
	}
	if sent := f.outstanding(job); len(sent) != 3 {
		t.Errorf("published to the new stream: got %v, want 3", sent)
	}
}

func TestWhileNATSIsDownListingContinuesAndEachReasonIsLoggedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Bus.Stop()
	job := f.job("cards", 9)
	f.Run(f.dispatcher(Options{Page: 2, Interval: time.Millisecond}).Run)
	f.Eventually("the list is complete", func() bool { return !f.ReadJob(job.ID).ListedAt.IsZero() })
	f.Bus.Restart()
	f.Eventually("the recovery is logged", func() bool { return f.Log.Count("turns succeed again") == 1 })
	// A server that has just started may reject a publish for other reasons.
	logged := map[string]int{}
	for line := range strings.Lines(f.Log.String()) {
		if _, reason, ok := strings.Cut(line, "turn failed"); ok {
			logged[reason]++
		}
	}
	for reason, n := range logged {
		if n != 1 {
			t.Errorf("log lines: got %d, want 1: %s", n, reason)
		}
	}
	if len(logged) == 0 || len(logged) > 3 {
		t.Errorf("reasons logged: got %d, want 1 to 3: %v", len(logged), logged)
	}
	if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, f.eventIDs(job)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestTwoDispatchersShareTheJobsAndPublishEachEventOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var jobs []schema.Job
	for _, name := range []string{"a", "b", "c", "d"} {
		jobs = append(jobs, f.job(name, 20))
	}
	for range 2 {
		f.Run(f.dispatcher(Options{Page: 3, Interval: time.Millisecond, BellPause: never}).Run)
	}
	for _, job := range jobs {
		f.Eventually("all of "+job.ReportID+" are published", func() bool { return len(f.outstanding(job)) == 20 })
		if diff := cmp.Diff([]string{"requested/JOB", "started/JOB", "listed/JOB"}, f.eventIDs(job)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if now := f.ReadJob(job.ID); now.Listed != 20 {
			t.Errorf("listed: got %d, want 20", now.Listed)
		}
	}
}

func TestAJobIsUnlockedWhenItsDispatcherDies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
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
	if taken, err := schema.TryLockJob(t.Context(), lock, job.ID); err != nil || !taken {
		t.Fatalf("TakeJob: got %v, %v, want true", taken, err)
	}
	d := f.dispatcher(Options{})
	f.turns(d)
	if now := f.ReadJob(job.ID); !now.StartedAt.IsZero() {
		t.Fatal("a job that another dispatcher has locked was started")
	}
	f.Exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'")
	f.Eventually("the job has its turn", func() bool {
		f.turns(d)
		return !f.ReadJob(job.ID).StartedAt.IsZero()
	})
}

func TestARequestWakesTheLoop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// The first turn ends after the first job is published, and the next one starts in an hour.
	first := f.job("first", 1)
	d := f.dispatcher(Options{Interval: never})
	f.Run(d.Run)
	f.Eventually("the first job is published", func() bool { return len(f.outstanding(first)) == 1 })
	job := f.job("cards", 1)
	if err := events.NewPublisher(f.JS, "api").Publish(t.Context(), events.RegenerateRequestedOf(job)); err != nil {
		t.Fatal(err)
	}
	f.Eventually("the job is published", func() bool { return len(f.outstanding(job)) == 1 })
}

func TestAPausedJobNeedsATurnOnlyIfAnEventIsUnpublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	quiet, late := f.job("quiet", 3), f.job("late", 3)
	d := f.dispatcher(Options{})
	f.turns(d)
	f.Intend(quiet.ID, schema.IntentPause)
	f.Intend(late.ID, schema.IntentPause)
	f.turns(d)
	f.Exec("update jobs set published_listed = false where id = ?", late.ID)
	jobs, err := schema.ListJobsWithWork(t.Context(), f.DB, nil)
	if err != nil || len(jobs) != 1 || jobs[0].ID != late.ID {
		t.Errorf("JobsWithWork: got %d jobs, %v, want that of %s", len(jobs), err, late.ReportID)
	}
}

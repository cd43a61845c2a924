package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// blocked runs turns until the reason why the job is blocked contains text, or until it is empty if text is empty.
func (f *fixture) blocked(d *Dispatcher, job schema.Job, text string) {
	f.T.Helper()
	f.Eventually("the job is blocked by "+text, func() bool {
		_, _ = d.turn(f.T.Context()) // the row has the error
		reason := f.ReadJob(job.ID).BlockedBy
		return strings.Contains(reason, text) && (reason == "") == (text == "")
	})
}

// limit sets the maximum size of a stream and its discard policy.
func (f *fixture) limit(stream string, bytes int64, discard jetstream.DiscardPolicy) {
	f.T.Helper()
	s, err := f.JS.Stream(f.T.Context(), stream)
	if err != nil {
		f.T.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.MaxBytes, config.Discard = bytes, discard
	if _, err := f.JS.UpdateStream(f.T.Context(), config); err != nil {
		f.T.Fatal(err)
	}
}

// classifier consumes messages of the rules lane until stop is called.
func (f *fixture) classifier() (stop func()) {
	f.T.Helper()
	consumer, err := f.JS.Consumer(f.T.Context(), events.StreamWork, events.ClassifierRules().Name)
	if err != nil {
		f.T.Fatal(err)
	}
	return f.Run(func(ctx context.Context) error {
		for ctx.Err() == nil {
			batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(500*time.Millisecond))
			if err != nil {
				return err
			}
			for m := range batch.Messages() {
				if err := m.Ack(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func TestAJobIsBlockedWhileAStreamIsFull(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{events.StreamWork, events.StreamEvents} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			job := f.job("cards", 3)
			f.limit(stream, 1, jetstream.DiscardNew)
			d := f.dispatcher(Options{Silence: time.Hour})
			reason := "NATS refuses messages for " + stream + ": maximum bytes exceeded"
			f.blocked(d, job, reason)
			d.setReady(func() error { _, err := d.turn(t.Context()); return err }())
			if err := d.Ready(); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("Ready: got %v, want %q", err, reason)
			}
			since, version := f.ReadJob(job.ID).BlockedSince, f.ReadJob(job.ID).Version
			f.blocked(d, job, reason)
			if now := f.ReadJob(job.ID); !now.BlockedSince.Equal(since) || now.Version != version {
				t.Error("the job was written again with the same reason")
			}
			f.limit(stream, -1, jetstream.DiscardNew)
			f.blocked(d, job, "")
			if n := len(f.outstanding(job)); n != 3 {
				t.Errorf("outstanding after the limit is raised: got %d, want 3", n)
			}
		})
	}
}

// The loop does not publish an event in every turn. A turn without one knows nothing new about the stream, so it must
// not report that NATS accepts events.
func TestARefusalStandsUntilAnEventIsPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 3)
	d := f.dispatcher(Options{BellCheck: never})
	f.turns(d)
	f.limit(events.StreamEvents, 1, jetstream.DiscardNew)
	const reason = "NATS refuses messages for PDE_EVENTS: maximum bytes exceeded"
	if err := d.stream.event(t.Context(), events.JobBell(job.ID)); err == nil {
		t.Fatal("event: got nil, want a refusal")
	}
	for range 3 {
		if _, err := d.turn(t.Context()); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("turn: got %v, want %q", err, reason)
		}
	}
	f.limit(events.StreamEvents, -1, jetstream.DiscardNew)
	d.stream.probed = time.Time{}
	f.turn(d)

	d.stream.refused = errors.New(reason)
	f.Exec("update jobs set ended_at = listed_at, published_finished = true")
	d.bells.checked = time.Time{}
	if _, err := d.turn(t.Context()); err == nil {
		t.Error("turn: got nil, want an error until the check for lagging jobs")
	}
	f.turn(d) // no job is left whose events NATS could refuse
}

// The window of one job may be larger than the stream. The job then waits for its own messages only.
func TestAStreamFullOfTheJobsOwnMessagesBlocksNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 50)
	f.limit(events.StreamWork, 3000, jetstream.DiscardNew)
	d := f.dispatcher(Options{})
	f.turns(d)
	sent := len(f.outstanding(job))
	f.turns(d)
	if now := f.ReadJob(job.ID); sent == 0 || sent >= 50 || now.BlockedBy != "" {
		t.Errorf("got %d outstanding, blocked by %q, want some and not blocked", sent, now.BlockedBy)
	}
}

func TestAJobIsBlockedWhileNoClassifierTakesItsWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 200)
	d := f.dispatcher(Options{LaneCheck: time.Millisecond, Silence: time.Second, HintLife: 100 * time.Millisecond})
	none := "no classifier takes work from the rules lane"
	f.blocked(d, job, none)
	stop := f.classifier()
	f.blocked(d, job, "")
	stop()
	f.blocked(d, job, none)
	// A dispatcher that has just started does not know the state of the lane, and keeps the reason.
	other := f.dispatcher(Options{LaneCheck: time.Millisecond, Silence: time.Hour})
	f.turns(other)
	if reason := f.ReadJob(job.ID).BlockedBy; !strings.Contains(reason, none) {
		t.Errorf("reason after a turn of a new dispatcher: got %q, want %q", reason, none)
	}
}

// The options are those of pdeflow serve.
func TestAJobIsBlockedWithin10sOfTheEndOfTheLastClassifier(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 200)
	_, js := f.Connect()
	stop := f.classifier()
	f.Run(New(f.DB, js, eventstest.Topology(), f.Logger(), Options{}).Run)
	f.Eventually("the job is listed", func() bool { return !f.ReadJob(job.ID).ListedAt.IsZero() })
	stop()
	ended := time.Now()
	f.Eventually("the job is blocked", func() bool {
		return strings.Contains(f.ReadJob(job.ID).BlockedBy, "no classifier takes work from the rules lane")
	})
	if took := time.Since(ended); took > 10*time.Second {
		t.Errorf("blocked: got %v after the end of the classifier, want at most 10s", took)
	}
}

func TestAJobIsBlockedWhileTheConsumerOfItsLaneIsPaused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 200)
	d := f.dispatcher(Options{LaneCheck: time.Millisecond, Silence: time.Second, HintLife: 100 * time.Millisecond})
	stop := f.classifier()
	defer stop()
	f.turns(d)
	name := events.ClassifierRules().Name
	if _, err := f.JS.PauseConsumer(t.Context(), events.StreamWork, name, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.blocked(d, job, "consumer "+name+" is paused until ")
	if _, err := f.JS.ResumeConsumer(t.Context(), events.StreamWork, name); err != nil {
		t.Fatal(err)
	}
	f.blocked(d, job, "")
}

// reset sets the position of the classifiers' consumer. An operator can do that, and so does a cluster that lost the
// end of a stream.
func (f *fixture) reset(seq uint64) {
	f.T.Helper()
	subject := "$JS.API.CONSUMER.RESET." + events.StreamWork + "." + events.ClassifierRules().Name
	answer, err := f.NC.Request(subject, fmt.Appendf(nil, `{"seq": %d}`, seq), eventstest.Patience)
	if err != nil {
		f.T.Fatal(err)
	}
	var reply struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &reply); err != nil || reply.Error != nil {
		f.T.Fatalf("reset: got %s (%v), want no error", answer.Data, err)
	}
}

func TestMessagesThatAreNeverDeliveredAreReplaced(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		position uint64
		log      string
	}{
		"past the messages": {11, "deleted undelivered messages"},
		"past the stream":   {1_000_000, "consumer is ahead of its stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			job := f.job("cards", 10)
			d := f.dispatcher(Options{
				LaneCheck: time.Millisecond, Silence: 300 * time.Millisecond, Undelivered: time.Second,
				HintLife: time.Millisecond,
			})
			f.turns(d)
			if n := len(f.outstanding(job)); n != 10 {
				t.Fatalf("outstanding: got %d, want 10", n)
			}
			f.reset(tc.position)
			f.blocked(d, job, "messages in PDE_WORK are not delivered")
			consumer := func() *jetstream.ConsumerInfo {
				c, err := f.JS.Consumer(t.Context(), events.StreamWork, events.ClassifierRules().Name)
				if err != nil {
					t.Fatal(err)
				}
				return c.CachedInfo()
			}
			f.Eventually("the messages can be delivered", func() bool {
				_, err := d.turn(t.Context())
				return err == nil && consumer().NumPending == 10
			})
			if f.Log.Count(tc.log) == 0 {
				t.Errorf("log: got no line with %q, want one", tc.log)
			}
			stop := f.classifier()
			defer stop()
			f.blocked(d, job, "")
		})
	}
}

// statements is a log handler that counts SQL statements.
type statements struct{ n atomic.Int64 }

func (s *statements) Enabled(context.Context, slog.Level) bool { return true }

func (s *statements) Handle(context.Context, slog.Record) error { s.n.Add(1); return nil }

func (s *statements) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s *statements) WithGroup(string) slog.Handler { return s }

func TestATurnOfAThousandWaitingJobsNeedsFiveStatements(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("cards", 1)
	f.turns(f.dispatcher(Options{}))
	saved := schema.ItemResult{Attempt: 1, Code: schema.ErrorCodePanic, Error: "broke"}
	if _, err := schema.PostponeItem(t.Context(), f.DB, job.ID, "cards-1", saved, schema.LongestWait); err != nil {
		t.Fatal(err)
	}
	err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Exec("update jobs set published_waiting = (select waiting_for from job_status)")
	f.Exec(`insert into reports select (jsonb_populate_record(r, jsonb_build_object('report_id', 'r' || n))).*
		from reports r, generate_series(1, 999) n where r.report_id = ?`, job.ReportID)
	f.Exec(`insert into jobs
		select (jsonb_populate_record(j, jsonb_build_object('id', 'j' || n, 'report_id', 'r' || n))).*
		from jobs j, generate_series(1, 999) n`)
	for _, table := range []string{"job_items", "job_status"} {
		f.Exec("insert into " + table + " select (jsonb_populate_record(t, jsonb_build_object('job_id', 'j' || n))).*" +
			" from " + table + " t, generate_series(1, 999) n")
	}
	var counted statements
	db, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{LogSQL: slog.New(&counted)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, js := f.Connect()
	d := New(db, js, events.Topology{}, f.Logger(), Options{BellCheck: time.Nanosecond})
	for range 3 {
		counted.n.Store(0)
		f.turn(d)
		if n := counted.n.Load(); n == 0 || n > 5 {
			t.Errorf("statements of a turn of 1,000 waiting jobs: got %d, want 1 to 5", n)
		}
	}
}

func TestAStreamThatIsNearlyFullIsLoggedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.job("cards", 3)
	d := f.dispatcher(Options{})
	check := func() {
		d.stream.measured = time.Time{}
		f.turns(d)
	}
	f.limit(events.StreamEvents, 1<<20, jetstream.DiscardOld)
	check()
	if n := f.Log.Count("80 % full"); n != 0 {
		t.Errorf("log lines about a stream with space: got %d, want 0", n)
	}
	stream, err := f.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	f.limit(events.StreamEvents, int64(stream.CachedInfo().State.Bytes)+1, jetstream.DiscardOld)
	for range 3 {
		check()
	}
	if n := f.Log.Count("80 % full"); n != 1 {
		t.Errorf("log lines about a nearly full stream: got %d, want 1", n)
	}
}

package dispatcher

import (
	"context"
	"encoding/json"
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

// blocked turns d until the job is blocked by a reason that has the text, or by nothing if that is empty.
func (k *fixture) blocked(d *Dispatcher, job schema.Job, text string) {
	k.T.Helper()
	k.Eventually("the job is blocked by "+text, func() bool {
		_, _ = d.turn(k.T.Context()) // the error is in the row
		reason := k.ReadJob(job.ID).BlockedBy
		return strings.Contains(reason, text) && (reason == "") == (text == "")
	})
}

// limit sets how many bytes a stream may hold, and whether it refuses more than that.
func (k *fixture) limit(stream string, bytes int64, discard jetstream.DiscardPolicy) {
	k.T.Helper()
	s, err := k.JS.Stream(k.T.Context(), stream)
	if err != nil {
		k.T.Fatal(err)
	}
	config := s.CachedInfo().Config
	config.MaxBytes, config.Discard = bytes, discard
	if _, err := k.JS.UpdateStream(k.T.Context(), config); err != nil {
		k.T.Fatal(err)
	}
}

// classifierIs has somebody ask for messages of the rules lane, as a classifier does, until stop is called.
func (k *fixture) classifierIs() (stop func()) {
	k.T.Helper()
	consumer, err := k.JS.Consumer(k.T.Context(), events.StreamWork, events.ClassifierRules().Name)
	if err != nil {
		k.T.Fatal(err)
	}
	return k.Run(func(ctx context.Context) error {
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

func TestAJobWhosePublishesAreRefusedIsBlockedUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{events.StreamWork, events.StreamEvents} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			k := newFixture(t)
			job := k.job("cards", 3)
			k.limit(stream, 1, jetstream.DiscardNew)
			d := k.dispatcher(Options{Silence: time.Hour})
			reason := "NATS refuses messages for " + stream + ": maximum bytes exceeded"
			k.blocked(d, job, reason)
			d.setReady(func() error { _, err := d.turn(t.Context()); return err }())
			if err := d.Ready(); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("ready: %v", err)
			}
			since, version := k.ReadJob(job.ID).BlockedSince, k.ReadJob(job.ID).Version
			k.blocked(d, job, reason)
			if now := k.ReadJob(job.ID); !now.BlockedSince.Equal(since) || now.Version != version {
				t.Error("the same reason is written at every turn")
			}
			k.limit(stream, -1, jetstream.DiscardNew)
			k.blocked(d, job, "")
			if n := len(k.outstanding(job)); n != 3 {
				t.Errorf("%d are outstanding when there is room", n)
			}
		})
	}
}

// The window of one job may be larger than the room of the stream. That is no reason to wait for anything else.
func TestAStreamThatIsFullOfTheJobsOwnMessagesBlocksNothing(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 50)
	k.limit(events.StreamWork, 3000, jetstream.DiscardNew)
	d := k.dispatcher(Options{})
	k.turns(d)
	sent := len(k.outstanding(job))
	k.turns(d)
	if now := k.ReadJob(job.ID); sent == 0 || sent >= 50 || now.BlockedBy != "" {
		t.Errorf("%d are outstanding, blocked by %q", sent, now.BlockedBy)
	}
}

func TestAJobIsBlockedWhileNoClassifierTakesItsWork(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 200)
	d := k.dispatcher(Options{LaneLook: time.Millisecond, Silence: time.Second, HintLife: 100 * time.Millisecond})
	none := "no classifier takes work from the rules lane"
	k.blocked(d, job, none)
	stop := k.classifierIs()
	k.blocked(d, job, "")
	stop()
	k.blocked(d, job, none)
	// A dispatcher that has just begun to look does not know yet, and leaves the reason.
	other := k.dispatcher(Options{LaneLook: time.Millisecond, Silence: time.Hour})
	k.turns(other)
	if reason := k.ReadJob(job.ID).BlockedBy; !strings.Contains(reason, none) {
		t.Errorf("a dispatcher that knows nothing has changed the reason to %q", reason)
	}
}

// reset sets the position of the classifiers' consumer, as an operator may, and as a cluster does that lost the end of a stream.
func (k *fixture) reset(seq uint64) {
	k.T.Helper()
	answer, err := k.NC.Request("$JS.API.CONSUMER.RESET."+events.StreamWork+"."+events.ClassifierRules().Name,
		fmt.Appendf(nil, `{"seq": %d}`, seq), eventstest.Patience)
	if err != nil {
		k.T.Fatal(err)
	}
	var reply struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &reply); err != nil || reply.Error != nil {
		k.T.Fatalf("reset: %s (%v)", answer.Data, err)
	}
}

func TestMessagesThatAreNeverDeliveredAreReplaced(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		position uint64
		log      string
	}{
		"past the messages": {11, "deleted messages that were not delivered"},
		"past the stream":   {1_000_000, "consumer is ahead of its stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFixture(t)
			job := k.job("cards", 10)
			d := k.dispatcher(Options{LaneLook: time.Millisecond, Silence: 300 * time.Millisecond, Undelivered: time.Second, HintLife: time.Millisecond})
			k.turns(d)
			if n := len(k.outstanding(job)); n != 10 {
				t.Fatalf("%d are outstanding", n)
			}
			k.reset(tc.position)
			k.blocked(d, job, "messages in PDE_WORK are not delivered")
			consumer := func() *jetstream.ConsumerInfo {
				c, err := k.JS.Consumer(t.Context(), events.StreamWork, events.ClassifierRules().Name)
				if err != nil {
					t.Fatal(err)
				}
				return c.CachedInfo()
			}
			k.Eventually("the messages can be delivered", func() bool {
				_, err := d.turn(t.Context())
				return err == nil && consumer().NumPending == 10
			})
			if k.Log.Count(tc.log) == 0 {
				t.Errorf("the log does not have %q", tc.log)
			}
			stop := k.classifierIs()
			defer stop()
			k.blocked(d, job, "")
		})
	}
}

// statements counts what a logger of statements receives.
type statements struct{ n atomic.Int64 }

func (s *statements) Enabled(context.Context, slog.Level) bool { return true }

func (s *statements) Handle(context.Context, slog.Record) error { s.n.Add(1); return nil }

func (s *statements) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s *statements) WithGroup(string) slog.Handler { return s }

func TestATurnAsksOnceWhichOfAThousandJobsHaveWork(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	job := k.job("cards", 1)
	k.turns(k.dispatcher(Options{}))
	saved := schema.Saved{Attempt: 1, Code: schema.CodePanic, Error: "broke"}
	if _, err := schema.PostponeItem(t.Context(), k.DB, job.ID, "cards-1", saved, schema.LongestWait); err != nil {
		t.Fatal(err)
	}
	err := k.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RebuildStatus(ctx, tx, job.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Exec("update jobs set announced_waiting = (select waiting_for from job_status)")
	k.Exec(`insert into reports select (jsonb_populate_record(r, jsonb_build_object('report_id', 'r' || n))).*
		from reports r, generate_series(1, 999) n where r.report_id = ?`, job.ReportID)
	k.Exec(`insert into jobs select (jsonb_populate_record(j, jsonb_build_object('id', 'j' || n, 'report_id', 'r' || n))).* from jobs j, generate_series(1, 999) n`)
	for _, table := range []string{"job_items", "job_status"} {
		k.Exec("insert into " + table + " select (jsonb_populate_record(t, jsonb_build_object('job_id', 'j' || n))).* from " + table + " t, generate_series(1, 999) n")
	}
	var counted statements
	db, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{LogSQL: slog.New(&counted)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, js := k.Connect()
	d := New(db, js, events.Topology{}, k.Logger(), Options{Look: time.Nanosecond})
	for range 3 {
		counted.n.Store(0)
		k.turn(d)
		if n := counted.n.Load(); n == 0 || n > 5 {
			t.Errorf("a turn of 1,000 jobs that wait takes %d statements", n)
		}
	}
}

func TestAStreamThatIsNearlyFullIsLoggedOnce(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	k.job("cards", 3)
	d := k.dispatcher(Options{})
	look := func() {
		d.stream.measured = time.Time{}
		k.turns(d)
	}
	k.limit(events.StreamEvents, 1<<20, jetstream.DiscardOld)
	look()
	if n := k.Log.Count("80 % full"); n != 0 {
		t.Errorf("a stream with room is logged %d times", n)
	}
	news, err := k.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	k.limit(events.StreamEvents, int64(news.CachedInfo().State.Bytes)+1, jetstream.DiscardOld)
	for range 3 {
		look()
	}
	if n := k.Log.Count("80 % full"); n != 1 {
		t.Errorf("a stream that is nearly full is logged %d times", n)
	}
}

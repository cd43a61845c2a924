package dispatcher

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// patience is how long a test waits for what must happen; it is no measure of speed.
const patience = time.Minute

// never is a time that does not come in a test.
const never = time.Hour

// desk is a real Postgres and a real nats-server, at which a test has a dispatcher turn by hand, or lets it run.
type desk struct {
	t   *testing.T
	db  *schema.DB
	bus *eventstest.Server
	nc  *nats.Conn
	js  jetstream.JetStream
	log *logbook
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	k := &desk{t: t, db: schematest.New(t), bus: eventstest.Start(t), log: &logbook{}}
	k.nc, k.js = k.connect()
	if err := (events.Topology{}).Declare(t.Context(), k.js); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(k.log.String())
		}
	})
	return k
}

func (k *desk) connect() (*nats.Conn, jetstream.JetStream) {
	k.t.Helper()
	nc, err := events.Connect(k.bus.URL(), k.t.Name(), "", slog.New(slog.DiscardHandler), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		k.t.Fatal(err)
	}
	return nc, js
}

// dispatcher looks for what lags in every turn, and believes its hints for ever, unless the options say otherwise.
func (k *desk) dispatcher(o Options) *Dispatcher {
	k.t.Helper()
	if o.Interval == 0 {
		o.Interval = time.Nanosecond
	}
	if o.HintLife == 0 {
		o.HintLife = never
	}
	nc, js := k.connect()
	return New(k.db, nc, js, events.Topology{}, slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug})), o)
}

// run lets the dispatcher run until the test ends or stop is called, which waits for it.
func (k *desk) run(d *Dispatcher) (stop func()) {
	k.t.Helper()
	ctx, cancel := context.WithCancel(k.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			k.t.Errorf("run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	k.t.Cleanup(stop)
	return stop
}

// turn has the dispatcher turn once, which must go well.
func (k *desk) turn(d *Dispatcher) (more bool) {
	k.t.Helper()
	more, err := d.turn(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return more
}

// turns has it turn until no pages are left, and returns how often it turned.
func (k *desk) turns(d *Dispatcher) (n int) {
	k.t.Helper()
	for n = 1; k.turn(d); n++ {
		if n > 100 {
			k.t.Fatal("it always has more")
		}
	}
	return n
}

// job asks for a job over a report of its own, with this name and so many mappings, NAME-1 and so on.
func (k *desk) job(report string, mappings int) schema.Job {
	k.t.Helper()
	k.exec(`insert into reports (cycle_id, report_id, name, mapping_count, created_at, created_by, updated_at, updated_by)
		values (?, ?, ?, ?, now(), 'test', now(), 'test')`, schematest.CycleID, report, report, mappings)
	k.exec(`insert into attributes (id, cycle_id, report_id, identity, attribute_name, created_at, created_by, updated_at, updated_by)
		select ? || '-' || n, ?, ?, 'item:' || n, 'Current Balance', now(), 'test', now(), 'test' from generate_series(1, ?) n`,
		report, schematest.CycleID, report, mappings)
	k.exec(`insert into pde_mappings (id, cycle_id, report_id, attribute_id, created_at, created_by, updated_at, updated_by)
		select id, cycle_id, report_id, id, created_at, created_by, updated_at, updated_by from attributes where report_id = ?`, report)
	return k.jobOf(report, mappings)
}

// jobOf asks for another job over the report.
func (k *desk) jobOf(report string, mappings int) schema.Job {
	k.t.Helper()
	var job schema.Job
	// The seed's report need not be there: the job is moved before anybody looks.
	k.exec(`insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		values (?, ?, '', now(), 'test', now(), 'test') on conflict do nothing`, schematest.CycleID, schematest.ReportID)
	job = schematest.Job(k.t, k.db, mappings)
	k.exec("update jobs set report_id = ? where id = ?", report, job.ID)
	return k.read(job.ID)
}

func (k *desk) read(jobID string) schema.Job {
	k.t.Helper()
	job, err := schema.ReadJob(k.t.Context(), k.db, jobID)
	if err != nil {
		k.t.Fatal(err)
	}
	return job
}

// intend records what somebody wants of the job.
func (k *desk) intend(jobID string, intents ...schema.Intent) {
	k.t.Helper()
	for _, intent := range intents {
		err := k.db.RunInTx(k.t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			job, err := schema.LockJob(ctx, tx, jobID)
			if err != nil {
				return err
			}
			_, err = schema.RecordIntent(ctx, tx, job, intent, "olga", "00-0000000000000000000000000000abcd-00000000000000ff-01")
			return err
		})
		if err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k *desk) exec(query string, args ...any) {
	k.t.Helper()
	if _, err := k.db.NewRaw(query, args...).Exec(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

func (k *desk) count(query string, args ...any) (n int) {
	k.t.Helper()
	if err := k.db.NewRaw(query, args...).Scan(k.t.Context(), &n); err != nil {
		k.t.Fatal(err)
	}
	return n
}

// messages reads a stream from its beginning; what was acknowledged is not there.
func (k *desk) messages(stream string) (all []*jetstream.RawStreamMsg) {
	k.t.Helper()
	// The dispatcher's connection may be back before the test's own is.
	k.eventually("the test's connection is back", k.nc.IsConnected)
	s, err := k.js.Stream(k.t.Context(), stream)
	if err != nil {
		k.t.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; state.Msgs > 0 && seq <= state.LastSeq; seq++ {
		if m, err := s.GetMsg(k.t.Context(), seq); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// said lists the ids of what was said of the job, in order, bells left out.
func (k *desk) said(job schema.Job) (ids []string) {
	k.t.Helper()
	for _, m := range k.messages(events.StreamEvents) {
		id := m.Header.Get("ce-id")
		if strings.HasSuffix(m.Subject, "."+job.ID) && !strings.HasPrefix(id, "bell/") {
			ids = append(ids, strings.Replace(id, job.ID, "JOB", 1))
		}
	}
	return ids
}

// bells counts the bells of the job.
func (k *desk) bells(job schema.Job) (n int) {
	k.t.Helper()
	for _, m := range k.messages(events.StreamEvents) {
		if m.Header.Get("ce-id") == "bell/"+job.ID {
			n++
		}
	}
	return n
}

// outstanding lists the mappings of the job that have a message, in the order of the numbers in their ids.
func (k *desk) outstanding(job schema.Job) (ids []string) {
	k.t.Helper()
	for _, m := range k.messages(events.StreamWork) {
		if subject, err := events.ParseSubject(m.Subject); err == nil && subject.JobID == job.ID {
			ids = append(ids, subject.MappingID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(fmt.Sprintf("%9s", a), fmt.Sprintf("%9s", b)) })
	return ids
}

// lose removes every message of the work stream, as a server may.
func (k *desk) lose() {
	k.t.Helper()
	s, err := k.js.Stream(k.t.Context(), events.StreamWork)
	if err != nil {
		k.t.Fatal(err)
	}
	if err := s.Purge(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

// finish gives the mappings their outcomes and takes their messages away, as the classifier does.
func (k *desk) finish(job schema.Job, ids ...string) {
	k.t.Helper()
	for _, id := range ids {
		saved := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "broke"}
		if err := schema.FailItem(k.t.Context(), k.db, job.ID, id, saved); err != nil {
			k.t.Fatal(err)
		}
		s, err := k.js.Stream(k.t.Context(), events.StreamWork)
		if err != nil {
			k.t.Fatal(err)
		}
		subject := events.MappingRequestedSubject(schema.RulesLane, job.ID, id).String()
		if err := s.Purge(k.t.Context(), jetstream.WithPurgeSubject(subject)); err != nil {
			k.t.Fatal(err)
		}
	}
}

// eventually waits until the condition holds, for what announces itself to nobody.
func (k *desk) eventually(what string, condition func() bool) {
	k.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-late:
			k.t.Fatalf("%v have passed and not yet: %s", patience, what)
		}
	}
}

func numbered(name string, from, to int) (ids []string) {
	for n := from; n <= to; n++ {
		ids = append(ids, fmt.Sprintf("%s-%d", name, n))
	}
	return ids
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count is how many lines say so.
func (l *logbook) count(text string) int { return strings.Count(l.String(), text) }

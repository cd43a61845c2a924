package dispatcher

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "15") // a default: the command line is parsed later
	schematest.Main(m)
}

// never is longer than any test.
const never = time.Hour

// fixture is a database and a nats-server. A test runs single turns of a dispatcher, or its loop.
type fixture struct{ *eventstest.Fixture }

// in returns the fixture for a subtest: errors fail the subtest and not its parent.
func (f *fixture) in(t *testing.T) *fixture { return &fixture{f.In(t)} }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{eventstest.NewFixture(t)}
}

// dispatcher returns a dispatcher that, by default, checks for lagging jobs in every turn and whose hints never expire.
func (f *fixture) dispatcher(o Options) *Dispatcher {
	f.T.Helper()
	if o.Interval == 0 {
		o.Interval = time.Nanosecond
	}
	if o.BellCheck == 0 {
		o.BellCheck = time.Nanosecond
	}
	if o.CancelPage == 0 {
		o.CancelPage = o.Page
	}
	if o.HintLife == 0 {
		o.HintLife = never
	}
	_, js := f.Connect()
	return New(f.DB, js, eventstest.Topology(), f.Logger(), o)
}

// turn runs one turn, and fails the test on an error.
func (f *fixture) turn(d *Dispatcher) (more bool) {
	f.T.Helper()
	more, err := d.turn(f.T.Context())
	if err != nil {
		f.T.Fatal(err)
	}
	return more
}

// turns runs turns until no pages are left, and returns their number.
func (f *fixture) turns(d *Dispatcher) (n int) {
	f.T.Helper()
	for n = 1; f.turn(d); n++ {
		if n > 100 {
			f.T.Fatal("turns: got more than 100")
		}
	}
	return n
}

// job inserts a report with this name and its mappings NAME-1, NAME-2 and so on, and requests a job for it.
func (f *fixture) job(report string, mappings int) schema.Job {
	f.T.Helper()
	f.Exec(`insert into reports
			(cycle_id, report_id, name, mapping_count, created_at, created_by, updated_at, updated_by)
		values (?, ?, ?, ?, now(), 'test', now(), 'test')`, schematest.CycleID, report, report, mappings)
	f.Exec(`insert into attributes
			(id, cycle_id, report_id, identity, attribute_name, created_at, created_by, updated_at, updated_by)
		select ? || '-' || n, ?, ?, 'item:' || n, 'Current Balance', now(), 'test', now(), 'test'
		from generate_series(1, ?) n`, report, schematest.CycleID, report, mappings)
	f.Exec(`insert into pde_mappings
			(id, cycle_id, report_id, attribute_id, created_at, created_by, updated_at, updated_by)
		select id, cycle_id, report_id, id, created_at, created_by, updated_at, updated_by
		from attributes where report_id = ?`, report)
	return f.jobOf(report, mappings)
}

// jobOf requests another job for the report.
func (f *fixture) jobOf(report string, mappings int) schema.Job {
	f.T.Helper()
	var job schema.Job
	// schematest.Job uses the report of the seed, which may not exist; the job is moved to the other report.
	f.Exec(`insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		values (?, ?, '', now(), 'test', now(), 'test') on conflict do nothing`,
		schematest.CycleID, schematest.ReportID)
	job = schematest.Job(f.T, f.DB, mappings)
	f.Exec("update jobs set report_id = ? where id = ?", report, job.ID)
	return f.ReadJob(job.ID)
}

// eventIDs returns the ids of the job's events in order, without bells.
func (f *fixture) eventIDs(job schema.Job) (ids []string) {
	f.T.Helper()
	for _, m := range f.Messages(events.StreamEvents) {
		id := m.Header.Get("ce-id")
		if strings.HasSuffix(m.Subject, "."+job.ID) && !strings.HasPrefix(id, "bell/") {
			ids = append(ids, strings.Replace(id, job.ID, "JOB", 1))
		}
	}
	return ids
}

// bells counts the bells of the job.
func (f *fixture) bells(job schema.Job) (n int) {
	f.T.Helper()
	for _, m := range f.Messages(events.StreamEvents) {
		if m.Header.Get("ce-id") == "bell/"+job.ID {
			n++
		}
	}
	return n
}

// outstanding returns the mappings of the job that have a message, ordered by the numbers in their ids.
func (f *fixture) outstanding(job schema.Job) (ids []string) {
	f.T.Helper()
	for _, m := range f.Messages(events.StreamWork) {
		if subject, err := events.ParseSubject(m.Subject); err == nil && subject.JobID == job.ID {
			ids = append(ids, subject.MappingID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return strings.Compare(fmt.Sprintf("%9s", a), fmt.Sprintf("%9s", b))
	})
	return ids
}

// lose removes all messages of the work stream.
func (f *fixture) lose() {
	f.T.Helper()
	s, err := f.JS.Stream(f.T.Context(), events.StreamWork)
	if err != nil {
		f.T.Fatal(err)
	}
	if err := s.Purge(f.T.Context()); err != nil {
		f.T.Fatal(err)
	}
}

// finish writes an outcome for the mappings and removes their messages, as the classifier does.
func (f *fixture) finish(job schema.Job, ids ...string) {
	f.T.Helper()
	for _, id := range ids {
		saved := schema.ItemResult{Attempt: 5, Code: schema.ErrorCodePanic, Error: "broke"}
		if err := schema.FailItem(f.T.Context(), f.DB, job.ID, id, saved); err != nil {
			f.T.Fatal(err)
		}
		s, err := f.JS.Stream(f.T.Context(), events.StreamWork)
		if err != nil {
			f.T.Fatal(err)
		}
		subject := events.MappingRequestedSubject(schema.LaneRules, job.ID, id).String()
		if err := s.Purge(f.T.Context(), jetstream.WithPurgeSubject(subject)); err != nil {
			f.T.Fatal(err)
		}
	}
}

func numbered(name string, from, to int) (ids []string) {
	for n := from; n <= to; n++ {
		ids = append(ids, fmt.Sprintf("%s-%d", name, n))
	}
	return ids
}

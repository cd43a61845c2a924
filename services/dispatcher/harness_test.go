package dispatcher

import (
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

func TestMain(m *testing.M) { schematest.Main(m) }

// never is a time that does not come in a test.
const never = time.Hour

// fixture is a real Postgres and a real nats-server, at which a test has a dispatcher turn by hand, or lets it run.
type fixture struct{ *eventstest.Fixture }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{eventstest.NewFixture(t)}
}

// dispatcher looks for what lags in every turn, and believes its hints for ever, unless the options say otherwise.
func (k *fixture) dispatcher(o Options) *Dispatcher {
	k.T.Helper()
	if o.Interval == 0 {
		o.Interval = time.Nanosecond
	}
	if o.Look == 0 {
		o.Look = time.Nanosecond
	}
	if o.CancelPage == 0 {
		o.CancelPage = o.Page
	}
	if o.HintLife == 0 {
		o.HintLife = never
	}
	_, js := k.Connect()
	return New(k.DB, js, eventstest.Topology(), k.Logger(), o)
}

// turn has the dispatcher turn once, which must go well.
func (k *fixture) turn(d *Dispatcher) (more bool) {
	k.T.Helper()
	more, err := d.turn(k.T.Context())
	if err != nil {
		k.T.Fatal(err)
	}
	return more
}

// turns has it turn until no pages are left, and returns how often it turned.
func (k *fixture) turns(d *Dispatcher) (n int) {
	k.T.Helper()
	for n = 1; k.turn(d); n++ {
		if n > 100 {
			k.T.Fatal("it always has more")
		}
	}
	return n
}

// job asks for a job over a report of its own, with this name and so many mappings, NAME-1 and so on.
func (k *fixture) job(report string, mappings int) schema.Job {
	k.T.Helper()
	k.Exec(`insert into reports (cycle_id, report_id, name, mapping_count, created_at, created_by, updated_at, updated_by)
		values (?, ?, ?, ?, now(), 'test', now(), 'test')`, schematest.CycleID, report, report, mappings)
	k.Exec(`insert into attributes (id, cycle_id, report_id, identity, attribute_name, created_at, created_by, updated_at, updated_by)
		select ? || '-' || n, ?, ?, 'item:' || n, 'Current Balance', now(), 'test', now(), 'test' from generate_series(1, ?) n`,
		report, schematest.CycleID, report, mappings)
	k.Exec(`insert into pde_mappings (id, cycle_id, report_id, attribute_id, created_at, created_by, updated_at, updated_by)
		select id, cycle_id, report_id, id, created_at, created_by, updated_at, updated_by from attributes where report_id = ?`, report)
	return k.jobOf(report, mappings)
}

// jobOf asks for another job over the report.
func (k *fixture) jobOf(report string, mappings int) schema.Job {
	k.T.Helper()
	var job schema.Job
	// The seed's report need not be there: the job is moved before anybody looks.
	k.Exec(`insert into reports (cycle_id, report_id, name, created_at, created_by, updated_at, updated_by)
		values (?, ?, '', now(), 'test', now(), 'test') on conflict do nothing`, schematest.CycleID, schematest.ReportID)
	job = schematest.Job(k.T, k.DB, mappings)
	k.Exec("update jobs set report_id = ? where id = ?", report, job.ID)
	return k.ReadJob(job.ID)
}

// said lists the ids of what was said of the job, in order, bells left out.
func (k *fixture) said(job schema.Job) (ids []string) {
	k.T.Helper()
	for _, m := range k.Messages(events.StreamEvents) {
		id := m.Header.Get("ce-id")
		if strings.HasSuffix(m.Subject, "."+job.ID) && !strings.HasPrefix(id, "bell/") {
			ids = append(ids, strings.Replace(id, job.ID, "JOB", 1))
		}
	}
	return ids
}

// bells counts the bells of the job.
func (k *fixture) bells(job schema.Job) (n int) {
	k.T.Helper()
	for _, m := range k.Messages(events.StreamEvents) {
		if m.Header.Get("ce-id") == "bell/"+job.ID {
			n++
		}
	}
	return n
}

// outstanding lists the mappings of the job that have a message, in the order of the numbers in their ids.
func (k *fixture) outstanding(job schema.Job) (ids []string) {
	k.T.Helper()
	for _, m := range k.Messages(events.StreamWork) {
		if subject, err := events.ParseSubject(m.Subject); err == nil && subject.JobID == job.ID {
			ids = append(ids, subject.MappingID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(fmt.Sprintf("%9s", a), fmt.Sprintf("%9s", b)) })
	return ids
}

// lose removes every message of the work stream, as a server may.
func (k *fixture) lose() {
	k.T.Helper()
	s, err := k.JS.Stream(k.T.Context(), events.StreamWork)
	if err != nil {
		k.T.Fatal(err)
	}
	if err := s.Purge(k.T.Context()); err != nil {
		k.T.Fatal(err)
	}
}

// finish gives the mappings their outcomes and takes their messages away, as the classifier does.
func (k *fixture) finish(job schema.Job, ids ...string) {
	k.T.Helper()
	for _, id := range ids {
		saved := schema.Saved{Attempt: 5, Code: schema.CodePanic, Error: "broke"}
		if err := schema.FailItem(k.T.Context(), k.DB, job.ID, id, saved); err != nil {
			k.T.Fatal(err)
		}
		s, err := k.JS.Stream(k.T.Context(), events.StreamWork)
		if err != nil {
			k.T.Fatal(err)
		}
		subject := events.MappingRequestedSubject(schema.RulesLane, job.ID, id).String()
		if err := s.Purge(k.T.Context(), jetstream.WithPurgeSubject(subject)); err != nil {
			k.T.Fatal(err)
		}
	}
}

func numbered(name string, from, to int) (ids []string) {
	for n := from; n <= to; n++ {
		ids = append(ids, fmt.Sprintf("%s-%d", name, n))
	}
	return ids
}

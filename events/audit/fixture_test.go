package audit_test

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// fixture is a database with a report, and the mappings of the report.
type fixture struct {
	t   *testing.T
	db  *schema.DB
	ids []string
}

// in returns the fixture for a subtest: errors fail the subtest and not its parent.
func (f *fixture) in(t *testing.T) *fixture {
	in := *f
	in.t = t
	return &in
}

func newFixture(t *testing.T, mappings int) *fixture {
	t.Helper()
	f := &fixture{t: t, db: schematest.New(t)}
	f.ids = schematest.Report(t, f.db, mappings)
	return f
}

// auditedFixture returns a fixture with a job of six mappings that has ended and is audited. The sixth row of the
// log is a claim.
func auditedFixture(t *testing.T) (*fixture, schema.Job) {
	t.Helper()
	f := newFixture(t, 6)
	job, published := f.endedJob()
	query := audit.Query{}
	for _, event := range published {
		query.Add(event)
	}
	facts, err := audit.ListFacts(t.Context(), f.db, query)
	if err != nil {
		t.Fatal(err)
	}
	for i, event := range published {
		if i == 5 {
			f.append(audit.Entry{
				EventID: "unverified/1", Subject: "job.progress.x", JobID: "x", Data: []byte(`{"claims":"started/x"}`),
				Origin: audit.OriginEvent,
			})
		}
		f.append(f.entry(facts[event.ID()], audit.OriginEvent))
	}
	if err := audit.MarkJobAudited(t.Context(), f.db, job.ID); err != nil {
		t.Fatal(err)
	}
	f.mustBeSound()
	return f, job
}

// endedJob runs a job over all mappings and returns it with the events that the services publish of it, in their order.
func (f *fixture) endedJob() (schema.Job, []events.Event) {
	f.t.Helper()
	job := schematest.ListedJob(f.t, f.db, len(f.ids))
	published := []events.Event{
		events.RegenerateRequestedOf(job), events.JobStarted(job.ID), events.JobListed(job.ID, job.Listed),
	}
	schematest.FinishItems(f.t, f.db, job.ID, f.ids...)
	for _, id := range f.ids {
		item, err := schema.GetItem(f.t.Context(), f.db, job.ID, id)
		if err != nil {
			f.t.Fatal(err)
		}
		published = append(published, events.JobItemOf(item))
	}
	status := schematest.EndJob(f.t, f.db, job.ID)
	job, err := schema.GetJob(f.t.Context(), f.db, job.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return job, append(published, events.JobFinished{JobStatus: events.StatusOf(job, status)})
}

// auditJob appends every fact of the job and marks it as audited.
func (f *fixture) auditJob(jobID string) {
	f.t.Helper()
	facts, err := audit.ListMissingFacts(f.t.Context(), f.db, jobID)
	if err != nil {
		f.t.Fatal(err)
	}
	items, last, err := audit.ListMissingItems(f.t.Context(), f.db, jobID, "", 1000)
	if err != nil || last != "" {
		f.t.Fatalf("ListMissingItems: got the cursor %q, %v, want none", last, err)
	}
	appendFacts(f.t, f.db, append(facts, items...)...)
	if err := audit.MarkJobAudited(f.t.Context(), f.db, jobID); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) entry(fact audit.Fact, origin audit.Origin) audit.Entry {
	f.t.Helper()
	entry, err := fact.Entry(origin)
	if err != nil {
		f.t.Fatal(err)
	}
	return entry
}

func (f *fixture) append(entries ...audit.Entry) {
	f.t.Helper()
	appendEntries(f.t, f.db, entries...)
}

func (f *fixture) exec(statement string, args ...any) {
	f.t.Helper()
	exec(f.t, f.db, statement, args...)
}

func (f *fixture) log() []audit.Row {
	f.t.Helper()
	rows, err := audit.List(f.t.Context(), f.db, audit.Filter{}, 0, 100_000)
	if err != nil {
		f.t.Fatal(err)
	}
	return rows
}

// row returns the first row whose event id has this prefix.
func (f *fixture) row(prefix string) audit.Row {
	f.t.Helper()
	for _, row := range f.log() {
		if strings.HasPrefix(row.EventID, prefix) {
			return row
		}
	}
	f.t.Fatalf("log: got no event %s, want one", prefix)
	return audit.Row{}
}

func (f *fixture) itemRow(job schema.Job, mapping int) audit.Row {
	f.t.Helper()
	return f.row("item/" + job.ID + "/" + f.ids[mapping])
}

func (f *fixture) verify() (findings []audit.Finding) {
	f.t.Helper()
	report := func(found audit.Finding) { findings = append(findings, found) }
	verdict, err := audit.Verify(f.t.Context(), f.db, report, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if got, want := verdict.Findings, int64(len(findings)); got != want {
		f.t.Errorf("counted findings: got %d, want %d", got, want)
	}
	return findings
}

func (f *fixture) mustBeSound() {
	f.t.Helper()
	if findings := f.verify(); len(findings) > 0 {
		f.t.Errorf("Verify: got %s, want no finding", describe(findings...))
	}
}

func (f *fixture) mustFind(want audit.Finding) {
	f.t.Helper()
	if findings := f.verify(); !slices.Contains(findings, want) {
		f.t.Errorf("Verify: got %s, want %s", describe(findings...), describe(want))
	}
}

func describe(findings ...audit.Finding) (text string) {
	for _, found := range findings {
		text += fmt.Sprintf("[row %d, %s, job %s: %s]", found.Seq, found.EventID, found.JobID, found.Problem)
	}
	return text
}

// tamper changes the log as the owner of the table can.
func (f *fixture) tamper(statement string, args ...any) {
	f.t.Helper()
	f.exec("alter table audit_log disable trigger all")
	f.exec(statement, args...)
	f.exec("alter table audit_log enable always trigger audit_log_append_only")
}

// rechain computes all numbers and hashes again, as a forger does.
func (f *fixture) rechain() {
	f.t.Helper()
	rows := f.log()
	prev := rows[0].PrevHash
	for i, row := range rows {
		old := row.Seq
		row.Seq, row.PrevHash = int64(i+1), prev
		row.Hash = row.Sum()
		prev = row.Hash
		f.tamper(
			"update audit_log set seq = ?, prev_hash = ?, hash = ? where seq = ?",
			row.Seq,
			row.PrevHash,
			row.Hash,
			old,
		)
	}
}

//go:embed verify.sql
var verifySQL string

// brokenBySQL returns the rows that verify.sql lists.
func (f *fixture) brokenBySQL() (broken []int64) {
	f.t.Helper()
	rows, err := f.db.DB.DB.QueryContext(f.t.Context(), verifySQL)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			seq                          int64
			asWritten, follows, complete bool
		)
		if err := rows.Scan(&seq, &asWritten, &follows, &complete); err != nil {
			f.t.Fatal(err)
		}
		broken = append(broken, seq)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	return broken
}

// auditedJobs inserts n more jobs of the report that have completed, each with one item, and puts them into the log.
func auditedJobs(t *testing.T, db *schema.DB, n int) {
	t.Helper()
	schematest.EndedJobs(t, db, n)
	var items []schema.Item
	err := db.NewSelect().Model(&items).
		Where("not exists (select from audit_log where job_id = i.job_id)").Order("job_id").Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var query audit.Query
	for _, item := range items {
		query.Jobs = append(query.Jobs, item.JobID)
		query.Items = append(query.Items, audit.ItemKey{JobID: item.JobID, MappingID: item.MappingID})
	}
	facts, err := audit.ListFacts(t.Context(), db, query)
	if err != nil {
		t.Fatal(err)
	}
	var all []audit.Fact
	for _, fact := range facts {
		all = append(all, fact)
	}
	appendFacts(t, db, all...)
}

func appendFacts(t *testing.T, db *schema.DB, facts ...audit.Fact) {
	t.Helper()
	entries := make([]audit.Entry, len(facts))
	for i, fact := range facts {
		entry, err := fact.Entry(audit.OriginRows)
		if err != nil {
			t.Fatal(err)
		}
		entries[i] = entry
	}
	appendEntries(t, db, entries...)
}

func appendEntries(t *testing.T, db *schema.DB, entries ...audit.Entry) {
	t.Helper()
	err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := audit.Append(ctx, tx, entries)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *schema.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.NewRaw(statement, args...).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

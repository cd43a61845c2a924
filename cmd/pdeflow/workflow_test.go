package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/foreigntest"
	"github.com/pdeflow/pdeflow/services/api"
)

// workflowPage is docs/workflow.md as the test writes it: what users type, and what they see.
type workflowPage struct{ strings.Builder }

// say adds a paragraph or a heading.
func (p *workflowPage) say(text string) { fmt.Fprintf(p, "%s\n\n", text) }

// show adds a command and its output. With prefixes, only the lines of the output that begin with one are shown.
func (p *workflowPage) show(r result, prefixes ...string) {
	var shown strings.Builder
	for line := range strings.Lines(r.stdout) {
		if len(prefixes) == 0 ||
			slices.ContainsFunc(prefixes, func(s string) bool { return strings.HasPrefix(line, s) }) {
			shown.WriteString(line)
		}
	}
	text := strings.TrimSpace("$ pdeflow " + asTyped(r.args) + "\n" + shown.String())
	fmt.Fprintf(p, "```\n%s\n```\n\n", text)
}

// aVersion is the version of the database.
var aVersion = regexp.MustCompile(`PostgreSQL [^:\n]*:`)

const workflowStart = `# Two quarters of a report

What the users of a report type and see: a tester edits, a manager reviews at the command line and in a workbook, and
the next quarter starts from these decisions. A test runs these commands and compares this page with their output, in
which ids, times and paths are replaced (` + "`go test ./cmd/pdeflow -run TwoQuarters -update`" + ` writes it). The
server runs, and these are set:

` + "```" + `
export PDEFLOW_SOURCE_URL='postgres://reader:password@db.example/loans?sslmode=verify-full'
export TESS=...    # the token of a tester; the other commands are of a manager
` + "```"

// A report goes through two quarters as its users work on it: the columns come from a live database, a job maps and
// classifies, a tester edits, a manager reviews at the command line and in a workbook, and the next quarter starts from
// these decisions. Only what has changed asks for attention.
func TestAReportGoesThroughTwoQuarters(t *testing.T) {
	t.Parallel()
	f := plainFixture(t, schema.Services()...)
	database := foreigntest.StartPostgres(t)
	database.Exec(t, "postgres", `create schema svc; create table svc.loan (loan_id bigint primary key,
			current_balance_amount numeric(14,2), interest_rate numeric(7,4), origination_date date,
			dealer_code char(6));
		create role reader login password $pw$`+foreigntest.Password+`$pw$; grant usage on schema svc to reader;`)
	tess, err := api.SignToken(testSecret, "tess", api.Tester, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	environment := maps.Clone(f.environment())
	environment["PDEFLOW_SOURCE_URL"] = database.PostgresURL("reader", foreigntest.Password, "postgres")
	in := func(cycle string, args ...string) result {
		t.Helper()
		args = append(args, "--cycle", cycle, "--report", "loans")
		return pdeflow(t.Context(), environment, args...).ends(t, exitDone)
	}
	list := func(cycle string, filter ...string) map[string]api.Mapping {
		t.Helper()
		mappings := map[string]api.Mapping{}
		args := append([]string{"mappings", "list", "--json"}, filter...)
		for _, m := range from[api.Page[api.Mapping]](t, in(cycle, args...)).Items {
			mappings[m.AttributeName] = m
		}
		return mappings
	}
	const first, second = "2026-Q3", "2026-Q4"
	const balance, rate, date, dealer = "Current Balance Amount", "Interest Rate", "Origination Date", "Dealer Code"

	var page workflowPage
	page.say(workflowStart)
	page.say("## The first quarter")
	page.say("The columns come from the live database, the attributes from a file. Then a job maps and classifies.")
	page.show(in(first, "import", "--source-name", "Loans", "--attributes", file(t, "q3.csv",
		"attribute_name,description\n"+balance+",\n"+rate+",\n"+date+",\n"+dealer+",\n")))
	page.show(in(first, "regenerate", "--watch"), "status", "progress", "outcomes")
	found := list(first)
	for attribute, column := range map[string]string{
		balance: "current_balance_amount", rate: "interest_rate", date: "origination_date", dealer: "dealer_code",
	} {
		if m := found[attribute]; m.SourceField == nil || *m.SourceField != "svc.loan."+column {
			t.Errorf("%s: got %+v, want column %s", attribute, m, column)
		}
	}
	id := func(attribute string) string { return found[attribute].ID }
	page.say(
		"The tester corrects the interest rate. The manager approves it and the balance, and rejects the dealer code.",
	)
	page.show(in(first, "mappings", "edit", "--token", tess, id(rate), "criticality=High"))
	page.show(in(first, "mappings", "approve", id(balance), id(rate)))
	page.show(in(first, "mappings", "reject", id(dealer), "--comment", "dealers are in another system"))

	book := filepath.Join(t.TempDir(), "loans.xlsx")
	page.say(
		"The rest is decided in a spreadsheet: in the workbook, the manager approves the date with a comment, and " +
			"removes the column of the dealer code.",
	)
	page.show(in(first, "mappings", "export", "--format", "xlsx", "--output", book))
	fillWorkbook(t, book, map[string]map[string]string{
		id(date):   {"decision": "approved", "comment": "checked with the vendor"},
		id(dealer): {"source_field": ""},
	})
	page.show(in(first, "mappings", "import-decisions", book, "--dry-run"))
	done := from[api.ImportedDecisions](t, in(first, "mappings", "import-decisions", book, "--json"))
	if done.Edited != 1 || done.Decided != 1 || done.Unchanged != 2 {
		t.Errorf("import-decisions: got %+v, want 1 edited, 1 decided and 2 unchanged", done)
	}
	page.say("After the same command without `--dry-run`, the history has the decision.")
	page.show(in(first, "mappings", "history", id(date)).ends(t, exitDone, "checked with the vendor"), "20")
	before := list(first)

	// In the next quarter the form defines one attribute differently and has a new one, and the database lost a column.
	database.Exec(t, "postgres", "alter table svc.loan drop interest_rate, add vehicle_color text")
	page.say("## The next quarter")
	page.say(
		"The form now describes the date differently and has a new attribute, and the database no longer has the " +
			"interest rate. Only these ask for attention.",
	)
	page.show(in(second, "import", "--source-name", "Loans", "--attributes", file(t, "q4.csv",
		"attribute_name,description\n"+balance+",\n"+rate+",\n"+date+",The day on which the contract was signed\n"+
			dealer+",\nVehicle Color,\n")))
	page.show(in(second, "carry-over", "--from", first))
	page.show(in(second, "reports", "compare", "--with", first))
	for status, want := range map[schema.ReviewStatus][]string{
		schema.ReviewStatusNeedsRevision: {rate, date},
		// The manager was the last to edit the first, so another one has to review it.
		schema.ReviewStatusPending:  {dealer, "Vehicle Color"},
		schema.ReviewStatusApproved: {balance},
	} {
		got := slices.Sorted(maps.Keys(list(second, "--review-status", string(status))))
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s in the next quarter: got %q, want %q", status, got, want)
		}
	}
	in(second, "regenerate", "--watch")
	next := list(second)
	for _, attribute := range []string{balance, dealer} {
		if m := next[attribute]; !m.MappingConfirmedByUser && m.ReviewStatus != schema.ReviewStatusApproved {
			t.Errorf("%s after the job: got %+v, want the decision of the earlier quarter", attribute, m)
		}
	}
	if m := next[rate]; m.ReviewStatus == schema.ReviewStatusApproved || m.MappingConfirmedByUser {
		t.Errorf("%s after the job: got %+v, want a result that asks for a review", rate, m)
	}
	in(second, "reports", "compare", "--with", first).ends(t, exitDone, "added", "Vehicle Color",
		"The day on which the contract was signed", "svc.loan.interest_rate")
	for attribute, m := range list(first) {
		if m.Version != before[attribute].Version {
			t.Errorf("%s in the earlier quarter: got version %d, want %d", attribute, m.Version,
				before[attribute].Version)
		}
	}
	f.eventually("every change is audited", "select not exists (select from unaudited_changes)")
	f.eventually("both jobs are audited", "select not exists (select from jobs where audited_at is null)")
	f.pdeflow("check").ends(t, exitDone)
	f.pdeflow("audit", "verify").ends(t, exitDone)
	text := strings.ReplaceAll(strings.TrimSpace(page.String())+"\n", tess, "$TESS")
	goldenFile(
		t,
		filepath.Join("..", "..", "docs", "workflow.md"),
		aVersion.ReplaceAllString(steady(text), "PostgreSQL 15:"),
	)
}

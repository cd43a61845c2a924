package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/foreigntest"
	"github.com/pdeflow/pdeflow/services/api"
)

// The columns of a live database are imported, mapped by a job, and read again after the database has changed. Every
// change is published and audited, and the password is nowhere.
func TestALiveDatabaseIsImportedMappedAndRefreshed(t *testing.T) {
	t.Parallel()
	f := plainFixture(t, schema.Services()...)
	s := foreigntest.StartPostgres(t)
	s.Exec(
		t,
		"postgres",
		`create schema svc; create table svc.loan (loan_id bigint primary key, cur_bal_amt numeric(14,2));
		comment on column svc.loan.cur_bal_amt is 'Current balance of the loan';
		create role reader login password $pw$`+foreigntest.Password+`$pw$; grant usage on schema svc to reader;`,
	)
	report := []string{"--cycle", "2026-Q3", "--report", "loans"}
	environment := maps.Clone(f.environment())
	environment["PDEFLOW_SOURCE_URL"] = s.PostgresURL("reader", foreigntest.Password, "postgres")
	file := filepath.Join(t.TempDir(), "attributes.csv")
	content := "attribute_name,line_item_number\nCurrent Balance Amount,1\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	do := func(exit int, args ...string) result {
		r := pdeflow(t.Context(), environment, append(args, report...)...)
		printed.WriteString(r.stdout + r.stderr)
		return r
	}
	do(exitUsage, "import", "--source-name", "Loans", "--columns", file).ends(t, exitUsage, "not both")
	do(exitDone, "import", "--attributes", file, "--source-name", "Loans").
		ends(t, exitDone, "Loans, PostgreSQL", "1 table with 2 columns", "regenerate")
	do(exitDone, "regenerate", "--watch").ends(t, exitDone)
	mapped := from[struct{ Items []api.Mapping }](t, do(exitDone, "mappings", "list", "--json")).Items[0]
	if mapped.SourceField == nil || *mapped.SourceField != "svc.loan.cur_bal_amt" {
		t.Fatalf("mapping: got %+v, want the column svc.loan.cur_bal_amt", mapped)
	}
	do(exitDone, "sources", "list").ends(t, exitDone, "Loans", "postgres://reader@localhost")
	for _, word := range []string{"Loans", latest} {
		do(exitDone, "sources", "test", word).ends(t, exitDone, "The user sees 1 table with 2 columns.")
	}
	do(exitDone, "sources", "summary", "Loans").
		ends(t, exitDone, "1 table with 2 columns", "svc.loan (table)", "loan_id", "primary key")
	summary := from[api.SourceSummary](t, do(exitDone, "sources", "summary", "Loans", "--json"))
	if summary.TableCount != 1 || summary.PrimaryKeyCount != 1 || len(summary.Items) != 1 {
		t.Errorf("sources summary --json: got %+v, want one table with a key", summary)
	}

	s.Exec(t, "postgres", "alter table svc.loan rename cur_bal_amt to balance")
	do(exitDone, "sources", "refresh", "Loans").ends(t, exitDone, "1 probably renamed",
		"1 mapping needs revision, of which 1 became unmapped", "svc.loan.cur_bal_amt -> svc.loan.balance")
	do(exitDone, "mappings", "show", mapped.ID).ends(t, exitDone, "needs_revision", "svc.loan.balance")
	do(exitDone, "mappings", "history", mapped.ID).ends(t, exitDone, "no longer has the column svc.loan.cur_bal_amt")
	s.Exec(t, "postgres", "alter role reader password 'rotated-Zebra77'")
	do(exitFailed, "sources", "test", "Loans").ends(t, exitFailed, "the user or the password is wrong")
	do(exitFailed, "sources", "refresh", "Loans").ends(t, exitFailed, "the user or the password is wrong")
	if err := os.WriteFile(file, []byte("rotated-Zebra77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(exitDone, "sources", "refresh", "Loans", "--password-file", file).ends(t, exitDone, "No column was added")
	do(exitDone, "sources", "test", "Loans").ends(t, exitDone)
	do(exitDone, "import", "--help")

	f.eventually("every change is published",
		"select not exists (select from classification_history where not published)")
	f.eventually("every change is audited", "select not exists (select from unaudited_changes)")
	f.eventually("the refresh is in the audit log", `select exists (select from audit_log
		where mapping_id is not null and event_id like 'changed/%' and origin = 'event')`)
	f.eventually("the job is audited", "select not exists (select from jobs where audited_at is null)")
	f.pdeflow("check").ends(t, exitDone)
	f.pdeflow("audit", "verify").ends(t, exitDone)
	for where, text := range map[string]string{"the output": printed.String(), "the log": f.log.String()} {
		if strings.Contains(text, "Zebra77") {
			t.Errorf("%s: got the password in\n%s\nwant no password", where, text)
		}
	}
}

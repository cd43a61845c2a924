//go:build unix

package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/foreigntest"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// startLoans starts a PostgreSQL with two tables that the user reader may see.
func startLoans(t *testing.T) *foreigntest.Server {
	t.Helper()
	s := foreigntest.StartPostgres(t)
	s.Exec(t, "postgres", `
		create schema svc; create schema hidden;
		create table svc.borrower (id bigint primary key, ssn char(9));
		create table svc.loan (borrower_id bigint references svc.borrower, bal_amt numeric(14,2), lmt_amt numeric(14,2),
			dlr_cd text);
		comment on column svc.loan.bal_amt is 'Unpaid principal';
		create view svc.open_loan as select bal_amt from svc.loan;
		create table hidden.other (x int);
		create role reader login password $pw$`+foreigntest.Password+`$pw$;
		grant usage on schema svc to reader;`)
	return s
}

// liveFixture is a fixture whose database logs every statement, with the URL of a live database.
func liveFixture(t *testing.T) (f *fixture, s *foreigntest.Server, at string) {
	t.Helper()
	f = newFixture(t)
	db, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{
		LogSQL: f.Log.JSONLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.DB = db
	f.serve(f.JS, api.Options{Verify: verifier(t), Secret: secret()})
	s = startLoans(t)
	return f, s, s.PostgresURL("reader", foreigntest.Password, "postgres")
}

// refuseLeaks fails the test if the password, or a part of it, is in a text.
func refuseLeaks(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range []string{
		foreigntest.Password, url.QueryEscape(foreigntest.Password), url.PathEscape(foreigntest.Password), "Zebra77",
	} {
		if strings.Contains(text, form) {
			t.Errorf("%s: got %.400s, want a text without the password", where, text)
		}
	}
}

// everything returns all rows of all tables as text.
func (f *fixture) everything() string {
	f.T.Helper()
	var tables, all []string
	if err := f.DB.NewRaw(`select table_name from information_schema.tables
		where table_schema = current_schema()`).Scan(f.T.Context(), &tables); err != nil {
		f.T.Fatal(err)
	}
	for _, table := range tables {
		var rows []string
		if err := f.DB.NewRaw("select t::text from ? t", bun.Ident(table)).Scan(f.T.Context(), &rows); err != nil {
			f.T.Fatal(err)
		}
		all = append(all, rows...)
	}
	return strings.Join(all, "\n")
}

func TestALiveDatabaseIsImportedTestedAndRefreshed(t *testing.T) {
	t.Parallel()
	f, s, at := liveFixture(t)
	var seen strings.Builder
	record := func(a answer) answer {
		fmt.Fprintln(&seen, a.header, a.body)
		return a
	}

	// Import.
	imported := must[api.Imported](t, record(f.upload(
		piece{"attributes", "a.csv", someAttributes}, piece{"source_url", "", at}, piece{"source_name", "", "Loans"},
		piece{"mappings", "m.csv", "line_item_number,source_field,mapping_confirmed_by_user\n" +
			"1,svc.loan.bal_amt,yes\n2,svc.loan.lmt_amt,yes\n3,svc.loan.dlr_cd,no\n"},
	)), http.StatusOK)
	if imported.Columns.Added != 7 || imported.Mappings.Added != 4 || imported.Database == nil ||
		imported.Database.Tables != 3 || imported.Database.HiddenSchemas[0] != "hidden" {
		t.Fatalf("import: got %+v, %+v, want 7 columns of 3 tables, 4 mappings and the schema hidden",
			imported, imported.Database)
	}
	sources := must[api.Page[api.DataSource]](t, record(f.get(reportURL("/data-sources"))), http.StatusOK)
	source := sources.Items[0]
	want := strings.Replace(at, url.UserPassword("reader", foreigntest.Password).String(), "reader", 1)
	if c := source.Connection; c == nil || c.URL != want || !c.HasPassword || c.ReadAt == nil ||
		source.ColumnCount != 7 {
		t.Fatalf("data source: got %+v, %+v, want the URL %s", source, source.Connection, want)
	}
	path := reportURL("/data-sources/" + source.ID)

	// Summary, in pages.
	summary := must[api.SourceSummary](t, record(f.get(path+"/summary?limit=2")), http.StatusOK)
	if summary.TableCount != 3 || summary.PrimaryKeyCount != 1 || summary.ForeignKeyCount != 1 ||
		len(summary.Items) != 2 || summary.NextCursor == nil {
		t.Fatalf("summary: got %+v, want 3 tables, one key of each kind and a second page", summary)
	}
	loan := summary.Items[1]
	if loan.Table != "loan" || *loan.Kind != schema.RelationTable || *loan.Columns[0].References != "svc.borrower.id" ||
		loan.Columns[1].Name != "bal_amt" || loan.Columns[1].Description != "Unpaid principal" {
		t.Errorf("loan: got %+v, want the table loan with its comments and its foreign key", loan)
	}
	rest := must[api.SourceSummary](t, f.get(path+"/summary?limit=2&cursor="+*summary.NextCursor), http.StatusOK)
	if len(rest.Items) != 1 || *rest.Items[0].Kind != schema.RelationView || rest.NextCursor != nil {
		t.Errorf("second page: got %+v, want one view", rest.Items)
	}

	// Tests with the stored, a wrong and the right password.
	for body, reason := range map[string]string{
		"": "", `{"password": "wrong"}`: "authentication_failed", passwordBody(t): "",
	} {
		got := must[api.ConnectionTest](t, record(f.post(path+"/test-connection", body)), http.StatusOK)
		if got.OK != (reason == "") || got.OK && got.Tables != 3 || !got.OK && *got.Reason != reason {
			t.Errorf("test-connection with %d bytes: got %+v, want the reason %q", len(body), got, reason)
		}
		if got.OK && !strings.Contains(got.Message, `GRANT USAGE ON SCHEMA "hidden" TO "reader";`) {
			t.Errorf("test-connection: got message %s, want the GRANT for the hidden schema", got.Message)
		}
	}

	// Refresh without a change, and after all kinds of changes.
	same := must[api.Refreshed](t, record(f.post(path+"/refresh", "")), http.StatusOK)
	if same.Added.Count+same.Dropped.Count+same.Renamed.Count+same.Retyped.Count+same.Unmapped != 0 {
		t.Errorf("refresh without a change: got %+v, want no change", same)
	}
	changeLoans(t, s)
	refreshed := must[api.Refreshed](t, record(f.post(path+"/refresh", passwordBody(t))), http.StatusOK)
	checkRefresh(t, f, refreshed.SchemaChanges)

	// The database is gone.
	s.Exec(t, "postgres", "alter role reader nologin")
	p := refused(t, record(f.post(path+"/refresh", "")), http.StatusUnprocessableEntity, "connection-failed")
	if p.Reason != "authentication_failed" {
		t.Errorf("refresh without LOGIN: got reason %q, want authentication_failed", p.Reason)
	}
	refused(t, record(f.upload(piece{"source_url", "", at}, piece{"source_name", "", "Loans"})),
		http.StatusUnprocessableEntity, "connection-failed")

	refuseLeaks(t, "a response", seen.String())
	refuseLeaks(t, "a row", f.everything())
	refuseLeaks(t, "the log", f.Log.String())
	if f.Log.Count("data_sources") == 0 {
		t.Error("no statement about data_sources is logged: the test looks in the wrong place")
	}
}

// An import of a database that was read before does what a refresh does.
func TestImport_ListsWhatHasChangedInADatabase(t *testing.T) {
	t.Parallel()
	f, s, at := liveFixture(t)
	database := []piece{{"source_url", "", at}, {"source_name", "", "Loans"}}
	first := must[api.Imported](t, f.upload(append(database, piece{"attributes", "a.csv", someAttributes},
		piece{"mappings", "m.csv", "line_item_number,source_field,mapping_confirmed_by_user\n" +
			"1,svc.loan.bal_amt,yes\n2,svc.loan.lmt_amt,yes\n3,svc.loan.dlr_cd,no\n"})...), http.StatusOK)
	if len(first.Changes) != 0 {
		t.Errorf("first import: got changes %+v, want none", first.Changes)
	}
	changeLoans(t, s)
	again := must[api.Imported](t, f.upload(database...), http.StatusOK)
	if len(again.Changes) != 1 || again.Gone.Columns.Count != 0 || again.Columns.Removed != 3 ||
		!strings.Contains(again.Changes[0].Message, "2 mappings need revision, of which 2 became unmapped") {
		t.Fatalf("second import: got %+v, want the changes", again)
	}
	checkRefresh(t, f, again.Changes[0].SchemaChanges)
	last := must[api.Imported](t, f.upload(database...), http.StatusOK)
	if c := last.Changes; len(c) != 1 || !strings.HasPrefix(c[0].Message, "No column was added") {
		t.Errorf("third import: got %+v, want no change", c)
	}
}

// changeLoans renames, drops, adds and retypes a column of the database, and drops a view.
func changeLoans(t *testing.T, s *foreigntest.Server) {
	t.Helper()
	s.Exec(t, "postgres", `drop view svc.open_loan;
		alter table svc.loan rename lmt_amt to limit_amount;
		alter table svc.loan drop dlr_cd; alter table svc.loan add dealer int;
		alter table svc.borrower alter ssn type text`)
}

func passwordBody(t *testing.T) string {
	t.Helper()
	body, err := json.Marshal(api.PasswordBody{Password: foreigntest.Password})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// checkRefresh checks the refresh after lmt_amt was renamed, dlr_cd dropped, dealer added and ssn retyped.
func checkRefresh(t *testing.T, f *fixture, got api.SchemaChanges) {
	t.Helper()
	names := func(c api.ChangedColumns) (all []string) {
		for _, item := range c.Items {
			name := item.SourceField + " " + item.DataType
			if item.NewSourceField != nil {
				name += " -> " + *item.NewSourceField
			}
			if item.NewDataType != nil {
				name += " -> " + *item.NewDataType
			}
			all = append(all, name)
		}
		return all
	}
	want := [][]string{
		{"svc.loan.dealer integer"},
		{"svc.loan.dlr_cd text", "svc.open_loan.bal_amt numeric(14,2)"},
		{"svc.loan.lmt_amt numeric(14,2) -> svc.loan.limit_amount"},
		{"svc.borrower.ssn character(9) -> text"},
	}
	have := [][]string{names(got.Added), names(got.Dropped), names(got.Renamed), names(got.Retyped)}
	if diff := cmp.Diff(want, have); diff != "" || got.Unmapped != 2 {
		t.Errorf("refresh: %d unmapped, added, dropped, renamed and retyped differ (-want +got):\n%s",
			got.Unmapped, diff)
	}
	mappings := must[api.Page[api.Mapping]](t, f.get(reportURL("/pde-mappings")), http.StatusOK).Items
	kept, renamed, dropped := mappings[0], mappings[1], mappings[2]
	if kept.SourceField == nil || !kept.MappingConfirmedByUser {
		t.Errorf("mapping to a column that is still there: got %+v, want it unchanged", kept)
	}
	for _, m := range []api.Mapping{renamed, dropped} {
		if m.SourceField != nil || m.MappingConfirmedByUser || m.ReviewStatus != schema.ReviewStatusNeedsRevision ||
			*m.ReviewedBy != schema.ColumnRemoval {
			t.Errorf(
				"mapping to a column that is gone: got %+v, want no column, and a review that the removal asks for", m,
			)
		}
	}
	if renamed.SuggestedSourceField == nil || *renamed.SuggestedSourceField != "svc.loan.limit_amount" ||
		dropped.SuggestedSourceField != nil {
		t.Errorf("suggestions: got %v and %v, want the renamed column and none",
			renamed.SuggestedSourceField, dropped.SuggestedSourceField)
	}
	entry := f.history(renamed.ID)[0]
	if entry.ChangedBy != "tina" || entry.Comment == nil ||
		!strings.Contains(*entry.Comment, "no longer has the column svc.loan.lmt_amt, which was probably renamed to") {
		t.Errorf("history: got %+v, want the refresh by tina, with the column's new name", entry)
	}
	if n := f.Count(`select count(*) from classification_history
		where action = 'refreshed' and not published`); n != 2 {
		t.Errorf("got %d changes to publish as mapping.changed, want 2", n)
	}
	accepted := f.act(
		"tina",
		api.Tester,
		renamed.ID,
		"accept-suggestion",
		"",
		fmt.Sprintf("%q", fmt.Sprint(renamed.Version)),
	)
	if m := must[api.DecidedMapping](t, accepted, http.StatusOK); *m.SourceField != "svc.loan.limit_amount" {
		t.Errorf("accepted suggestion: got %v, want svc.loan.limit_amount", m.SourceField)
	}
}

func TestAddDataSource_ReadsADatabase(t *testing.T) {
	t.Parallel()
	f, s, at := liveFixture(t)
	f.imported(1)
	body := func(name, rawURL, ca string) string {
		text, err := json.Marshal(api.NewDataSourceBody{
			DataSourceBody: api.DataSourceBody{Name: name},
			Connection:     &api.ConnectionBody{URL: rawURL, CACertificate: ca},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	source := must[api.DataSource](
		t,
		f.post(reportURL("/data-sources"), body("Loans", at+"?sslmode=verify-full", s.CA)),
		http.StatusCreated,
	)
	if source.ColumnCount != 7 || source.Connection == nil ||
		*source.Connection.CACertificate != strings.TrimSpace(s.CA) {
		t.Errorf("got %+v, %+v, want 7 columns and a connection with the server's CA", source, source.Connection)
	}
	refused(t, f.post(reportURL("/data-sources"), body("Loans", at, "")), http.StatusConflict, "already-exists")
	for name, tt := range map[string]struct{ url, ca, reason string }{
		"an untrusted certificate": {at + "?sslmode=verify-full", "", "certificate_not_trusted"},
		"another product": {
			"oracle://" + url.QueryEscape(foreigntest.Password) + "@h/d", "", "unsupported",
		},
		"a URL that is malformed": {"postgres://reader:" + foreigntest.Password + "@localhost/d", "", "invalid"},
		"a parameter":             {at + "?passfile=/etc/passwd", "", "invalid"},
		"a socket":                {"postgres://postgres:x@%2Fvar%2Frun%2Fpostgresql/postgres", "", "invalid"},
		"a host in the query":     {"postgres://postgres:x@/postgres?host=/var/run/postgresql", "", "invalid"},
		"no user":                 {"postgres://localhost/postgres", "", "invalid"},
		"no certificate":          {at + "?sslmode=verify-full", "nonsense", "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.post(reportURL("/data-sources"), body("Other", tt.url, tt.ca))
			refuseLeaks(t, "the response", a.body)
			if p := refused(t, a, http.StatusUnprocessableEntity, "connection-failed"); p.Reason != tt.reason ||
				p.Errors[0].Location != "body.connection.url" {
				t.Errorf("got %+v, want the reason %s", p, tt.reason)
			}
		})
	}

	path := reportURL("/data-sources/" + source.ID)
	t.Run("with another secret the password has to be sent again", func(t *testing.T) {
		f.serve(f.JS, api.Options{Verify: verifier(t), Secret: append(secret(), '!')})
		got := must[api.ConnectionTest](t, f.post(path+"/test-connection", ""), http.StatusOK)
		if got.OK || *got.Reason != "password_missing" {
			t.Errorf("test-connection: got %+v, want password_missing", got)
		}
		must[api.Refreshed](t, f.post(path+"/refresh", passwordBody(t)), http.StatusOK)
		if got := must[api.ConnectionTest](t, f.post(path+"/test-connection", ""), http.StatusOK); !got.OK {
			t.Errorf("test-connection after a refresh with the password: got %+v, want OK", got)
		}
	})
	t.Run("the password is not sent to another host", func(t *testing.T) {
		f.Exec(
			"update data_sources set connection_url = replace(connection_url, 'localhost', '127.0.0.1') where id = ?",
			source.ID,
		)
		got := must[api.ConnectionTest](t, f.post(path+"/test-connection", ""), http.StatusOK)
		if got.OK || *got.Reason != "password_missing" {
			t.Errorf("test-connection of a row whose URL was changed: got %+v, want password_missing", got)
		}
	})
	t.Run("without a secret nothing is stored", func(t *testing.T) {
		f.serve(f.JS, api.Options{Verify: verifier(t)})
		made := must[api.DataSource](t, f.post(reportURL("/data-sources"), body("Third", at, "")), http.StatusCreated)
		if made.Connection.HasPassword {
			t.Errorf("got %+v, want no stored password", made.Connection)
		}
	})
	refuseLeaks(t, "a row", f.everything())
}

func TestRefresh_IsRefusedWithoutAConnectionAndDuringAJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	source := must[api.Page[api.DataSource]](t, f.get(reportURL("/data-sources")), http.StatusOK).Items[0]
	path := reportURL("/data-sources/" + source.ID)
	for _, action := range []string{"/refresh", "/test-connection"} {
		refused(t, f.post(path+action, ""), http.StatusConflict, "no-connection")
		refused(t, f.post(reportURL("/data-sources/nothing"+action), ""), http.StatusNotFound, "not-found")
	}
	job := f.started()
	if p := refused(t, f.post(path+"/refresh", ""), http.StatusConflict, "job-active"); p.JobID != job {
		t.Errorf("got job %s, want %s", p.JobID, job)
	}
	// The database would not answer, and is not asked.
	refused(
		t,
		f.post(reportURL("/data-sources"), `{"name": "A", "connection": {"url": "postgres://u:p@localhost:1/d"}}`),
		http.StatusConflict,
		"job-active",
	)
	err := f.DB.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := schema.RefreshDataSource(
			ctx,
			tx,
			schema.Refresh{CycleID: cycle, ReportID: report, SourceID: source.ID},
		)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), job) {
		t.Errorf("RefreshDataSource: got %v, want an error with the job %s", err, job)
	}
}

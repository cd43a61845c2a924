//go:build unix

package introspect

import (
	"crypto/tls"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/foreigntest"
)

// standardLoans has what the standard's views can show, in types that they name as PostgreSQL does.
const standardLoans = `
create table svc.borrower (id bigint primary key, ssn char(9) not null, name varchar(200), "odd.name" text);
create table svc.loan (
	borrower_id bigint not null constraint lends references svc.borrower, seq int not null, balance numeric(14,2),
	constraint loan_key primary key (borrower_id, seq)
);
create view svc.loan_view as select balance from svc.loan;
`

// newStandardLoans starts a PostgreSQL with the tables, and returns a connection of a user who sees the standard's
// views. They show tables only to users with a privilege on them.
func newStandardLoans(t *testing.T) (*foreigntest.Server, *sql.DB) {
	t.Helper()
	s := foreigntest.StartPostgres(t)
	s.Exec(t, "postgres", "create database loans")
	s.Exec(t, "loans", "create schema svc;"+standardLoans+
		"create role reader login password $pw$"+foreigntest.Password+"$pw$; grant usage on schema svc to reader; "+
		"grant references on all tables in schema svc to reader")
	config, err := pgx.ParseConfig(s.PostgresURL("reader", foreigntest.Password, "loans"))
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	return s, db
}

// readStandard reads the schema with the standard's views.
func readStandard(t *testing.T, db *sql.DB, schemaName string) []schema.ColumnRow {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var reading Reading
	if err := reading.addStandard(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(reading.Columns, func(c schema.ColumnRow) bool {
		return c.SchemaName != schemaName || c.TableName == "numbers" // a sequence of MariaDB
	})
}

// The queries for SQL Server are standard SQL: they find in PostgreSQL what its own catalog has.
func TestAddStandard_FindsWhatPostgresHas(t *testing.T) {
	t.Parallel()
	s, db := newStandardLoans(t)
	want, err := Read(t.Context(), mustParse(t, s.PostgresURL("reader", foreigntest.Password, "loans"), ""))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Columns, readStandard(t, db, "svc")); diff != "" {
		t.Errorf("columns differ (-catalog +standard):\n%s", diff)
	}
	if c := want.Columns; len(c) != 8 || c[4].References != "svc.borrower.id" || !c[5].IsPrimaryKey {
		t.Errorf("columns: got %+v, want 8, with a foreign and a primary key", c)
	}
}

// MariaDB too, but for foreign keys, whose names it makes unique for a table only, and for display widths.
func TestAddStandard_FindsWhatMariaDBHas(t *testing.T) {
	t.Parallel()
	s := newCards(t)
	c := mustParse(t, s.MariaDBURL("reader", foreigntest.Password, "cards"), "")
	want, err := Read(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := c.mysqlConnector(defaultTimeouts())
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	plain := func(columns []schema.ColumnRow) []schema.ColumnRow {
		for i := range columns {
			row := &columns[i]
			row.References, row.Description = "", ""
			if base, _, found := strings.Cut(row.DataType, "("); found &&
				(strings.HasSuffix(base, "int") || base == "enum") {
				row.DataType = base
			}
			row.DataType = strings.TrimSuffix(row.DataType, "(6)") // the length of the longest value of an enum
		}
		return columns
	}
	if diff := cmp.Diff(plain(want.Columns), plain(readStandard(t, db, "cards"))); diff != "" {
		t.Errorf("columns differ (-native +standard):\n%s", diff)
	}
}

// newSQLServer starts a test server that runs the queries of the catalog in the database, over TLS if config is not
// nil.
func newSQLServer(t *testing.T, db *sql.DB, config *tls.Config) *tdsServer {
	t.Helper()
	return startTDS(t, &tdsServer{
		config: config,
		refuse: func(login tdsLoginRequest) []tdsError {
			switch {
			case login.password != foreigntest.Password:
				return []tdsError{{18456, "Login failed for user '" + login.user + "' with " + login.password}}
			case login.user == "stranger":
				return []tdsError{
					{4060, "Cannot open database \"loans\" requested by the login."}, {18456, "Login failed."},
				}
			}
			return nil
		},
		run: func(query string) ([][]*string, error) {
			switch {
			case query == sqlServerVersion:
				version := "Microsoft SQL Server 2022 (RTM) - 16.0.1000.6 (X64)\n\tOct  8 2022"
				return [][]*string{{&version}}, nil
			case strings.HasPrefix(query, "SET LOCK_TIMEOUT"):
				return [][]*string{}, nil
			}
			return queryTexts(t, db, query)
		},
	})
}

// queryTexts returns the rows of a query as texts, of the schema svc.
func queryTexts(t *testing.T, db *sql.DB, query string) ([][]*string, error) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	found := [][]*string{}
	for rows.Next() {
		row, into := make([]*string, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if *row[0] == "svc" {
			found = append(found, row)
		}
	}
	return found, rows.Err()
}

// The columns that are read over the protocol of SQL Server are those of PostgreSQL. The server of the test is no SQL
// Server.
func TestReadSQLServer(t *testing.T) {
	t.Parallel()
	s, db := newStandardLoans(t)
	want, err := Read(t.Context(), mustParse(t, s.PostgresURL("reader", foreigntest.Password, "loans"), ""))
	if err != nil {
		t.Fatal(err)
	}
	config, ca := serverTLS(t)
	server := newSQLServer(t, db, config)
	plain := newSQLServer(t, db, nil)
	at := func(of *tdsServer, user, password, query, ca string) Connection {
		c := mustParse(t, of.url(user, "x", query), ca)
		return c.WithPassword(password)
	}
	const password = foreigntest.Password
	for name, query := range map[string]string{
		"without a mode": "", "require": "?sslmode=require", "verify-ca": "?sslmode=verify-ca",
		"verify-full": "?sslmode=verify-full",
	} {
		t.Run("over TLS, "+name, func(t *testing.T) {
			t.Parallel()
			authority := ""
			if strings.Contains(query, "verify") {
				authority = ca
			}
			got, err := Read(t.Context(), at(server, "reader", password, query, authority))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Columns, got.Columns); diff != "" {
				t.Errorf("columns differ (-want +got):\n%s", diff)
			}
			if got.Version != "Microsoft SQL Server 2022 (RTM)" || got.Tables != 3 {
				t.Errorf("got %d tables of %q, want 3", got.Tables, got.Version)
			}
		})
	}
	byAddress := strings.Replace(server.url("reader", "x", "?sslmode=verify-full"), "localhost", "127.0.0.1", 1)
	for name, tt := range map[string]struct {
		connection Connection
		want       Reason
		text       string
	}{
		"wrong password": {at(server, "reader", "wrong-77", "", ""), ReasonAuthentication, "the password is wrong"},
		"no database": {
			at(server, "stranger", password, "", ""), ReasonNoDatabase, "CREATE USER [stranger] FOR LOGIN [stranger];",
		},
		"no TLS": {at(plain, "reader", password, "", ""), ReasonTLSUnavailable, "does not offer it"},
		"untrusted": {
			at(server, "reader", password, "?sslmode=verify-full", ""), ReasonCertificate, "trusted authority",
		},
		"untrusted, only the authority": {
			at(server, "reader", password, "?sslmode=verify-ca", ""), ReasonCertificate, "trusted authority",
		},
		"another host": {mustParse(t, byAddress, ca), ReasonCertificate, "not for 127.0.0.1"},
		"nothing listens": {
			mustParse(t, "sqlserver://reader:x@127.0.0.1:1/loans", ""), ReasonUnreachable,
			"Nothing listens at 127.0.0.1:1",
		},
		"no SQL Server": {
			mustParse(t, strings.Replace(s.PostgresURL("reader", "x", "loans"), "postgres:", "sqlserver:", 1), ""),
			ReasonUnreachable, "does not answer as a SQL Server does",
		},
		"unknown host": {
			mustParse(t, "sqlserver://reader:x@nowhere.invalid/loans", ""), ReasonUnknownHost,
			"nowhere.invalid is unknown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(t.Context(), tt.connection)
			wantReason(t, err, tt.want, tt.text)
		})
	}
	t.Run("sends what it must and no more", func(t *testing.T) {
		server := newSQLServer(t, db, config)
		if _, err := Read(t.Context(), at(server, "reader", password, "", "")); err != nil {
			t.Fatal(err)
		}
		server.mu.Lock()
		defer server.mu.Unlock()
		login := tdsLoginRequest{"reader", password, "loans", applicationName, true}
		if diff := cmp.Diff(login, server.login, cmp.AllowUnexported(tdsLoginRequest{})); diff != "" {
			t.Errorf("login differs (-want +got):\n%s", diff)
		}
		batches := []string{
			sqlServerVersion, "SET LOCK_TIMEOUT 30000", standardPrimaryKeys, standardForeignKeys, standardColumns,
		}
		if diff := cmp.Diff(batches, server.batches); diff != "" {
			t.Errorf("batches differ (-want +got):\n%s", diff)
		}
	})
}

func TestReadSQLServer_NamesThePrivilege(t *testing.T) {
	t.Parallel()
	config, _ := serverTLS(t)
	for name, tt := range map[string]struct {
		number int32
		want   Reason
		text   string
	}{
		"sees nothing":      {0, ReasonNothingVisible, "USE [loans]; GRANT VIEW DEFINITION TO [re]]ader];"},
		"may not read":      {229, ReasonPermission, "GRANT VIEW DEFINITION TO [re]]ader];"},
		"waits for a lock":  {1222, ReasonTimeout, "does not respond in time"},
		"an unknown number": {8134, ReasonOther, "failed (error 8134)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startTDS(t, &tdsServer{
				config: config, refuse: func(tdsLoginRequest) []tdsError { return nil },
				run: func(query string) ([][]*string, error) {
					version := "Microsoft SQL Server 2019"
					if query == sqlServerVersion {
						return [][]*string{{&version}}, nil
					}
					if tt.number != 0 {
						return nil, tdsError{tt.number, "failed"}
					}
					return [][]*string{}, nil
				},
			})
			_, err := Read(t.Context(), mustParse(t, server.url("re%5Dader", "x", ""), ""))
			wantReason(t, err, tt.want, tt.text)
		})
	}
}

// A statement that takes too long is canceled.
func TestReadSQLServer_CancelsAStatement(t *testing.T) {
	t.Parallel()
	config, _ := serverTLS(t)
	server := startTDS(t, &tdsServer{
		config: config, refuse: func(tdsLoginRequest) []tdsError { return nil },
		run: func(string) ([][]*string, error) { return nil, nil },
	})
	limits := defaultTimeouts()
	limits.statement = 2 * time.Second // the batch has to reach the server before
	_, err := read(t.Context(), mustParse(t, server.url("reader", "x", ""), ""), limits)
	wantReason(t, err, ReasonTimeout, "does not respond in time")
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.canceled != 1 {
		t.Errorf("got %d canceled statements, want 1", server.canceled)
	}
}

func TestParse_RefusesSQLServerWithoutTLS(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"sqlserver://u:p@h/d?sslmode=disable", "mssql://u:p@h/d?sslmode=prefer", `sqlserver://dom%5Cu:p@h/d`,
	} {
		_, err := Parse(text, "")
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != ReasonInvalid {
			t.Errorf("Parse(%s): got %v, want an error", text, err)
		}
	}
	c := mustParse(t, "mssql://u:p@h/d", "")
	if got := c.URL(); got != "sqlserver://u@h:1433/d" {
		t.Errorf("URL: got %s, want sqlserver://u@h:1433/d", got)
	}
}

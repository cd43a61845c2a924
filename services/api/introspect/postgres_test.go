//go:build unix

package introspect

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/foreigntest"
)

const loansSchema = `
create schema svc; create schema hidden; create extension if not exists plpgsql;
create domain svc.money_d as numeric(14,2);
create type svc.state as enum ('open', 'closed');
create table svc.borrower (id bigint primary key, ssn char(9) not null, "odd.name" text);
comment on column svc.borrower.ssn is E'Social security number\nof the borrower';
create table svc.loan (
	borrower_id bigint not null references svc.borrower, seq int not null, balance svc.money_d, state svc.state,
	gone int, tags text[], opened timestamptz,
	primary key (borrower_id, seq)
) partition by range (opened);
alter table svc.loan drop column gone;
`

// The partition key must be part of the primary key.
const loansRest = `
create table svc.loan_2025 partition of svc.loan for values from ('2025-01-01') to ('2026-01-01');
create view svc.loan_view as select balance, state from svc.loan;
create materialized view svc.loan_total as select sum(balance) as total from svc.loan;
create extension file_fdw;
create server files foreign data wrapper file_fdw;
create foreign table svc.rates (code text, rate numeric) server files options (filename '/nonexistent');
comment on column svc.rates.rate is 'Interest rate';
create table hidden.secret (x int);
insert into svc.borrower values (1, '123456789', 'never read me');
create role reader login password $pw$` + foreigntest.Password + `$pw$;
create role tls_only login password $pw$` + foreigntest.Password + `$pw$;
create role unlisted login password $pw$` + foreigntest.Password + `$pw$;
create role nothing login password $pw$` + foreigntest.Password + `$pw$;
grant usage on schema svc to reader, tls_only;
`

// newLoans starts a PostgreSQL with the database loans.
func newLoans(t *testing.T) *foreigntest.Server {
	t.Helper()
	s := foreigntest.StartPostgres(t)
	s.Exec(t, "postgres", "create database loans")
	s.Exec(t, "postgres", "create database closed")
	s.Exec(t, "postgres", "create database empty")
	s.Exec(t, "postgres", "revoke connect on database closed from public")
	s.Exec(t, "loans", strings.Replace(loansSchema, "(borrower_id, seq)", "(borrower_id, seq, opened)", 1)+loansRest)
	return s
}

func mustParse(t *testing.T, rawURL, ca string) Connection {
	t.Helper()
	c, err := Parse(rawURL, ca)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func column(table, name string, position int32, dataType string) schema.ColumnRow {
	return schema.ColumnRow{
		SchemaName: "svc", TableName: table, ColumnName: name, DataType: dataType, Position: position,
		RelationKind: schema.RelationTable,
	}
}

func primaryKey(row schema.ColumnRow) schema.ColumnRow {
	row.IsPrimaryKey = true
	return row
}

func ofKind(kind schema.RelationKind, row schema.ColumnRow) schema.ColumnRow {
	row.RelationKind = kind
	return row
}

func TestReadPostgres(t *testing.T) {
	t.Parallel()
	s := newLoans(t)
	at := func(user, password, database, query string) Connection {
		return mustParse(t, s.PostgresURL(user, password, database)+query, "")
	}

	t.Run("reads names in the encoding of the database", func(t *testing.T) {
		t.Parallel()
		s.Exec(t, "postgres", "create database latin encoding 'LATIN1' template template0 locale 'C'")
		s.Exec(t, "latin", `create table public.konto (U&"gr\00F6\00DFe" numeric)`)
		got, err := Read(t.Context(), at("reader", foreigntest.Password, "latin", ""))
		if err != nil || len(got.Columns) != 1 || got.Columns[0].ColumnName != "größe" {
			t.Errorf("Read: got %+v, %v, want the column größe", got.Columns, err)
		}
	})
	t.Run("returns tables, views, keys and comments", func(t *testing.T) {
		t.Parallel()
		got, err := Read(t.Context(), at("reader", foreigntest.Password, "loans", ""))
		if err != nil {
			t.Fatal(err)
		}
		ssn := column("borrower", "ssn", 2, "character(9)")
		ssn.Description = "Social security number\nof the borrower"
		borrower := primaryKey(column("loan", "borrower_id", 1, "bigint"))
		borrower.References = "svc.borrower.id"
		rate := ofKind(schema.RelationForeignTable, column("rates", "rate", 2, "numeric"))
		rate.Description = "Interest rate"
		want := []schema.ColumnRow{
			primaryKey(column("borrower", "id", 1, "bigint")),
			ssn,
			column("borrower", "odd.name", 3, "text"),
			borrower,
			primaryKey(column("loan", "seq", 2, "integer")),
			column("loan", "balance", 3, "numeric(14,2)"),
			column("loan", "state", 4, "svc.state"),
			column("loan", "tags", 6, "text[]"),
			primaryKey(column("loan", "opened", 7, "timestamp with time zone")),
			ofKind(schema.RelationMaterializedView, column("loan_total", "total", 1, "numeric")),
			ofKind(schema.RelationView, column("loan_view", "balance", 1, "numeric(14,2)")),
			ofKind(schema.RelationView, column("loan_view", "state", 2, "svc.state")),
			ofKind(schema.RelationForeignTable, column("rates", "code", 1, "text")),
			rate,
		}
		if diff := cmp.Diff(want, got.Columns); diff != "" {
			t.Errorf("columns differ (-want +got):\n%s", diff)
		}
		if got.Tables != 5 || !strings.HasPrefix(got.Version, "PostgreSQL 1") ||
			got.Grant != `GRANT USAGE ON SCHEMA "hidden" TO "reader";` {
			t.Errorf("got %d tables, version %q, grant %q, want 5 of PostgreSQL 1, and the grant on hidden",
				got.Tables, got.Version, got.Grant)
		}
	})

	const password = foreigntest.Password
	byAddress := strings.Replace(s.PostgresURL("reader", password, "loans"), "localhost", "127.0.0.1", 1)
	for name, tt := range map[string]struct {
		connection Connection
		want       Reason
		text       string
	}{
		"wrong password":   {at("reader", "wrong", "loans", ""), ReasonAuthentication, "the password is wrong"},
		"no password":      {at("reader", "", "loans", ""), ReasonAuthentication, "Give the password"},
		"unknown user":     {at("stranger", "x", "loans", ""), ReasonAuthentication, "refuses user stranger"},
		"no such database": {at("reader", password, "lones", ""), ReasonNoDatabase, "no database lones"},
		"no CONNECT": {
			at("reader", password, "closed", ""), ReasonPermission,
			`GRANT CONNECT ON DATABASE "closed" TO "reader";`,
		},
		"not in pg_hba": {at("unlisted", password, "loans", ""), ReasonPermission, "pg_hba.conf"},
		"no USAGE": {
			at("nothing", password, "loans", ""), ReasonNothingVisible,
			`GRANT USAGE ON SCHEMA "hidden", "svc" TO "nothing";`,
		},
		"no tables": {at("reader", password, "empty", ""), ReasonNothingVisible, "no tables or views"},
		"TLS is required": {
			at("tls_only", password, "loans", "?sslmode=disable"), ReasonTLSRequired, "sslmode=verify-full",
		},
		"password in clear text": {
			at("clear_text", password, "loans", "?sslmode=disable"), ReasonTLSRequired, "in clear text",
		},
		"untrusted": {
			at("reader", password, "loans", "?sslmode=verify-full"), ReasonCertificate, "trusted authority",
		},
		"untrusted with verify-ca": {
			at("reader", password, "loans", "?sslmode=verify-ca"), ReasonCertificate, "trusted authority",
		},
		"another host": {
			mustParse(t, byAddress+"?sslmode=verify-full", s.CA), ReasonCertificate, "not for 127.0.0.1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(t.Context(), tt.connection)
			wantReason(t, err, tt.want, tt.text)
		})
	}
	for name, query := range map[string]string{
		"without a mode": "", "prefer": "?sslmode=prefer", "require": "?sslmode=require",
		"verify-ca": "?sslmode=verify-ca", "verify-full": "?sslmode=verify-full",
	} {
		t.Run("over TLS, "+name, func(t *testing.T) {
			t.Parallel()
			ca := ""
			if strings.Contains(query, "verify") {
				ca = s.CA
			}
			got, err := Read(
				t.Context(),
				mustParse(t, s.PostgresURL("tls_only", foreigntest.Password, "loans")+query, ca),
			)
			if err != nil || len(got.Columns) != 14 {
				t.Errorf("Read: got %d columns, %v, want 14", len(got.Columns), err)
			}
		})
	}
}

// wantReason fails the test unless the error has this reason and text, and does not contain the password.
func wantReason(t *testing.T, err error, want Reason, text string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("Read: got %v, want an *Error", err)
	}
	if e.Reason != want || !strings.Contains(e.Error(), text) {
		t.Errorf("Read: got %s: %v, want %s with %q", e.Reason, e, want, text)
	}
	if strings.Contains(e.Error(), foreigntest.Password) || strings.Contains(e.Error(), "Zebra77") {
		t.Errorf("Read: got error %v, want one without the password", e)
	}
}

func TestRead_ReportsAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	limits := timeouts{connect: 300 * time.Millisecond, statement: time.Second, whole: 5 * time.Second}
	for _, scheme := range []string{"postgres", "mysql"} {
		for name, tt := range map[string]struct {
			address string
			want    Reason
			text    string
		}{
			"accepts and never answers": {silent.Addr().String(), ReasonTimeout, "does not respond in time"},
			"closed port":               {closed.Addr().String(), ReasonUnreachable, "Nothing listens at 127.0.0.1"},
			"unknown host":              {"no-such.invalid:1", ReasonUnknownHost, "no-such.invalid is unknown"},
		} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				t.Parallel()
				c := mustParse(t, scheme+"://u:p%40ss%2Fw%3Ard-Zebra77@"+tt.address+"/d", "")
				_, err := read(t.Context(), c, limits)
				wantReason(t, err, tt.want, tt.text)
			})
		}
	}
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Read(ctx, mustParse(t, "postgres://u:p@"+silent.Addr().String()+"/d", ""))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Read: got %v, want %v", err, context.Canceled)
		}
	})
}

func TestReadPostgres_UsesNothingOfTheEnvironment(t *testing.T) {
	s := foreigntest.StartPostgres(t)
	s.Exec(t, "postgres", "create role reader login password $pw$"+foreigntest.Password+"$pw$")
	t.Setenv("PGPASSWORD", foreigntest.Password)
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGSSLROOTCERT", "/no/such/file")
	passfile := t.TempDir() + "/pgpass"
	line := "*:*:*:*:" + strings.ReplaceAll(foreigntest.Password, ":", `\:`) + "\n"
	if err := os.WriteFile(passfile, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", passfile)

	_, err := Read(t.Context(), mustParse(t, s.PostgresURL("reader", "", "postgres"), ""))
	wantReason(t, err, ReasonAuthentication, "Give the password")
}

func TestReading_RefusesMoreThanItsLimits(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]schema.ColumnRow{
		"a column too many": {},
		"too much text":     {Description: strings.Repeat("x", maxBytes)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r Reading
			for range MaxColumns {
				if err := r.add(schema.ColumnRow{ColumnName: "c"}); err != nil {
					t.Fatal(err)
				}
				if last.Description != "" {
					break
				}
			}
			wantReason(t, r.add(last), ReasonTooLarge, "most that can be read")
		})
	}
}

func TestReading_RefusesNamesThatCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\x00b", "\xff", strings.Repeat("x", maxName+1)} {
		r := Reading{Columns: []schema.ColumnRow{{SchemaName: "s", TableName: "t", ColumnName: name}}}
		wantReason(t, r.finish(), ReasonOther, "cannot be stored")
	}
	r := Reading{Version: "a\nb" + strings.Repeat("x", 500), Columns: []schema.ColumnRow{column("t", "c", 1, "int")}}
	if err := r.finish(); err != nil || strings.Contains(r.Version, "\n") || len(r.Version) > 200 {
		t.Errorf("version: got %q, %v, want one line of at most 200 characters", r.Version, err)
	}
}

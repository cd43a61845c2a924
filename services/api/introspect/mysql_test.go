//go:build unix

package introspect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/foreigntest"
)

// newCards starts a MariaDB with the database cards.
func newCards(t *testing.T) *foreigntest.Server {
	t.Helper()
	s := foreigntest.StartMariaDB(t)
	user := func(name, options string) string {
		return "create user " + name + "@'%' identified by '" + foreigntest.Password + "' " + options
	}
	s.ExecMariaDB(t, "", "create database cards", "create database other",
		user("reader", ""), user("tls_only", "require ssl"), user("nothing", ""), user("nearly", ""),
		"create user foreigner@'10.9.8.7' identified by 'x'")
	s.ExecMariaDB(t, "cards",
		"create table customer (id bigint primary key, tax_no char(9) comment 'Tax number\nof the customer')",
		"create table acct (customer_id bigint, seq int, bal decimal(14,2), opened date, "+
			"primary key (customer_id, seq, opened)) partition by range columns (opened) "+
			"(partition p1 values less than ('2026-01-01'), partition p2 values less than (maxvalue))",
		"create table card (id int primary key, owner bigint, state enum('open','closed'), "+
			"constraint owned foreign key (owner) references customer (id))",
		"create view open_card as select id, owner from card",
		"create sequence numbers",
		"insert into customer values (1, '123456789')",
		"grant references on cards.* to reader@'%', tls_only@'%'", "grant create on cards.* to nearly@'%'")
	s.ExecMariaDB(t, "other", "create table secret (x int)")
	return s
}

func TestReadMariaDB(t *testing.T) {
	t.Parallel()
	s := newCards(t)
	const password = foreigntest.Password
	at := func(user, password, database, query string) Connection {
		return mustParse(t, s.MariaDBURL(user, password, database)+query, "")
	}

	t.Run("returns tables, views, keys and comments", func(t *testing.T) {
		t.Parallel()
		got, err := Read(t.Context(), at("reader", password, "cards", ""))
		if err != nil {
			t.Fatal(err)
		}
		inCards := func(row schema.ColumnRow) schema.ColumnRow {
			row.SchemaName = "cards"
			return row
		}
		tax := inCards(column("customer", "tax_no", 2, "char(9)"))
		tax.Description = "Tax number\nof the customer"
		owner := inCards(column("card", "owner", 2, "bigint(20)"))
		owner.References = "cards.customer.id"
		want := []schema.ColumnRow{
			primaryKey(inCards(column("acct", "customer_id", 1, "bigint(20)"))),
			primaryKey(inCards(column("acct", "seq", 2, "int(11)"))),
			inCards(column("acct", "bal", 3, "decimal(14,2)")),
			primaryKey(inCards(column("acct", "opened", 4, "date"))),
			primaryKey(inCards(column("card", "id", 1, "int(11)"))),
			owner,
			inCards(column("card", "state", 3, "enum('open','closed')")),
			primaryKey(inCards(column("customer", "id", 1, "bigint(20)"))),
			tax,
			ofKind(schema.RelationView, inCards(column("open_card", "id", 1, "int(11)"))),
			ofKind(schema.RelationView, inCards(column("open_card", "owner", 2, "bigint(20)"))),
		}
		if diff := cmp.Diff(want, got.Columns); diff != "" {
			t.Errorf("columns differ (-want +got):\n%s", diff)
		}
		if got.Tables != 4 || !strings.HasPrefix(got.Version, "MariaDB 1") {
			t.Errorf("got %d tables, version %q, want 4 of MariaDB 1", got.Tables, got.Version)
		}
	})

	byAddress := strings.Replace(s.MariaDBURL("reader", password, "cards"), "localhost", "127.0.0.1", 1)
	for name, tt := range map[string]struct {
		connection Connection
		want       Reason
		text       string
	}{
		"wrong password":   {at("reader", "wrong", "cards", ""), ReasonAuthentication, "the password is wrong"},
		"no password":      {at("reader", "", "cards", ""), ReasonAuthentication, "Give the password"},
		"no such database": {at("reader", password, "cads", ""), ReasonPermission, "no privilege on database cads"},
		"no privilege": {
			at("nothing", password, "cards", ""), ReasonPermission,
			"GRANT REFERENCES ON `cards`.* TO 'nothing'@'%';",
		},
		"no privilege on columns": {
			at("nearly", password, "cards", ""), ReasonNothingVisible, "GRANT REFERENCES ON `cards`.* TO 'nearly'@'%';",
		},
		"TLS is required": {
			at("tls_only", password, "cards", "?sslmode=disable"), ReasonAuthentication, "sslmode=require",
		},
		"another address": {at("foreigner", "x", "cards", ""), ReasonAuthentication, "refuses user foreigner"},
		"untrusted": {
			at("reader", password, "cards", "?sslmode=verify-full"), ReasonCertificate, "trusted authority",
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
		"without a mode": "", "require": "?sslmode=require", "verify-ca": "?sslmode=verify-ca",
		"verify-full": "?sslmode=verify-full",
	} {
		t.Run("over TLS, "+name, func(t *testing.T) {
			t.Parallel()
			ca := ""
			if strings.Contains(query, "verify") {
				ca = s.CA
			}
			c := mustParse(t, s.MariaDBURL("tls_only", password, "cards")+query, ca)
			got, err := Read(t.Context(), c)
			if err != nil || len(got.Columns) != 11 {
				t.Errorf("Read: got %d columns, %v, want 11", len(got.Columns), err)
			}
		})
	}
	t.Run("no table is readable with the least privileges", func(t *testing.T) {
		t.Parallel()
		err := s.QueryMariaDB(t, "reader", "cards", "select * from customer")
		if err == nil || !strings.Contains(err.Error(), "SELECT command denied") {
			t.Errorf("select as the reader: got %v, want it denied", err)
		}
	})
}

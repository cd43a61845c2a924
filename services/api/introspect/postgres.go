package introspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pdeflow/pdeflow/schema"
)

// postgresColumns reads the columns of all relations in the schemas that the user may use. The partitions of a table
// and the relations of extensions are left out. A domain is shown as its base type. The one parameter is the limit.
const postgresColumns = `
select n.nspname, c.relname,
	case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' when 'f' then 'foreign_table'
		else 'table' end,
	a.attname, a.attnum,
	case t.typtype when 'd' then format_type(t.typbasetype, t.typtypmod)
		else format_type(a.atttypid, a.atttypmod) end,
	coalesce(col_description(c.oid, a.attnum), ''),
	exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p' and a.attnum = any(k.conkey)),
	coalesce(f.nspname, ''), coalesce(f.relname, ''), coalesce(f.attname, '')
from pg_class c
	join pg_namespace n on n.oid = c.relnamespace
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	join pg_type t on t.oid = a.atttypid
	left join lateral (
		select fn.nspname, fc.relname, fa.attname
		from pg_constraint k
			cross join lateral unnest(k.conkey, k.confkey) as pair (here, there)
			join pg_class fc on fc.oid = k.confrelid
			join pg_namespace fn on fn.oid = fc.relnamespace
			join pg_attribute fa on fa.attrelid = k.confrelid and fa.attnum = pair.there
		where k.conrelid = c.oid and k.contype = 'f' and k.conparentid = 0 and pair.here = a.attnum
		order by cardinality(k.conkey), k.conname limit 1
	) f on true
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
	and ` + postgresOwnSchemas + ` and has_schema_privilege(n.oid, 'usage')
	and not exists (
		select from pg_depend d
		where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname collate "C", c.relname collate "C", a.attnum
limit `

// postgresOwnSchemas excludes the schemas of the server.
const postgresOwnSchemas = `n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`

// postgresHidden reads the schemas with relations that the user may not use.
const postgresHidden = `select n.nspname from pg_namespace n
where ` + postgresOwnSchemas + ` and not has_schema_privilege(n.oid, 'usage')
	and exists (select from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f'))
order by n.nspname limit `

func (c Connection) readPostgres(ctx context.Context, limits timeouts) (reading Reading, err error) {
	conn, err := c.connectPostgres(ctx, limits)
	if err != nil {
		return reading, err
	}
	defer closePostgres(ctx, conn)
	// The settings are local to the transaction, so that they do not stay in a session of a pooler. The search path
	// makes the names of types independent of the user.
	begin := fmt.Sprintf(`begin isolation level repeatable read read only;
		set local statement_timeout = %d; set local lock_timeout = %d; set local search_path = pg_catalog`,
		limits.statement.Milliseconds(), limits.statement.Milliseconds())
	if _, err := conn.Exec(ctx, begin); err != nil {
		return reading, err
	}
	var version string
	if err := conn.QueryRow(ctx, "show server_version").Scan(&version); err != nil {
		return reading, err
	}
	reading.Version = string(postgres) + " " + version
	if err := reading.addPostgres(ctx, conn); err != nil {
		return reading, err
	}
	rows, err := conn.Query(ctx, fmt.Sprint(postgresHidden, maxHidden))
	if err != nil {
		return reading, err
	}
	if reading.Hidden, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return reading, err
	}
	if len(reading.Hidden) > 0 {
		names := make([]string, len(reading.Hidden))
		for i, name := range reading.Hidden {
			names[i] = pgx.Identifier{name}.Sanitize()
		}
		reading.Grant = fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", strings.Join(names, ", "), c.quotedUser())
	}
	return reading, nil
}

// closePostgres ends the session. Nothing was written, so it does not matter if the server does not receive the
// message.
func closePostgres(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

func (c Connection) quotedUser() string { return pgx.Identifier{c.user}.Sanitize() }

func (r *Reading) addPostgres(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, fmt.Sprint(postgresColumns, MaxColumns+1))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			column                         schema.ColumnRow
			refSchema, refTable, refColumn string
		)
		if err := rows.Scan(&column.SchemaName, &column.TableName, &column.RelationKind, &column.ColumnName,
			&column.Position, &column.DataType, &column.Description, &column.IsPrimaryKey,
			&refSchema, &refTable, &refColumn); err != nil {
			return err
		}
		column.References = reference(refSchema, refTable, refColumn)
		if err := r.add(column); err != nil {
			return err
		}
	}
	return rows.Err()
}

// connectPostgres connects with TLS, without, or first with TLS and then without, as the mode demands.
func (c Connection) connectPostgres(ctx context.Context, limits timeouts) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.connect)
	defer cancel()
	if c.mode == TLSDisable {
		return c.dialWithoutTLS(ctx, limits)
	}
	conn, err := c.dialPostgres(ctx, limits, true)
	if err == nil || !refusesTLS(err) {
		return conn, err
	}
	if c.mode != TLSPrefer {
		return nil, c.tlsUnavailable()
	}
	return c.dialWithoutTLS(ctx, limits)
}

func (c Connection) dialWithoutTLS(ctx context.Context, limits timeouts) (*pgx.Conn, error) {
	conn, err := c.dialPostgres(ctx, limits, false)
	if err != nil && strings.Contains(err.Error(), "require_auth check failed") { // pgx has no type for it
		return nil, c.clearText()
	}
	return conn, err
}

// refusesTLS reports whether the server has answered that it has no TLS.
func refusesTLS(err error) bool {
	return strings.Contains(err.Error(), "server refused TLS connection")
}

// maxMessage is the size of a message of a PostgreSQL server, which has one row. The protocol allows a gigabyte.
const maxMessage = 16 << 20

func (c Connection) dialPostgres(ctx context.Context, limits timeouts, useTLS bool) (*pgx.Conn, error) {
	// What the parser reads from the environment is replaced below. The parameters keep it from reading files.
	config, err := pgx.ParseConfig("postgres://user:password@host:5432/database?sslmode=disable" +
		"&sslrootcert=&sslcert=&sslkey=&passfile=")
	if err != nil {
		return nil, &Error{
			ReasonOther,
			"The environment of the server has invalid settings for PostgreSQL (PG...).",
			"",
		}
	}
	config.Host, config.Port, config.Database = c.host, c.port, c.database
	config.User, config.Password = c.user, c.secret()
	config.Fallbacks, config.ValidateConnect, config.AfterConnect = nil, nil, nil
	config.RuntimeParams = map[string]string{"application_name": applicationName, "client_encoding": "UTF8"}
	config.ConnectTimeout = limits.connect
	config.DialFunc = (&net.Dialer{Timeout: limits.connect}).DialContext
	config.SSLNegotiation, config.SSLCertMode, config.ChannelBinding = "", "disable", "prefer"
	config.KerberosSrvName, config.KerberosSpn = "", ""
	config.MinProtocolVersion, config.MaxProtocolVersion = "3.0", "3.0"
	config.RequireAuth = "!password" // never in clear text
	config.TLSConfig = nil
	if useTLS {
		config.RequireAuth = ""
		if config.TLSConfig, err = c.tlsConfig(); err != nil {
			return nil, err
		}
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // prepares nothing, for poolers
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		frontend := pgproto3.NewFrontend(r, w)
		frontend.SetMaxBodyLen(maxMessage)
		return frontend
	}
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	return pgx.ConnectConfig(ctx, config)
}

// postgresError returns the error for one that the server has reported, or nil.
func (c Connection) postgresError(err error) *Error {
	reported, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return nil
	}
	switch reported.Code {
	case "28P01":
		return c.wrongPassword()
	case "28000":
		return c.refusedLogin(reported.Message)
	case "3D000":
		return c.noDatabase()
	case "42501":
		return &Error{
			Reason: ReasonPermission,
			Message: fmt.Sprintf("User %s may not connect to database %s, or may not read its catalog.", c.user,
				c.database),
			Advice: fmt.Sprintf("An administrator has to run: GRANT CONNECT ON DATABASE %s TO %s;",
				pgx.Identifier{c.database}.Sanitize(), c.quotedUser()),
		}
	case "57014":
		return c.timeout()
	case "53300", "57P03":
		return &Error{
			Reason: ReasonUnreachable, Message: "The database accepts no connection at the moment: " +
				c.scrub(reported.Message) + ".",
			Advice: "Try again later.",
		}
	}
	return c.other(fmt.Sprintf("%s (SQLSTATE %s)", reported.Message, reported.Code))
}

// refusedLogin is the error of a server whose pg_hba.conf refuses the login, or of a role that cannot log in.
func (c Connection) refusedLogin(message string) *Error {
	switch {
	case strings.Contains(message, "no encryption"), strings.Contains(message, "SSL off"):
		return c.tlsRequired()
	case strings.Contains(message, "pg_hba.conf"):
		return &Error{
			Reason: ReasonPermission, Message: fmt.Sprintf(
				"The server does not let user %s connect to database %s from the address of pdeflow.", c.user,
				c.database),
			Advice: "An administrator has to add a line to pg_hba.conf, such as: hostssl " + c.database + " " + c.user +
				" ADDRESS scram-sha-256",
		}
	default:
		return c.wrongPassword()
	}
}

package introspect

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/pdeflow/pdeflow/schema"
)

// mysqlColumns reads the columns of the database of the URL that the user has a privilege on. Sequences of MariaDB are
// tables too, and are left out.
const mysqlColumns = `select c.table_schema, c.table_name, t.table_type, coalesce(t.engine, ''),
	c.column_name, c.ordinal_position, c.column_type, c.column_comment, c.column_key = 'PRI'
from information_schema.columns c
	join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
where c.table_schema = database() and t.table_type <> 'SEQUENCE'
limit `

// mysqlForeignKeys reads the columns of foreign keys in the order of the keys' names. A column in several keys has the
// reference of the first.
const mysqlForeignKeys = `select k.table_name, k.column_name,
	k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name
from information_schema.key_column_usage k
where k.table_schema = database() and k.referenced_table_name is not null
order by k.constraint_name, k.ordinal_position limit `

func (c Connection) readMySQL(ctx context.Context, limits timeouts) (reading Reading, err error) {
	connector, err := c.mysqlConnector(limits)
	if err != nil {
		return reading, err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	login, cancel := context.WithTimeout(ctx, limits.connect)
	defer cancel()
	conn, err := db.Conn(login)
	if err != nil {
		return reading, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var version string
	if err := conn.QueryRowContext(login, "select version()").Scan(&version); err != nil {
		return reading, err
	}
	product, limit := "MySQL", fmt.Sprintf("set session max_execution_time = %d", limits.statement.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		product, limit = "MariaDB", fmt.Sprintf("set session max_statement_time = %g", limits.statement.Seconds())
	}
	number, _, _ := strings.Cut(version, "-")
	reading.Version = product + " " + number
	for _, statement := range []string{"set session transaction read only", limit, "start transaction read only"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return reading, err
		}
	}
	references, err := mysqlReferences(ctx, conn)
	if err != nil {
		return reading, err
	}
	if err := reading.addMySQL(ctx, conn, references); err != nil {
		return reading, err
	}
	if len(reading.Columns) == 0 { // a database without tables looks the same
		reading.Grant = c.mysqlGrant()
	}
	return reading, nil
}

// columnName identifies a column within a database.
type columnName struct{ table, column string }

func mysqlReferences(ctx context.Context, conn *sql.Conn) (map[columnName]string, error) {
	rows, err := conn.QueryContext(ctx, fmt.Sprint(mysqlForeignKeys, MaxColumns))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // read to the end, or the error is returned
	references := map[columnName]string{}
	for rows.Next() {
		var (
			from                        columnName
			refSchema, refTable, column string
		)
		if err := rows.Scan(&from.table, &from.column, &refSchema, &refTable, &column); err != nil {
			return nil, err
		}
		if _, known := references[from]; !known {
			references[from] = reference(refSchema, refTable, column)
		}
	}
	return references, rows.Err()
}

func (r *Reading) addMySQL(ctx context.Context, conn *sql.Conn, references map[columnName]string) error {
	rows, err := conn.QueryContext(ctx, fmt.Sprint(mysqlColumns, MaxColumns+1))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // read to the end, or the error is returned
	for rows.Next() {
		var (
			row          schema.ColumnRow
			kind, engine string
		)
		if err := rows.Scan(&row.SchemaName, &row.TableName, &kind, &engine, &row.ColumnName, &row.Position,
			&row.DataType, &row.Description, &row.IsPrimaryKey); err != nil {
			return err
		}
		row.RelationKind = mysqlKind(kind, engine)
		row.References = references[columnName{row.TableName, row.ColumnName}]
		if err := r.add(row); err != nil {
			return err
		}
	}
	slices.SortStableFunc(r.Columns, func(a, b schema.ColumnRow) int {
		return cmp.Or(cmp.Compare(a.SchemaName, b.SchemaName), cmp.Compare(a.TableName, b.TableName),
			cmp.Compare(a.Position, b.Position))
	})
	return rows.Err()
}

// mysqlKind returns the kind of a table by its type and its storage engine.
func mysqlKind(tableType, engine string) schema.RelationKind {
	switch {
	case strings.HasSuffix(tableType, "VIEW"):
		return schema.RelationView
	case slices.Contains([]string{"FEDERATED", "CONNECT", "SPIDER"}, strings.ToUpper(engine)):
		return schema.RelationForeignTable
	default:
		return schema.RelationTable
	}
}

func (c Connection) mysqlConnector(limits timeouts) (driver.Connector, error) {
	config := mysqldriver.NewConfig()
	config.User, config.Passwd, config.DBName = c.user, c.secret(), c.database
	config.Net, config.Addr = "tcp", c.address()
	config.DialFunc = (&net.Dialer{Timeout: limits.connect}).DialContext
	config.ReadTimeout, config.WriteTimeout = limits.whole, limits.whole
	config.Logger = &mysqldriver.NopLogger{} // the default writes to standard error
	config.ConnectionAttributes = "program_name:" + applicationName
	if c.mode != TLSDisable {
		var err error
		if config.TLS, err = c.tlsConfig(); err != nil {
			return nil, err
		}
		config.AllowFallbackToPlaintext = c.mode == TLSPrefer
		config.AllowCleartextPasswords = c.mode != TLSPrefer // never without TLS
	}
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, &Error{ReasonOther, "The connection is not possible with these settings.", ""}
	}
	return connector, nil
}

// mysqlError returns the error for one that the server or the driver has reported, or nil.
func (c Connection) mysqlError(err error) *Error {
	if reported, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		return c.mysqlServerError(reported)
	}
	switch {
	case errors.Is(err, mysqldriver.ErrNoTLS):
		return c.tlsUnavailable()
	case errors.Is(err, mysqldriver.ErrCleartextPassword):
		return &Error{
			Reason: ReasonTLSRequired, Message: "The server asks for the password in clear text, which is sent over " +
				"TLS only.",
			Advice: "Set sslmode=verify-full (or require) in the URL.",
		}
	case errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, mysqldriver.ErrMalformPkt):
		return &Error{
			Reason: ReasonUnreachable, Message: fmt.Sprintf("%s has closed the connection.", c.address()),
			Advice: "Check that it is a MySQL or MariaDB server.",
		}
	}
	return nil
}

func (c Connection) mysqlServerError(reported *mysqldriver.MySQLError) *Error {
	switch reported.Number {
	case 1045, 1698:
		e := c.wrongPassword()
		if c.mode == TLSDisable {
			e.Advice += " A user that requires TLS is refused in the same way: sslmode=require connects with it."
		}
		return e
	case 1049:
		return c.noDatabase()
	case 3159:
		return c.tlsRequired()
	case 1044, 1142, 1143, 1227, 1370:
		return &Error{
			Reason: ReasonPermission, Message: fmt.Sprintf("User %s has no privilege on database %s.", c.user,
				c.database),
			Advice: "An administrator has to run: " + c.mysqlGrant(),
		}
	case 1130:
		return &Error{
			Reason: ReasonPermission, Message: fmt.Sprintf(
				"The server at %s accepts no connection from the address of pdeflow.", c.address()),
			Advice: "An administrator has to create the user for this address.",
		}
	case 1040, 1129, 1203, 1226:
		return &Error{
			Reason: ReasonUnreachable, Message: "The database accepts no connection at the moment: " +
				c.scrub(reported.Message) + ".",
			Advice: "Try again later.",
		}
	case 1969, 3024:
		return c.timeout()
	}
	return c.other(fmt.Sprintf("%s (error %d)", reported.Message, reported.Number))
}

// mysqlGrant returns the statement that shows the tables of the database to the user, and not their rows.
func (c Connection) mysqlGrant() string {
	quoted := "`" + strings.ReplaceAll(c.database, "`", "``") + "`"
	return fmt.Sprintf("GRANT REFERENCES ON %s.* TO '%s'@'%%';", quoted, strings.ReplaceAll(c.user, "'", "''"))
}

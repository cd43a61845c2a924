package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sessionSetup sets what this package relies on, whatever the defaults of the server, the database and the role are. pgx reads times,
// intervals and bytes in one notation each. The search path is left to the operator.
//
// It is a statement because PgBouncer refuses most of these names in the startup message.
const sessionSetup = "set default_transaction_isolation = 'read committed'; set timezone = 'UTC'; set standard_conforming_strings = on; " +
	"set client_encoding = 'UTF8'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; " +
	"set idle_in_transaction_session_timeout = '30s'; set jit = off"

// sessionPID is the key of a connection's server process id. A pooler makes up the one that the protocol carries.
const sessionPID = "pdeflow pid"

// setUpSession returns the function that prepares each new connection.
func setUpSession(statementTimeout time.Duration) func(context.Context, *pgconn.PgConn) error {
	setup := sessionSetup
	if statementTimeout > 0 {
		setup += "; set statement_timeout = " + strconv.FormatInt(statementTimeout.Milliseconds(), 10)
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		results, err := conn.Exec(ctx, setup+"; select pg_backend_pid()").ReadAll()
		if err != nil {
			return fmt.Errorf("session parameters: %w", err)
		}
		pid, err := strconv.ParseUint(string(results[len(results)-1].Rows[0][0]), 10, 32)
		if err != nil {
			return fmt.Errorf("process id of the session: %w", err)
		}
		conn.CustomData()[sessionPID] = uint32(pid)
		return nil
	}
}

// inspect connects once, without setting anything, and returns why the database cannot be used.
func inspect(ctx context.Context, config *pgx.ConnConfig) (err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	server, err := askServer(ctx, conn)
	if err != nil {
		return err
	}
	if server.encoding != "UTF8" {
		return fmt.Errorf("its encoding is %s and must be UTF8: create the database with ENCODING 'UTF8' TEMPLATE template0", server.encoding)
	}
	if server.pid == conn.PgConn().PID() {
		return nil // no pooler in between: a pooler makes up the process id that it sends to its clients
	}
	return checkPooling(ctx, config, conn)
}

type serverInfo struct {
	encoding string
	pid      uint32
}

// askServer reads everything as text: the session may have another notation than pgx expects.
func askServer(ctx context.Context, conn *pgx.Conn) (serverInfo, error) {
	results, err := conn.PgConn().Exec(ctx, "select current_setting('server_encoding'), pg_backend_pid()").ReadAll()
	if err != nil {
		return serverInfo{}, err
	}
	row := results[0].Rows[0]
	pid, err := strconv.ParseUint(string(row[1]), 10, 32)
	if err != nil {
		return serverInfo{}, fmt.Errorf("process id of the session: %w", err)
	}
	return serverInfo{encoding: string(row[0]), pid: uint32(pid)}, nil
}

// errPooling names the pooling mode that works.
var errPooling = errors.New("the connection pooler in front of it hands out a server connection per transaction or statement, and pdeflow needs " +
	"one per session: set pool_mode = session for this database (PgBouncer), or connect to PostgreSQL directly")

// checkPooling reports a pooler that does not keep one server connection per client. With such a pooler the connection that conn has
// used becomes free when its statement ends, and a second client that opens a transaction gets it; conn then runs on another one.
func checkPooling(ctx context.Context, config *pgx.ConnConfig, conn *pgx.Conn) (err error) {
	second, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.Close(ctx)) }()
	before, err := askServer(ctx, conn)
	if err != nil {
		return err
	}
	if err := second.PgConn().Exec(ctx, "begin").Close(); err != nil {
		if strings.Contains(err.Error(), "statement pooling") {
			return errPooling
		}
		return err
	}
	other, err := askServer(ctx, second)
	if err != nil {
		return err
	}
	after, err := askServer(ctx, conn)
	if err != nil {
		return err
	}
	if other.pid == before.pid || after.pid != before.pid {
		return errPooling
	}
	return second.PgConn().Exec(ctx, "rollback").Close()
}

// addresses lists the hosts that a connection may go to.
func addresses(config *pgx.ConnConfig) string {
	all := []string{fmt.Sprintf("%s:%d", config.Host, config.Port)}
	for _, fallback := range config.Fallbacks {
		address := fmt.Sprintf("%s:%d", fallback.Host, fallback.Port)
		if !slices.Contains(all, address) { // the same host with and without TLS
			all = append(all, address)
		}
	}
	return strings.Join(all, ", ")
}

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

// sessionSetup sets what this package relies on, whatever the defaults of the server, the database and the
// role. pgx expects one notation for times, intervals and bytes. The search path is not changed, because the
// operator chooses it.
//
// These are statements because PgBouncer rejects most of these names in the startup message.
const sessionSetup = "set default_transaction_isolation = 'read committed'; set timezone = 'UTC'; " +
	"set standard_conforming_strings = on; set client_encoding = 'UTF8'; set datestyle = 'ISO'; " +
	"set intervalstyle = 'postgres'; set bytea_output = 'hex'; " +
	"set idle_in_transaction_session_timeout = '30s'; set jit = off"

// sessionPID is the key of the server process id in the custom data of a connection. With a pooler, the
// process id of the protocol is a fake.
const sessionPID = "pdeflow pid"

// setUpSession returns the function that sets up each new connection.
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

// inspect connects once, without changing any settings, and returns an error if the database cannot be used.
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
		return fmt.Errorf("its encoding is %s and must be UTF8: "+
			"create the database with ENCODING 'UTF8' TEMPLATE template0", server.encoding)
	}
	if server.pid == conn.PgConn().PID() {
		return nil // no pooler in between: a pooler sends its clients a fake process id
	}
	return checkPooling(ctx, config, conn)
}

type serverInfo struct {
	encoding string
	pid      uint32
}

// askServer reads the encoding and the process id as text, because the session may not have the notation that
// pgx expects.
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

// errPooling reports an unsupported pooling mode.
var errPooling = errors.New("the connection pooler in front of it hands out a server connection per transaction " +
	"or statement, and pdeflow needs one per session: " +
	"set pool_mode = session for this database (PgBouncer), or connect to PostgreSQL directly")

// checkPooling returns an error if a pooler does not keep one server connection for each client. With such a
// pooler, the server connection of conn becomes free when its statement ends, and a second client that opens a
// transaction gets it. conn then continues on another one.
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

// addresses returns the hosts to which a connection may be opened.
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

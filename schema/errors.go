package schema

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotFound is returned if a row does not exist.
var ErrNotFound = errors.New("not found")

// notFound wraps err with the name of the row. It replaces [sql.ErrNoRows] by [ErrNotFound].
func notFound(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// IsRefused reports whether the database refused a statement because of its text, its values or the rows that
// it reads: a value out of range, a constraint, a limit of the program, a damaged row. Repeating the statement
// would fail again. It is false for errors that an operator can resolve, such as a missing permission or
// table.
func IsRefused(err error) bool {
	pg, ok := asPgError(err)
	if !ok {
		return errors.Is(err, ErrMalformed)
	}
	switch pg.Code {
	case "42501", // insufficient_privilege
		"42P01", "42703", "42704", "42883", "3F000": // undefined table, column, object, function, schema
		return false
	}
	switch pg.Code[:2] {
	case "0A", "20", "21", "22", "23", "27", "2F", "38", "39", "42", "44", "54", "P0", "XX":
		return true
	default:
		return false
	}
}

// IsOutdated reports whether a statement failed because the database lacks a table or a column of this version of the
// program.
func IsOutdated(err error) bool {
	pg, ok := asPgError(err)
	return ok && (pg.Code == "42P01" || pg.Code == "42703") // undefined_table, undefined_column
}

// IsReadOnly reports whether err means that the database accepts no writes.
func IsReadOnly(err error) bool {
	if pg, ok := asPgError(err); ok && pg.Code == "25006" { // read_only_sql_transaction
		return true
	}
	// pgx exports no error for a URL with target_session_attrs=read-write.
	return errors.Is(err, ErrReadOnly) || err != nil && strings.Contains(err.Error(), "read only connection")
}

// ErrMalformed is returned for a value that cannot be written to or read from the database.
var ErrMalformed = errors.New("malformed value")

// MaxErrorText is the maximum size in bytes of the text of an error in a row or an event.
const MaxErrorText = 2048

// ErrorText makes any text fit for rows and events. It returns valid UTF-8 without control characters, of at
// most [MaxErrorText] bytes.
func ErrorText(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r):
			return ' '
		case r == utf8.RuneError:
			return '?'
		default:
			return r
		}
	}, text)
	if len(text) <= MaxErrorText {
		return text
	}
	const ellipsis = "…"
	end := MaxErrorText - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

func asPgError(err error) (*pgconn.PgError, bool) { return errors.AsType[*pgconn.PgError](err) }

// IsLockTimeout reports whether a statement failed because it waited too long for a lock that another
// transaction holds.
func IsLockTimeout(err error) bool {
	pg, ok := asPgError(err)
	return ok && pg.Code == "55P03" // lock_not_available
}

// IsUnavailable reports whether the database could not be reached, ended the session, or took too long. The
// statement or commit may or may not have been executed.
func IsUnavailable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pg, ok := asPgError(err); ok {
		// Connection exceptions, insufficient resources, shutdown or start, idle_in_transaction_session_timeout, and
		// query_canceled.
		unavailable := []string{"08", "53", "57P", "25P03", "57014"}
		return slices.ContainsFunc(unavailable, func(class string) bool { return strings.HasPrefix(pg.Code, class) })
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

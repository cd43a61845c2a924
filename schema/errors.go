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

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("not found")

// notFound turns the absence of a row into [ErrNotFound] and names what was looked for.
func notFound(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// IsRefused reports whether the database refused a statement for what is in it or in the rows that it reads: a value out of range, a
// constraint, a limit of the program, a damaged row. The same statement would be refused again. It is false while the database cannot
// take any statement of this kind, for example because a permission or a table is missing.
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

// ErrMalformed is the error of a value that cannot be written to or read from the database.
var ErrMalformed = errors.New("malformed value")

// MaxErrorText is the largest size in bytes of an error's text in a row or an event.
const MaxErrorText = 2048

// ErrorText makes the text of an error fit for rows and events, whatever it holds: valid UTF-8 without control characters, of at most
// [MaxErrorText] bytes.
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

// IsLockTimeout reports whether the database has stopped waiting for a lock that another transaction holds.
func IsLockTimeout(err error) bool {
	pg, ok := asPgError(err)
	return ok && pg.Code == "55P03" // lock_not_available
}

// IsUnavailable reports whether the database could not be reached, has ended the session, or took too long. It is not
// known whether the statement, or a commit, has been executed.
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

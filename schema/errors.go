package schema

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

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

// Refused reports whether the database refused a statement for what was in it: a value out of range, or one that a constraint forbids.
// The same statement would be refused again.
func Refused(err error) bool {
	pg, ok := asPgError(err)
	return ok && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23"))
}

func asPgError(err error) (*pgconn.PgError, bool) { return errors.AsType[*pgconn.PgError](err) }

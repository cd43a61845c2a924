package introspect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
)

// MaxColumns is the number of columns that [Read] reads. A database with more is refused.
const MaxColumns = 200_000

const (
	// connectTimeout limits connecting and logging in.
	connectTimeout = 10 * time.Second
	// statementTimeout limits each query, by the database. For SQL Server the driver limits all of them together.
	statementTimeout = 30 * time.Second
	// readTimeout limits everything.
	readTimeout = 2 * time.Minute
	// applicationName is the name of the session in the database.
	applicationName = "pdeflow-introspect"
)

// Reading is the schema of a database as its user may see it.
type Reading struct {
	// Version is the product and its version, such as "PostgreSQL 15.14".
	Version string
	// Columns are sorted by schema, table and position. DataSource is empty.
	Columns []schema.ColumnRow
	// Tables is the number of relations.
	Tables int
	// Hidden are schemas that have relations and that the user may not use; at most [maxHidden].
	Hidden []string
	// Grant is the statement that would show the hidden schemas.
	Grant string

	// text is the number of bytes of the columns.
	text int
}

// maxBytes is the number of bytes of names, types and comments that [Read] keeps. The server may send any amount.
const maxBytes = 256 << 20

// add adds a column. It returns an [*Error] if there are too many, or if their texts are too long.
func (r *Reading) add(row schema.ColumnRow) error {
	r.text += len(row.SchemaName) + len(row.TableName) + len(row.ColumnName) + len(row.DataType) +
		len(row.Description) + len(row.References)
	if len(r.Columns) >= MaxColumns || r.text > maxBytes {
		return &Error{
			Reason: ReasonTooLarge,
			Message: fmt.Sprintf("The user sees more than %d columns or %d MiB of names and comments, the most that "+
				"can be read.", MaxColumns, maxBytes>>20),
			Advice: "Grant privileges on the schemas of the report only.",
		}
	}
	r.Columns = append(r.Columns, row)
	return nil
}

// maxHidden is the number of hidden schemas that a reading names.
const maxHidden = 5

// timeouts are the limits of a reading.
type timeouts struct{ connect, statement, whole time.Duration }

func defaultTimeouts() timeouts { return timeouts{connectTimeout, statementTimeout, readTimeout} }

// Read connects to the database and reads its schema. The error is an [*Error], or that of ctx if it has ended.
func Read(ctx context.Context, c Connection) (Reading, error) {
	return read(ctx, c, defaultTimeouts())
}

func read(ctx context.Context, c Connection, limits timeouts) (Reading, error) {
	within, cancel := context.WithTimeout(ctx, limits.whole)
	defer cancel()
	var (
		reading Reading
		err     error
	)
	switch c.product {
	case postgres:
		reading, err = c.readPostgres(within, limits)
	case mysql:
		reading, err = c.readMySQL(within, limits)
	case sqlServer:
		reading, err = c.readSQLServer(within, limits)
	default:
		return reading, invalid("There is no URL.")
	}
	if ctx.Err() != nil {
		return Reading{}, ctx.Err()
	}
	if err != nil {
		return Reading{}, c.explain(err)
	}
	return reading, reading.finish()
}

// explain returns the [Error] for an error of a driver.
func (c Connection) explain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e := c.databaseError(err); e != nil {
		return e
	}
	if e := c.networkError(err); e != nil {
		return e
	}
	return c.other(err.Error())
}

func (c Connection) databaseError(err error) *Error {
	switch c.product {
	case postgres:
		return c.postgresError(err)
	case mysql:
		return c.mysqlError(err)
	case sqlServer:
		return c.sqlServerError(err)
	}
	return nil
}

// finish counts the relations and cleans the texts. It returns an [*Error] if there are no columns, or if a name cannot
// be stored.
func (r *Reading) finish() error {
	switch {
	case len(r.Columns) == 0 && r.Grant != "":
		return &Error{
			Reason: ReasonNothingVisible, Message: "The user may see no table of the database.",
			Advice: "An administrator has to run: " + r.Grant,
		}
	case len(r.Columns) == 0:
		return &Error{ReasonNothingVisible, "The database has no tables or views.", "Check its name in the URL."}
	}
	for i := range r.Columns {
		row := &r.Columns[i]
		if i == 0 || row.TableName != r.Columns[i-1].TableName || row.SchemaName != r.Columns[i-1].SchemaName {
			r.Tables++
		}
		row.Description = cleaned(row.Description)
		for _, name := range []string{row.SchemaName, row.TableName, row.ColumnName, row.DataType, row.References} {
			if !utf8.ValidString(name) || strings.Contains(name, "\x00") || utf8.RuneCountInString(name) > maxName {
				return &Error{
					ReasonOther,
					fmt.Sprintf("Column %d of the database has a name or a type that cannot be stored.", i+1),
					"Names and types are in UTF-8 and have at most 10,000 characters.",
				}
			}
		}
	}
	r.Version = shortened(r.Version)
	for i := range r.Hidden {
		r.Hidden[i] = shortened(r.Hidden[i])
	}
	return nil
}

// maxName is the number of characters of a name or a type. Types of nested fields are long.
const maxName = 10_000

// shortened returns a text for the response, in one line of at most 200 characters.
func shortened(text string) string {
	runes := []rune(strings.ReplaceAll(cleaned(text), "\n", " "))
	return string(runes[:min(len(runes), 200)])
}

// cleaned returns a comment without the characters that a file of columns must not have.
func cleaned(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
}

// reference returns the source field of the column that a foreign key refers to, or "".
func reference(schemaName, table, column string) string {
	if column == "" {
		return ""
	}
	return schema.SourceColumn{SchemaName: schemaName, TableName: table, ColumnName: column}.SourceField()
}

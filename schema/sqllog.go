package schema

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

type (
	subjectKey struct{}
	startKey   struct{}
)

type subject struct{ jobID, mappingID string }

type start struct {
	sql   string
	at    time.Time
	watch *watch
}

// WithSubject returns a context for work on a mapping of a job, either of which may be empty. The log lines of
// its statements have the ids.
func WithSubject(ctx context.Context, jobID, mappingID string) context.Context {
	return context.WithValue(ctx, subjectKey{}, subject{jobID, mappingID})
}

// tracer traces every statement at the driver, including prepared ones, begin and commit. It watches each
// statement, and logs it if log is not nil. It calls readOnly if the database rejects a write because it is
// read-only.
type tracer struct {
	log      *slog.Logger
	readOnly func()
}

// TraceQueryStart implements [pgx.QueryTracer].
func (t tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, startKey{}, start{sql: data.SQL, at: time.Now(), watch: watchStatement(conn)})
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (t tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if began, ok := ctx.Value(startKey{}).(start); ok {
		began.watch.end()
		if IsReadOnly(data.Err) {
			t.readOnly()
		}
		if t.log != nil {
			t.logStatement(ctx, began, data)
		}
	}
}

func (t tracer) logStatement(ctx context.Context, began start, data pgx.TraceQueryEndData) {
	about, _ := ctx.Value(subjectKey{}).(subject)
	attrs := []slog.Attr{
		slog.String("sql", WithoutValues(began.sql)),
		slog.Duration("duration", time.Since(began.at)),
		slog.Int64("rows", data.CommandTag.RowsAffected()),
	}
	if about.jobID != "" {
		attrs = append(attrs, slog.String("job_id", about.jobID))
	}
	if about.mappingID != "" {
		attrs = append(attrs, slog.String("mapping_id", about.mappingID))
	}
	if data.Err != nil {
		attrs = append(attrs, slog.String("sqlstate", sqlState(data.Err)))
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, "sql", attrs...)
}

// WithoutValues returns the statement with every literal and parameter replaced by ?, with white space
// collapsed and without comments. Names in double quotes and digits in names are kept. It recognizes numbers,
// true, false, null, $1 and these strings:
//
//	'it''s'  E'\''  U&'\0041'  B'1'  X'ff'  $tag$text$tag$
func WithoutValues(sql string) string {
	var out strings.Builder
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'':
			i = stringEnd(sql, i, escapes(out.String()))
			out.WriteByte('?')
		case c == '"':
			end := closing(sql, i, '"')
			out.WriteString(sql[i:end])
			i = end
		case c == '$':
			i = dollarEnd(sql, i)
			out.WriteByte('?')
		case c >= '0' && c <= '9':
			i = numberEnd(sql, i)
			out.WriteByte('?')
		case blankEnd(sql, i) > i:
			for end := blankEnd(sql, i); end > i; end = blankEnd(sql, i) {
				i = end
			}
			out.WriteByte(' ')
		case isNameStart(c):
			end := i + 1
			for end < len(sql) && (isNameStart(sql[end]) || sql[end] >= '0' && sql[end] <= '9' || sql[end] == '$') {
				end++
			}
			out.WriteString(nameOrValue(out.String(), sql[i:end]))
			i = end
		default:
			out.WriteByte(c)
			i++
		}
	}
	return strings.TrimSpace(out.String())
}

// nameOrValue returns ? for a word that is a value, and otherwise the word. After "is" or "is not", null is
// not a value.
func nameOrValue(before, word string) string {
	switch strings.ToLower(word) {
	case "true", "false":
		return "?"
	case "null":
		before = strings.ToLower(before)
		if !strings.HasSuffix(before, "is ") && !strings.HasSuffix(before, "is not ") {
			return "?"
		}
	}
	return word
}

// blankEnd returns the end of the white space or comment that begins at i, or i if neither does.
func blankEnd(sql string, i int) int {
	rest := sql[i:]
	switch {
	case strings.HasPrefix(rest, "--"):
		return i + until(rest, "\n")
	case strings.HasPrefix(rest, "/*"):
		return i + until(rest, "*/")
	default:
		return i + len(rest) - len(strings.TrimLeft(rest, " \n\t\r"))
	}
}

// until returns the end of the first occurrence of end after the first two characters, or the length of the
// text.
func until(text, end string) int {
	if n := strings.Index(text[2:], end); n >= 0 {
		return 2 + n + len(end)
	}
	return len(text)
}

// escapes reports whether backslashes are escapes in a string that follows this text.
func escapes(before string) bool {
	n := len(before)
	return n > 0 && (before[n-1] == 'E' || before[n-1] == 'e') && (n == 1 || !isNameStart(before[n-2]))
}

func stringEnd(sql string, i int, backslash bool) int {
	for i++; i < len(sql); i++ {
		switch {
		case backslash && sql[i] == '\\':
			i++
		case sql[i] == '\'' && i+1 < len(sql) && sql[i+1] == '\'':
			i++
		case sql[i] == '\'':
			return i + 1
		}
	}
	return len(sql)
}

func closing(sql string, i int, quote byte) int {
	if end := strings.IndexByte(sql[i+1:], quote); end >= 0 {
		return i + 1 + end + 1
	}
	return len(sql)
}

func dollarEnd(sql string, i int) int {
	end := i + 1
	for end < len(sql) && (isNameStart(sql[end]) || sql[end] >= '0' && sql[end] <= '9') {
		end++
	}
	if end == len(sql) || sql[end] != '$' {
		return end // a parameter
	}
	tag := sql[i : end+1]
	if until := strings.Index(sql[end+1:], tag); until >= 0 {
		return end + 1 + until + len(tag)
	}
	return len(sql)
}

func numberEnd(sql string, i int) int {
	for i < len(sql) && (sql[i] >= '0' && sql[i] <= '9' || sql[i] == '.' || isNameStart(sql[i])) {
		i++
	}
	return i
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func sqlState(err error) string {
	if pg, ok := asPgError(err); ok {
		return pg.Code
	}
	return "connection"
}

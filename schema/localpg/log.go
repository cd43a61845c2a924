//go:build unix

package localpg

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logRelay passes the server's log to a logger, line by line, and keeps the last lines for the error of a
// server that ended.
type logRelay struct {
	logger *slog.Logger

	mu    sync.Mutex
	part  []byte
	quiet bool
	last  []string
}

// kept is the number of lines to keep: a server that gives up logs the reason in a line or two, of any
// severity.
const kept = 5

// Write implements [io.Writer].
func (r *logRelay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.part = append(r.part, p...)
	for {
		line, rest, whole := bytes.Cut(r.part, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		r.line(strings.TrimSpace(string(line)))
		r.part = rest
	}
}

func (r *logRelay) line(line string) {
	if line == "" {
		return
	}
	level := severity(line)
	r.last = append(r.last, line)
	r.last = r.last[max(0, len(r.last)-kept):]
	if r.quiet {
		level = slog.LevelDebug
	}
	r.logger.LogAttrs(context.Background(), level, line, slog.String("from", "postgres"))
}

// severity returns the level at which to log a line. An ERROR answers a client, which has received it, so it
// is debug.
func severity(line string) slog.Level {
	word, _, _ := strings.Cut(line, ":")
	switch word {
	case "PANIC":
		return slog.LevelError
	case "FATAL", "WARNING":
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}

// hush lowers all later lines to debug: a server that shuts down logs a FATAL for every connection that it
// closes.
func (r *logRelay) hush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = true
}

// lastLines returns the last lines, joined, or "" if there are none.
func (r *logRelay) lastLines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.last, "; ")
}

//go:build unix

package localpg

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logRelay hands the server's log on, line by line, and remembers the last lines for the error of a server that ended.
type logRelay struct {
	logger *slog.Logger

	mu    sync.Mutex
	part  []byte
	quiet bool
	last  []string
}

// kept is how many of the last lines are remembered: what a server says before it gives up is a line or two, of any severity.
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

// severity is what a line means to whoever runs pdeflow. An ERROR is the answer to a client, who has heard it.
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

// hush makes what follows debug only: a server that was asked to end complains about every connection it closes.
func (r *logRelay) hush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = true
}

// lastWords are the last lines in one, "" where there were none.
func (r *logRelay) lastWords() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.last, "; ")
}

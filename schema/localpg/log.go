//go:build unix

package localpg

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logRelay hands the server's log on, line by line, and remembers the last complaints for the error of a server that ended.
type logRelay struct {
	logger *slog.Logger

	mu       sync.Mutex
	part     []byte
	quiet    bool
	complain []string
}

const complaints = 5

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
	if level >= slog.LevelWarn || strings.HasPrefix(line, "HINT:") || strings.HasPrefix(line, "DETAIL:") {
		r.complain = append(r.complain, line)
		r.complain = r.complain[max(0, len(r.complain)-complaints):]
	}
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

// lastWords are the latest complaints in one line, "" where there were none.
func (r *logRelay) lastWords() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.complain, " ")
}

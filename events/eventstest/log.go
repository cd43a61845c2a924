package eventstest

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Log collects log lines. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// NewLog returns an empty log, which a failed test prints.
func NewLog(t testing.TB) *Log {
	l := &Log{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.String())
		}
	})
	return l
}

// Logger returns a logger that writes every level to the log, as text.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// JSONLogger returns a logger that writes every level to the log, as JSON. See [Log.Records].
func (l *Log) JSONLogger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Records returns the lines of [Log.JSONLogger].
func (l *Log) Records() (records []map[string]any) {
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil {
			records = append(records, record)
		}
	}
	return records
}

// Write appends to the log. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the whole log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count returns how often the text occurs in the log.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }

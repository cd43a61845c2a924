package api_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"
)

// logbook collects log lines, by request.
type logbook struct {
	mu    sync.Mutex
	lines []map[string]any
	grown chan struct{}
}

func (l *logbook) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(text) {
		var attrs map[string]any
		if err := json.Unmarshal(line, &attrs); err != nil {
			return 0, err
		}
		l.lines = append(l.lines, attrs)
	}
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return len(text), nil
}

// of returns the lines of one request.
func (l *logbook) of(requestID string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for _, line := range l.lines {
		if line["request_id"] == requestID {
			lines = append(lines, line)
		}
	}
	return lines
}

// await waits until the request has this number of lines.
func (l *logbook) await(t *testing.T, requestID string, n int) []map[string]any {
	t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		if l.grown == nil {
			l.grown = make(chan struct{})
		}
		grown := l.grown
		l.mu.Unlock()
		if lines := l.of(requestID); len(lines) >= n {
			return lines
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("request %s: got lines %v, want %d", requestID, l.of(requestID), n)
		}
	}
}

func (l *logbook) all() []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// said is what a run of the program came to.
type said struct {
	args           []string
	code           int
	stdout, stderr string
}

// pdeflow runs the program in the test's process, with the environment given and nothing else of the machine's.
func pdeflow(ctx context.Context, environment map[string]string, args ...string) said {
	var (
		stdout bytes.Buffer
		stderr logBuffer // the log and the progress of services share it
	)
	code := run(ctx, append([]string{"pdeflow"}, args...), &stdout, &stderr,
		func(name string) string { return environment[name] })
	return said{args, code, stdout.String(), stderr.String()}
}

// environment is one in which the stand is found.
func (s *stand) environment() map[string]string {
	s.t.Helper()
	return map[string]string{
		"PDEFLOW_SERVER": strings.TrimSuffix(s.url, "/api/v1"), "PDEFLOW_TOKEN": s.token,
		"DATABASE_URL": schematest.URL(s.t), "NATS_URL": s.nats.URL(),
	}
}

// pdeflow runs the program against the stand.
func (s *stand) pdeflow(args ...string) said {
	s.t.Helper()
	return pdeflow(s.t.Context(), s.environment(), args...)
}

// ends checks the exit code, and that standard error, or standard output where the program is content, holds each of
// the texts.
func (s said) ends(t *testing.T, code int, want ...string) said {
	t.Helper()
	where := s.stderr
	if code == exitDone {
		where = s.stdout
	}
	for _, text := range want {
		if !strings.Contains(where, text) {
			t.Errorf("pdeflow %s does not say %q", strings.Join(s.args, " "), text)
		}
	}
	if s.code != code {
		t.Errorf("pdeflow %s exits %d, not %d", strings.Join(s.args, " "), s.code, code)
	}
	if t.Failed() {
		t.Logf("it says:\n%s%s", s.stdout, s.stderr)
	}
	return s
}

// from reads the program's output as JSON.
func from[T any](t *testing.T, s said) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(s.stdout), &value); err != nil {
		t.Fatalf("pdeflow %s prints no JSON (%v):\n%s%s", strings.Join(s.args, " "), err, s.stdout, s.stderr)
	}
	return value
}

var (
	someID    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	someTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	someAge   = regexp.MustCompile(`\(\d+[smhd] ago\)`)
	somePlace = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	someDir   = regexp.MustCompile(`/[^ "]*/Test[^/ "]*/\d+/`)
	someHash  = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// transcript is a session with the program as a golden file holds it: what was typed, what was said, and the exit code,
// with numbers in place of ids, in the order in which they come up, and nothing that is another on each run.
func transcript(replies ...said) string {
	var text strings.Builder
	for _, s := range replies {
		typed := make([]string, len(s.args))
		for i, arg := range s.args {
			if typed[i] = arg; strings.ContainsAny(arg, " ()") || arg == "" {
				typed[i] = fmt.Sprintf("%q", arg)
			}
		}
		fmt.Fprintf(&text, "$ pdeflow %s\n%s", strings.Join(typed, " "), s.stdout)
		if s.stderr != "" {
			fmt.Fprintf(&text, "--- standard error\n%s", s.stderr)
		}
		if s.code != exitDone {
			fmt.Fprintf(&text, "--- exit %d\n", s.code)
		}
		text.WriteString("\n")
	}
	ids := map[string]string{}
	same := someID.ReplaceAllStringFunc(text.String(), func(id string) string {
		if ids[id] == "" {
			ids[id] = fmt.Sprintf("00000000-0000-0000-0000-%012d", len(ids)+1)
		}
		return ids[id]
	})
	same = someTime.ReplaceAllString(same, "2026-01-01T00:00:00Z")
	same = someAge.ReplaceAllString(same, "(5s ago)")
	same = someDir.ReplaceAllString(same, "")
	same = somePlace.ReplaceAllString(same, "http://127.0.0.1:8080")
	return someHash.ReplaceAllString(same, strings.Repeat("0", 64))
}

// golden compares with testdata/<name>.golden, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./cmd/pdeflow -run %s -update", err, t.Name())
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// file writes a file of the test's and returns its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

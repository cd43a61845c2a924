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
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// result is the outcome of a run of the program.
type result struct {
	args           []string
	code           int
	stdout, stderr string
}

// pdeflow started the program in the test's process with only the given environment.
func pdeflow(ctx context.Context, environment map[string]string, args ...string) result {
	var (
		stdout bytes.Buffer
		stderr eventstest.Log // the log and the progress of services share it
	)
	code := run(ctx, append([]string{"pdeflow"}, args...), &stdout, &stderr,
		func(name string) string { return environment[name] })
	return result{args, code, stdout.String(), stderr.String()}
}

// environment returns an environment in which the program finds the fixture.
func (f *fixture) environment() map[string]string {
	f.t.Helper()
	return map[string]string{
		"PDEFLOW_SERVER": strings.TrimSuffix(f.url, "/api/v1"), "PDEFLOW_TOKEN": f.token,
		"DATABASE_URL": schematest.URL(f.t), "NATS_URL": f.nats.URL(),
	}
}

// pdeflow started the program against the fixture.
func (f *fixture) pdeflow(args ...string) result {
	f.t.Helper()
	return pdeflow(f.t.Context(), f.environment(), args...)
}

// ends checks the exit code, and that standard error, or standard output after exit code 0, contains each text.
func (r result) ends(t *testing.T, code int, want ...string) result {
	t.Helper()
	command, output := "pdeflow "+strings.Join(r.args, " "), r.stderr
	if code == exitDone {
		output = r.stdout
	}
	for _, text := range want {
		if !strings.Contains(output, text) {
			t.Errorf("%s: got output without %q, want it", command, text)
		}
	}
	if r.code != code {
		t.Errorf("%s: got exit code %d, want %d", command, r.code, code)
	}
	if t.Failed() {
		t.Logf("%s printed:\n%s%s", command, r.stdout, r.stderr)
	}
	return r
}

// from decodes the program's output as JSON.
func from[T any](t *testing.T, f result) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(f.stdout), &value); err != nil {
		t.Fatalf("pdeflow %s: got output that is no JSON (%v), want JSON:\n%s%s",
			strings.Join(f.args, " "), err, f.stdout, f.stderr)
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

// transcript formats runs of the program for a golden file: command, output and exit code, with numbers in place of
// ids, and nothing that differs on each run.
func transcript(replies ...result) string {
	var text strings.Builder
	for _, f := range replies {
		fmt.Fprintf(&text, "$ pdeflow %s\n%s", asTyped(f.args), f.stdout)
		if f.stderr != "" {
			fmt.Fprintf(&text, "--- standard error\n%s", f.stderr)
		}
		if f.code != exitDone {
			fmt.Fprintf(&text, "--- exit %d\n", f.code)
		}
		text.WriteString("\n")
	}
	return steady(text.String())
}

// asTyped returns arguments as a person types them.
func asTyped(args []string) string {
	texts := slices.Clone(args)
	for i, arg := range texts {
		if strings.ContainsAny(arg, " ()") || arg == "" {
			texts[i] = fmt.Sprintf("%q", arg)
		}
	}
	return strings.Join(texts, " ")
}

// steady replaces what differs on each run: ids by numbers, times, paths and addresses by fixed ones.
func steady(text string) string {
	ids := map[string]string{}
	same := someID.ReplaceAllStringFunc(text, func(id string) string {
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

// golden compares with testdata/<name>.golden, or writes the file with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	goldenFile(t, filepath.Join("testdata", name+".golden"), got)
}

// goldenFile compares with a file, or writes it with -update.
func goldenFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; create it with: go test ./cmd/pdeflow -run %s -update", err, t.Name())
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// file writes a temporary file and returns its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

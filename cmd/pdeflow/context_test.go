package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAContextSelectsAServerAndItsToken(t *testing.T) {
	t.Parallel()
	test, testTokens := recordingServer(t)
	other, otherTokens := recordingServer(t)
	home := t.TempDir()
	environment := func(more ...string) map[string]string {
		all := map[string]string{"HOME": home}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	typed := func(code int, args ...string) result {
		return pdeflow(t.Context(), environment(), args...).ends(t, code)
	}
	typed(exitDone, "context", "set", "test", "--server", test, "--token-file", file(t, "token", "of-test\n"))
	typed(exitDone, "context", "set", "other", "--server", other)
	typed(exitUsage, "context", "set", "wrong", "--server", "nowhere")
	typed(exitUsage, "context", "set", "wrong", "--server", test, "--token-file", filepath.Join(home, "none"))
	typed(exitUsage, "context", "use", "nothing").ends(t, exitUsage, "there is no context “nothing”",
		"pdeflow context list")
	typed(exitDone, "context", "use", "test")
	typed(exitDone, "context", "list").ends(t, exitDone, "test     yes     "+test, "other    no")
	local := runningOn(t, other, "local", "")
	for name, tt := range map[string]struct {
		environment map[string]string
		args        []string
		test, other string
	}{
		"the chosen one": {environment: environment(), test: "Bearer of-test"},
		"the one that is typed": {
			environment: environment("PDEFLOW_CONTEXT", "test"), args: []string{"--context", "other"},
		},
		"the one of the environment": {environment: environment("PDEFLOW_CONTEXT", "other")},
		"a server before the chosen one": {
			environment: environment("PDEFLOW_SERVER", other, "PDEFLOW_TOKEN", "mine"), other: "Bearer mine",
		},
		"a directory before it": {
			environment: environment(), args: []string{"--data-dir", local}, other: "Bearer local",
		},
		"the environment's directory": {environment: environment("PDEFLOW_DATA_DIR", local), other: "Bearer local"},
		"a token that is typed": {
			environment: environment(), args: []string{"--token", "mine"}, test: "Bearer mine",
		},
		"typed, with another token": {
			environment: environment("PDEFLOW_SERVER", other, "PDEFLOW_TOKEN", "other"),
			args:        []string{"--context", "test"}, test: "Bearer of-test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			*testTokens, *otherTokens = nil, nil
			pdeflow(t.Context(), tt.environment, append([]string{"jobs", "list"}, tt.args...)...).ends(t, exitDone)
			if got := strings.Join(*testTokens, "|") + " / " + strings.Join(*otherTokens, "|"); got != tt.test+" / "+
				tt.other {
				t.Errorf("%s: got tokens %q, want %q", name, got, tt.test+" / "+tt.other)
			}
		})
	}
	typed(exitUsage, "jobs", "list", "--context", "nothing")
	typed(exitDone, "context", "remove", "test")
	if info, err := os.Stat(filepath.Join(home, ".config", "pdeflow", "contexts.json")); err != nil ||
		info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the context file: got %v (%v), want 0600", info, err)
	}
	if left := typed(exitDone, "context", "list").stdout; strings.Contains(left, "test ") ||
		strings.Contains(left, "yes") {
		t.Errorf("after removing the current context: got\n%s\nwant no test and no current one", left)
	}
}

func TestCycleAndReportDefaultToTheEnvironment(t *testing.T) {
	t.Parallel()
	server, tokens := recordingServer(t)
	environment := map[string]string{"PDEFLOW_SERVER": server, "PDEFLOW_CYCLE": "2026-Q3", "PDEFLOW_REPORT": "cards"}
	pdeflow(t.Context(), environment, "mappings", "list").ends(t, exitDone)
	if len(*tokens) != 1 {
		t.Errorf("requests: got %d, want 1", len(*tokens))
	}
}

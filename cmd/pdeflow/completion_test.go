package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed returns the candidates for the last of the words.
func completed(t *testing.T, environment map[string]string, words ...string) []string {
	t.Helper()
	got := pdeflow(t.Context(), environment, append([]string{"__complete"}, words...)...).ends(t, exitDone)
	return strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
}

func TestCommandsFlagsChoicesAndFilesAreCompleted(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"jo":                               "jobs",
		"jobs ca":                          "cancel",
		"help jobs wa":                     "watch",
		"jobs list --stat":                 "--status",
		"jobs list --status can":           "cancelled",
		"jobs list --status=can":           "cancelled",
		"jobs list --status = can":         "cancelled", // as bash splits it
		"jobs --data-dir /x list --act":    "--active",
		"mappings list --sort attr":        "attribute_name",
		"import --attributes ":             completeFiles,
		"serve --nats-creds ":              completeFiles,
		"check --nats-ca ":                 completeFiles,
		"check --log-level wa":             "warn",
		"completion fi":                    "fish",
		"jobs list --report=x --status ru": "running",
	} {
		t.Run(typed, func(t *testing.T) {
			words := strings.Split(typed, " ")
			found := slices.ContainsFunc(completed(t, nil, words...), func(line string) bool {
				value, _, _ := strings.Cut(line, "\t")
				return value == want
			})
			if !found {
				t.Errorf("%q: got candidates %q, want %s", typed, completed(t, nil, words...), want)
			}
		})
	}
	for _, typed := range [][]string{{"-"}, {"import", "-"}, {"jobs", "list", "-"}, {"mappings", ""}, {""}} {
		if all := strings.Join(completed(t, nil, typed...), "\n"); strings.Contains(all, "`") ||
			strings.Contains(all, "__complete") {
			t.Errorf("%q: got candidates\n%s\nwant neither quotes nor flags of the completion", typed, all)
		}
	}
}

func TestShellsHaveAScript(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		pdeflow(t.Context(), nil, "completion", shell).ends(t, exitDone, " __complete ")
	}
}

func TestBashCompletesWithTheScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "pdeflow")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"+asProgram+"=1 exec "+shellQuote(os.Args[0])+" \"$@\"\n"),
		0o700); err != nil {
		t.Fatal(err)
	}
	script := pdeflow(t.Context(), nil, "completion", "bash").ends(t, exitDone).stdout
	script += "\nCOMP_WORDS=(" + program +
		` jobs list --status can); COMP_CWORD=4; _pdeflow; printf '%s\n' "${COMPREPLY[@]}"` + "\n"
	script += "COMP_WORDS=(" + program +
		` mappings show --cycle ''); COMP_CWORD=4; _pdeflow; printf '<%s>\n' "${COMPREPLY[@]}"` + "\n"
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "cancelled\n") {
		t.Errorf("bash completion: got %q (%v), want cancelled", out, err)
	}
}

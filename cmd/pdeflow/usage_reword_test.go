package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The reworded sentences are not part of the cli package's API. After an upgrade, run this test, read
// usage_reword.go, and change the version in both places.
func TestReword_IsForTheVersionOfTheCLIPackage(t *testing.T) {
	t.Parallel()
	const version = "v3.14.0"
	module, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/urfave/cli/v3 " + version; !strings.Contains(string(module), want) {
		t.Errorf("go.mod: got another version of the cli package, want %s", want)
	}
	source, err := os.ReadFile("usage_reword.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), "github.com/urfave/cli/v3 "+version) {
		t.Errorf("usage_reword.go: got no version, want %s", version)
	}
}

func TestReword_RewordsEachSentenceOfTheCLIPackage(t *testing.T) {
	t.Parallel()
	for sentence, tt := range map[string]struct {
		args        string
		environment map[string]string
		want        string
	}{
		"flag provided but not defined": {
			args: "jobs list --stats failed",
			want: "pdeflow: there is no flag --stats; did you mean --status? (see pdeflow jobs list --help)\n",
		},
		"flag needs an argument": {
			args: "jobs list --status", want: "pdeflow: --status needs a value (see pdeflow jobs list --help)\n",
		},
		"Required flag": {
			args: "mappings list --cycle c",
			want: "pdeflow: --report must be given (see pdeflow mappings list --help)\n",
		},
		"Required flags": {
			args: "regenerate",
			want: "pdeflow: --cycle and --report must be given (see pdeflow regenerate --help)\n",
		},
		"invalid value of a number": {
			args: "jobs list --limit few",
			want: "pdeflow: --limit cannot be “few”: must be a whole number (see pdeflow jobs list --help)\n",
		},
		"invalid value of a duration": {
			args: "token --user x --role tester --ttl day",
			want: "pdeflow: --ttl cannot be “day”: must be a duration, such as 90s or 8h (see pdeflow token --help)\n",
		},
		"invalid value of a switch": {
			args: "jobs list --active=maybe",
			want: "pdeflow: --active cannot be “maybe”: must be true or false (see pdeflow jobs list --help)\n",
		},
		"could not parse a number from the environment": {
			args: "serve", environment: map[string]string{"PDEFLOW_WORKERS": "many"},
			want: "pdeflow: PDEFLOW_WORKERS (--workers) cannot be “many”: must be a whole number\n",
		},
		"could not parse a switch from the environment": {
			args: "check", environment: map[string]string{"PDEFLOW_LOG_SQL": "maybe"},
			want: "pdeflow: PDEFLOW_LOG_SQL (--log-sql) cannot be “maybe”: must be true or false\n",
		},
		"No help topic": {
			args: "jobs help frobnicate",
			want: "pdeflow: there is no command “frobnicate” to help with (see pdeflow --help)\n",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			got := pdeflow(t.Context(), tt.environment, strings.Fields(tt.args)...)
			if got.code != exitUsage || got.stderr != tt.want {
				t.Errorf("pdeflow %s: got exit code %d and %q, want %q", tt.args, got.code, got.stderr, tt.want)
			}
		})
	}
}

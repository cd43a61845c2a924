package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

func TestWrongUsageIsExplainedAndExitsTwo(t *testing.T) {
	t.Parallel()
	const report = "--cycle c --report r"
	tests := map[string]string{
		"frobnicate": `there is no command “frobnicate” in pdeflow (see pdeflow --help)`,
		"jobz":       `there is no command “jobz” in pdeflow; did you mean pdeflow jobs?`,
		"jobs lst": `there is no command “lst” in pdeflow jobs; did you mean ` +
			`pdeflow jobs list?`,
		"mappings bless x": `there is no command “bless” in pdeflow mappings`,
		"audit verfy":      `did you mean pdeflow audit verify?`,
		"rules learnt":     `there is no command “learnt” in pdeflow rules`,
		"migrate down":     `there is no command “down” in pdeflow migrate`,
		"help frobnicate":  `there is no command “frobnicate” to help with`,
		"completion tcsh":  `there is no command “tcsh” in pdeflow completion`,
		"jobs list --stats failed": `there is no flag --stats; did you mean --status? (see pdeflow ` +
			`jobs list --help)`,
		"check --frobnicate":                     `there is no flag --frobnicate (see pdeflow check --help)`,
		"import " + report + " --source-url x":   `--source-url needs --source-name`,
		"jobs list --status":                     `--status needs a value`,
		"regenerate":                             `--cycle and --report must be given (see pdeflow regenerate --help)`,
		"mappings list --cycle c":                `--report must be given (see pdeflow mappings list --help)`,
		"regenerate --report r --cycle=":         `--cycle cannot be “”: must not be empty`,
		"token --user x":                         `--role must be given`,
		"token --user x --role boss":             `--role cannot be “boss”: must be one of viewer, tester, manager`,
		"token --user x --role tester --ttl 0s":  `--ttl cannot be “0s”: must be longer than 0`,
		"token --user x --role tester --ttl day": `--ttl cannot be “day”: must be a duration, such as 90s or 8h`,
		"token --user job:1 --role tester --auth-secret " + strings.Repeat("x", 40): `the name of the user`,
		"token --user x --role tester --auth-secret short":                          `must have at least 32 bytes`,
		"jobs list --status done": `--status cannot be “done”: ` +
			`must be one of pending, running, paused, completed, failed, cancelled`,
		"jobs items x --outcome lost": `must be one of queued, ` +
			`succeeded, skipped, failed, cancelled`,
		"jobs list --limit few": `--limit cannot be “few”: ` +
			`must be a whole number`,
		"jobs list --limit=-1": `--limit cannot be “-1”: ` +
			`must be a whole number from 0 up`,
		"jobs list --active --status failed": `--active cannot be ` +
			`combined with --status, --cycle or --report`,
		"jobs list x": `pdeflow jobs list takes ` +
			`flags and no arguments, and “x” is one`,
		"jobs status": `pdeflow jobs status needs ` +
			`an argument: pdeflow jobs status ID`,
		"jobs cancel a b": `pdeflow jobs cancel takes ` +
			`one argument, ID, and “b” is one more`,
		"jobs retry x --error-code tired": `must be one of panic, ` +
			`classifier_error, poison`,
		"jobs list --server 127.0.0.1:8080": `--server (PDEFLOW_SERVER) ` +
			`is a URL such as http://127.0.0.1:8080`,
		"regenerate " + report +
			" --classifier magic": `--classifier cannot be “magic”: must be one of rules, llm, hybrid`,
		"regenerate " + report +
			" --mapping-id a b": `“b” is an argument, and regenerate takes only flags; give --mapping-id once ` +
			`for each mapping`,
		"mappings list " + report + " --sort name":          `must be one of id, attribute_name`,
		"mappings list " + report + " --criticality big":    `must be one of High, Medium, Low`,
		"mappings list " + report + " --min-confidence 101": `must be a whole number from 0 to 100`,
		"import " + report: `give at least one of --attributes, --columns, --mappings`,
		"import " + report + " --attributes none.csv": `--attributes: there is no file none.csv`,
		"import " + report + " --columns testdata":    `--columns: testdata is a directory, and a file is needed`,
		"check --cycle c":            `--cycle and --report must be given together`,
		"check all":                  `“all” is one`,
		"version extra":              `pdeflow version takes flags and no arguments, and “extra” is one`,
		"rebuild all":                `“all” is one`,
		"audit tail -n few":          `-n cannot be “few”: must be a whole number`,
		"audit list --origin rumour": `must be one of event, rows`,
		"rules explain":              `pdeflow rules explain needs an argument: pdeflow rules explain NAME`,
		"rules explain Loan Balance": `takes one argument, NAME, and “Balance” is one more (quotes hold ` +
			`words together)`,
		"rules test":                          `pdeflow rules test needs an argument: pdeflow rules test FILE`,
		"rules test none.policy":              `FILE: open none.policy: no such file`,
		"rules explain x --column LN_MSTR":    `--column is of the form SCHEMA.TABLE.COLUMN`,
		"rules explain x --column-type DATE":  `--column-type requires --column`,
		"rules explain x --rules none.policy": `--rules (PDEFLOW_RULES): open none.policy: no such file`,
		"--log-level loud check --database-url postgres:///x": `--log-level (PDEFLOW_LOG_LEVEL) cannot be ` +
			`“loud”: must be one of debug, info, warn, error`,
	}
	for typed, want := range tests {
		t.Run(typed, func(t *testing.T) {
			t.Parallel()
			got := pdeflow(t.Context(), nil, strings.Fields(typed)...).ends(t, exitUsage, "pdeflow: ", want)
			if got.stdout != "" {
				t.Errorf("got standard output %q, want none", got.stdout)
			}
		})
	}
}

func TestEveryCommandChecksItsChoicesAtStart(t *testing.T) {
	t.Parallel()
	const where = " --server http://127.0.0.1:1"
	for _, command := range []string{
		"version", "help", "completion bash", "context list", "rules explain x", "token --user u --role tester", "jobs",
		"jobs list" + where,
		"jobs watch x" + where, "mappings list --cycle c --report r" + where, "regenerate --cycle c --report r" + where,
		"migrate status", "check",
		"audit tail", "rebuild", "demo --once", "serve",
	} {
		words := strings.Fields(command)
		pdeflow(t.Context(), nil, append(words, "--log-level", "loud")...).
			ends(t, exitUsage,
				"--log-level (PDEFLOW_LOG_LEVEL) cannot be “loud”: must be one of debug, info, warn, error")
		pdeflow(t.Context(), map[string]string{"PDEFLOW_LOG_FORMAT": "xml"}, words...).
			ends(t, exitUsage, "--log-format (PDEFLOW_LOG_FORMAT) cannot be “xml”: must be one of text, json")
	}
}

func TestHelpOfASubcommand(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"help jobs watch": "pdeflow jobs watch - ", "help mappings list": "--min-confidence",
		"help jobs": "pdeflow jobs - ", "jobs help watch": "pdeflow jobs watch - ",
	} {
		t.Run(words, func(t *testing.T) {
			pdeflow(t.Context(), nil, strings.Fields(words)...).ends(t, exitDone, want)
		})
	}
	pdeflow(t.Context(), nil, "help", "jobs", "wtch").ends(t, exitUsage, "there is no command “jobs wtch” to help with")
}

// The cli package has no type for most of its errors and may add new ones.
func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		exitDone: nil, exitUsage: errors.New("from the cli package"),
		exitFailed: &workError{errors.New("from an action")},
	} {
		t.Run(fmt.Sprintf("exit code %d", want), func(t *testing.T) {
			if code := exitCode(err); code != want {
				t.Errorf("%v: got exit code %d, want %d", err, code, want)
			}
		})
	}
	if code := exitCode(&workError{usagef("found by an action")}); code != exitUsage {
		t.Errorf("wrong usage in an action: got exit code %d, want 2", code)
	}
}

func TestAWrongVariableIsNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ value, command, want string }{
		"PDEFLOW_LOG_SQL": {
			"perhaps", "version", `PDEFLOW_LOG_SQL (--log-sql) cannot be “perhaps”: must be true or false`,
		},
		"PDEFLOW_LOG_FORMAT": {
			"xml", "check --database-url postgres:///x",
			"--log-format (PDEFLOW_LOG_FORMAT) cannot be “xml”: must be one of text, json",
		},
		"PDEFLOW_SERVER": {
			"localhost", "jobs list", "--server (PDEFLOW_SERVER) is a URL such as http://127.0.0.1:8080",
		},
		"PDEFLOW_AUTH_ISSUER": {
			"https://login", "token --user x --role tester", "PDEFLOW_AUTH_ISSUER (--auth-issuer) is set",
		},
		"PDEFLOW_WORKERS": {
			"1000", "serve", "PDEFLOW_WORKERS (--workers) cannot be “1000”: 1000 is not between 1 and 256",
		},
		"PDEFLOW_WINDOW": {"5", "serve", "PDEFLOW_WINDOW (--window) cannot be “5”: 5 is not between 32 and 100000"},
		"PDEFLOW_RULES":  {"/no/such.policy", "rules explain x", "--rules (PDEFLOW_RULES): open /no/such.policy"},
		"PDEFLOW_VOCABULARY": {
			"/no/such.vocabulary", "rules explain x", "--vocabulary (PDEFLOW_VOCABULARY): open /no/such.vocabulary",
		},
	} {
		pdeflow(t.Context(), map[string]string{name: tt.value}, strings.Fields(tt.command)...).ends(t, exitUsage,
			tt.want)
	}
}

func TestAGroupWithoutASubcommandShowsItsHelp(t *testing.T) {
	t.Parallel()
	for group, sub := range map[string]string{
		"jobs": "watch", "mappings": "history", "audit": "verify", "rules": "explain", "prompt": "show",
	} {
		t.Run(group, func(t *testing.T) {
			pdeflow(t.Context(), nil, group).ends(t, exitDone, "pdeflow "+group+" - ", "COMMANDS:", sub)
		})
	}
	pdeflow(t.Context(), nil).ends(t, exitDone, "COMMANDS:", "completion")
}

func TestTheVersionIsACommandAndAFlag(t *testing.T) {
	t.Parallel()
	// The command may add the version of a server that this user runs at the same time.
	command, _, _ := strings.Cut(pdeflow(t.Context(), nil, "version").ends(t, exitDone, "pdeflow "+version()).stdout,
		"\n")
	if flag := pdeflow(t.Context(), nil, "--version").ends(t, exitDone).stdout; flag != command+"\n" {
		t.Errorf("got %q from the flag, want %q as from the command", flag, command)
	}
}

func TestEveryCommandIsInTheHelp(t *testing.T) {
	t.Parallel()
	var replies []result
	for _, name := range []string{
		"", "demo", "serve", "migrate", "import", "regenerate", "jobs", "jobs list", "jobs wait", "jobs items",
		"jobs retry", "mappings", "mappings list", "check", "audit", "audit tail",
		"rebuild", "rules", "rules explain", "rules test", "rules learn", "prompt", "prompt show", "eval",
		"bench", "bench commit", "bench llm", "bench scale", "token", "reports",
		"context", "context set", "version", "doctor",
	} {
		replies = append(replies,
			pdeflow(t.Context(), nil, append(strings.Fields(name), "--help")...).ends(t, exitDone))
	}
	golden(t, "help", transcript(replies...))
}

// A command without an example leaves its users with the flags alone, and one without usage is a blank line in the
// help.
func TestEveryCommandHasAUsageAndEveryGroupExamples(t *testing.T) {
	t.Parallel()
	root := (&app{getenv: func(string) string { return "" }}).root(io.Discard)
	var look func(cmd *cli.Command, depth int)
	look = func(cmd *cli.Command, depth int) {
		for _, sub := range cmd.Commands {
			if sub.Hidden {
				continue
			}
			if sub.Usage == "" {
				t.Errorf("%s: got no usage, want one", sub.Name)
			}
			if depth == 0 && sub.Name != "version" && !strings.Contains(sub.Description, "pdeflow "+sub.Name) &&
				sub.Name != "demo" {
				t.Errorf("%s: got no example, want one", sub.Name)
			}
			for _, flag := range sub.Flags {
				if doc, ok := flag.(cli.DocGenerationFlag); ok && doc.GetUsage() == "" {
					t.Errorf("flag --%s of %s: got no usage, want one", flag.Names()[0], sub.Name)
				}
			}
			look(sub, depth+1)
		}
	}
	look(root, 0)
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	candidates := []string{"list", "status", "watch", "items", "a"}
	for word, want := range map[string]string{
		"lst": "list", "lisst": "list", "stat": "status", "watchh": "watch", "wtach": "watch", "itmes": "items",
		"frobnicate": "", "x": "", "": "", "lost-and-found": "",
	} {
		t.Run(word, func(t *testing.T) {
			hint := didYouMean(word, candidates, func(s string) string { return s })
			if want == "" && hint != "" || want != "" && hint != "; did you mean "+want+"?" {
				t.Errorf("didYouMean(%q): got %q, want %q", word, hint, want)
			}
		})
	}
}

func TestEveryVariableOfTheREADMEHasAFlag(t *testing.T) {
	t.Parallel()
	flags := map[string]bool{"PDEFLOW_PG_BIN": true, "PDEFLOW_PG_USER": true} // the last two, which have none
	var look func(cmd *cli.Command)
	look = func(cmd *cli.Command) {
		for _, flag := range cmd.Flags {
			if doc, ok := flag.(cli.DocGenerationFlag); ok {
				for _, name := range doc.GetEnvVars() {
					flags[name] = true
				}
			}
		}
		for _, sub := range cmd.Commands {
			look(sub)
		}
	}
	look((&app{getenv: func(string) string { return "" }}).root(io.Discard))
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "| variable | meaning |")
	table, _, _ = strings.Cut(table, "\n\n")
	variables := regexp.MustCompile("`([A-Z][A-Z_]+)`").FindAllStringSubmatch(table, -1)
	if len(variables) < 10 || variables[len(variables)-1][1] != "PDEFLOW_PG_USER" {
		t.Errorf("variables of the table: got %v, want at least 10 up to PDEFLOW_PG_USER", variables)
	}
	for _, variable := range variables {
		if !flags[variable[1]] {
			t.Errorf("%s: got no flag, want one", variable[1])
		}
	}
}

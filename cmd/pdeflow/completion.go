package main

import (
	"context"
	"embed"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// The scripts run pdeflow itself with the words of the command line up to the cursor:
//
//	pdeflow __complete jobs watch 01
//
// It prints one candidate a line, with a description after a tab, or :files for file names.
//
//go:embed completions
var completionScripts embed.FS

const (
	// completionTimeout is how long a shell waits for candidates from the server.
	completionTimeout = 2 * time.Second
	// maxCompletions limits the ids that are offered.
	maxCompletions = 100
)

// completeFiles requests the completion of file names.
const completeFiles = ":files"

func (a *app) completionCommand() *cli.Command {
	var shells []*cli.Command
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		shells = append(shells, &cli.Command{
			Name: shell, Usage: "prints the script for " + shell,
			Action: func(_ context.Context, cmd *cli.Command) error {
				if err := noArguments(cmd); err != nil {
					return err
				}
				script, err := completionScripts.ReadFile("completions/" + shell)
				if err != nil {
					return err
				}
				_, err = a.stdout.Write(script)
				return err
			},
		})
	}
	return group(&cli.Command{
		Name: "completion", Usage: "prints a script that completes commands, flags, ids and files in bash, zsh, " +
			"fish or pwsh",
		Description: "Ids, cycles and reports come from the running server.\n\n" +
			"source <(pdeflow completion bash)\n" +
			"source <(pdeflow completion zsh)\n" +
			"pdeflow completion fish > ~/.config/fish/completions/pdeflow.fish\n" +
			"pdeflow completion pwsh | Out-String | Invoke-Expression",
		Commands: shells,
	})
}

// completeCommand prints the candidates for its last argument.
func (a *app) completeCommand() *cli.Command {
	return &cli.Command{
		Name: "__complete", Usage: "prints what completes a command line", Hidden: true, SkipFlagParsing: true,
		HideHelp: true,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			line := readLine(cmd.Root(), cmd.Args().Slice())
			for _, c := range a.candidates(ctx, line) {
				if c.value != completeFiles && !strings.HasPrefix(c.value, line.current) {
					continue
				}
				text := c.value
				if c.description != "" {
					text += "\t" + oneLine(c.description)
				}
				fmt.Fprintln(a.stdout, text)
			}
			return nil
		},
	}
}

// candidate is a completion of a word.
type candidate struct{ value, description string }

// commandLine is a command line up to the cursor.
type commandLine struct {
	// lineage is the subcommand, preceded by its ancestors.
	lineage []*cli.Command
	// flags holds the values of the flags, by name.
	flags map[string]string
	args  []string
	// current is the word at the cursor. flag is set if the word is the value of that flag.
	current string
	flag    cli.Flag
}

// readLine parses the words after the program's name. Unknown words count as arguments, because the line is not
// complete.
func readLine(root *cli.Command, words []string) commandLine {
	line := commandLine{lineage: []*cli.Command{root}, flags: map[string]string{}}
	words = joinAssignments(words)
	if len(words) == 0 {
		return line
	}
	line.current = words[len(words)-1]
	var valueOf cli.Flag
	for _, word := range words[:len(words)-1] {
		switch name, value, assigned := strings.Cut(strings.TrimLeft(word, "-"), "="); {
		case valueOf != nil:
			line.flags[valueOf.Names()[0]], valueOf = word, nil
		case strings.HasPrefix(word, "-") && name != "":
			flag := line.find(name)
			if flag == nil {
				continue
			}
			if assigned {
				line.flags[flag.Names()[0]] = value
			} else if !isSwitch(flag) {
				valueOf = flag
			}
		case line.command().Command(word) != nil && len(line.args) == 0:
			line.lineage = append(line.lineage, line.command().Command(word))
		default:
			line.args = append(line.args, word)
		}
	}
	if name, value, assigned := strings.Cut(strings.TrimLeft(line.current, "-"), "="); assigned &&
		strings.HasPrefix(line.current, "-") {
		if flag := line.find(name); flag != nil {
			valueOf, line.current = flag, value
		}
	}
	line.flag = valueOf
	return line
}

// joinAssignments rejoins --flag=value, which bash splits into three words.
func joinAssignments(words []string) []string {
	var joined []string
	for i := 0; i < len(words); i++ {
		if words[i] == "=" && len(joined) > 0 && strings.HasPrefix(joined[len(joined)-1], "-") {
			joined[len(joined)-1] += "="
			if i++; i < len(words) {
				joined[len(joined)-1] += words[i]
			}
			continue
		}
		joined = append(joined, words[i])
	}
	return joined
}

func (l commandLine) command() *cli.Command { return l.lineage[len(l.lineage)-1] }

// allFlags returns the flags of the command and its ancestors.
func (l commandLine) allFlags() []cli.Flag {
	var flags []cli.Flag
	for _, cmd := range slices.Backward(l.lineage) {
		flags = append(flags, cmd.Flags...)
	}
	return flags
}

func (l commandLine) find(name string) cli.Flag {
	for _, flag := range l.allFlags() {
		if slices.Contains(flag.Names(), name) {
			return flag
		}
	}
	return nil
}

func isSwitch(flag cli.Flag) bool {
	// For example --prune, whose optional value follows an equals sign.
	if f, ok := flag.(interface{ IsBoolFlag() bool }); ok && f.IsBoolFlag() {
		return true
	}
	doc, ok := flag.(cli.DocGenerationFlag)
	return ok && !doc.TakesValue()
}

// candidates returns the completions of the word at the cursor, before they are filtered by its prefix.
func (a *app) candidates(ctx context.Context, line commandLine) []candidate {
	if line.flag != nil {
		return a.flagCandidates(ctx, line)
	}
	if strings.HasPrefix(line.current, "-") {
		var all []candidate
		for _, flag := range line.allFlags() {
			doc, _ := flag.(cli.DocGenerationFlag)
			all = append(all, candidate{dashed(flag.Names()[0]), strings.ReplaceAll(doc.GetUsage(), "`", "")})
		}
		return all
	}
	cmd := line.command()
	if cmd.Name == "help" {
		cmd = readLine(line.lineage[0], append(slices.Clone(line.args), "")).command()
	}
	var all []candidate
	for _, sub := range cmd.Commands {
		// The cli package adds a help command to every command.
		if !sub.Hidden && (sub.Name != "help" || cmd == line.lineage[0]) {
			all = append(all, candidate{sub.Name, sub.Usage})
		}
	}
	if len(all) == 0 {
		return a.argumentCandidates(ctx, line)
	}
	return all
}

// flagCandidates completes the value of a flag.
func (a *app) flagCandidates(ctx context.Context, line commandLine) []candidate {
	switch flag := line.flag.(type) {
	case *choiceFlag:
		var all []candidate
		for _, value := range flag.values {
			all = append(all, candidate{value: value})
		}
		return all
	case *cli.StringFlag:
		if flag.TakesFile {
			return []candidate{{value: completeFiles}}
		}
	case *typedFlag:
		if flag.TakesFile {
			return []candidate{{value: completeFiles}}
		}
	}
	name := line.flag.Names()[0]
	if name == flagTier {
		var all []candidate
		for _, tier := range schema.Tiers() {
			all = append(all, candidate{value: string(tier)})
		}
		return all
	}
	return a.idCandidates(ctx, line, name)
}

// argumentCandidates completes an argument of a command without subcommands.
func (a *app) argumentCandidates(ctx context.Context, line commandLine) []candidate {
	if len(line.lineage) < 3 || len(line.args) > 0 || line.command().ArgsUsage == "" {
		return nil
	}
	switch line.lineage[1].Name {
	case "jobs":
		return a.idCandidates(ctx, line, "job")
	case "mappings":
		return a.idCandidates(ctx, line, "mapping")
	case "sources":
		return a.idCandidates(ctx, line, "source")
	case "context":
		return a.contextCandidates()
	default:
		return nil
	}
}

// idCandidates completes an id, read from the running server, for a flag or argument of this name.
func (a *app) idCandidates(ctx context.Context, line commandLine, kind string) []candidate {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	if kind == flagContext {
		return a.contextCandidates()
	}
	c, err := a.connect(line.connection(a.getenv))
	if err != nil {
		return nil // a completion has no place for errors
	}
	cycle, report := line.value("cycle", a.getenv("PDEFLOW_CYCLE")), line.value("report", a.getenv("PDEFLOW_REPORT"))
	query := url.Values{}
	if len(line.current) >= minPrefix {
		query.Set("id_prefix", line.current)
	}
	var found []candidate
	switch kind {
	case "job":
		if name := line.command().Name; name == "cancel" || name == "pause" {
			found, _ = (idKind{path: "/jobs/active", describe: describeJob}).find(ctx, c, url.Values{},
				maxCompletions)
			return found
		}
		found, _ = (idKind{path: "/jobs", describe: describeJob}).find(ctx, c, query, maxCompletions)
	case "mapping", "mapping-id":
		found, _ = (idKind{path: mappingsPath(cycle, report, ""), describe: describeMapping}).find(ctx, c, query,
			maxCompletions)
	case "source":
		found, _ = c.sourceCandidates(ctx, reportPath(cycle, report, "/data-sources"))
	case "cycle", flagFrom, flagWith, "report":
		return c.reportCandidates(ctx, kind, cycle)
	default:
		return nil
	}
	return append(found, candidate{latest, "the newest"})
}

// reportCandidates returns the cycles, or the reports of the cycle, or all reports if cycle is empty.
func (c *client) reportCandidates(ctx context.Context, kind, cycle string) []candidate {
	var all []candidate
	for r, err := range items[api.ReportSummary](ctx, c, "/planning/reports", maxPage) {
		if err != nil {
			return all
		}
		one := candidate{value: r.CycleID}
		if kind == "report" {
			if cycle != "" && cycle != r.CycleID {
				continue
			}
			one = candidate{r.ReportID, r.Name}
		}
		if !slices.ContainsFunc(all, func(c candidate) bool { return c.value == one.value }) {
			all = append(all, one)
		}
	}
	return all
}

func (a *app) contextCandidates() []candidate {
	file, err := readContexts(a.getenv)
	if err != nil {
		return nil
	}
	var all []candidate
	for _, name := range slices.Sorted(maps.Keys(file.Contexts)) {
		all = append(all, candidate{name, file.Contexts[name].Server})
	}
	return all
}

// value returns the value of a flag on the line, or otherwise.
func (l commandLine) value(flag, otherwise string) string {
	if value, given := l.flags[flag]; given {
		return value
	}
	return otherwise
}

// connection returns the settings with which the command will select its server.
func (l commandLine) connection(getenv func(string) string) connection {
	given := func(flag string) bool { return l.flags[flag] != "" }
	return connection{
		server: l.value(flagServer, getenv("PDEFLOW_SERVER")), serverTyped: given(flagServer),
		token: l.value(flagToken, getenv("PDEFLOW_TOKEN")), tokenTyped: given(flagToken),
		context: l.value(flagContext, getenv("PDEFLOW_CONTEXT")), contextTyped: given(flagContext),
		dir: l.flags[flagDataDir],
	}
}

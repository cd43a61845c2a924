package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

// The scripts ask pdeflow itself for candidates, with the words of the command line up to the cursor:
//
//	pdeflow __complete jobs watch 01
//
// It prints one candidate a line, and its description after a tab; or :files for the names of files.
//
//go:embed completions
var completionScripts embed.FS

const (
	// completionPatience is how long a shell waits for candidates from the server.
	completionPatience = 2 * time.Second
	// completionCandidates is how many ids are offered at most.
	completionCandidates = 100
)

// completeFiles stands for the names of files.
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

// completeCommand prints the candidates for the last of its arguments.
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

// candidate is one way to complete a word.
type candidate struct{ value, description string }

// commandLine is a command line up to the cursor.
type commandLine struct {
	// lineage is the subcommand that is named, with its ancestors before it.
	lineage []*cli.Command
	// flags are the values of the flags that were given, by name.
	flags map[string]string
	args  []string
	// current is the word at the cursor, and flag the one that it is a value of, if any.
	current string
	flag    cli.Flag
}

// readLine reads the words after the program's name. It takes what it does not know for arguments: the line is not
// complete yet.
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

// joinAssignments puts --flag=value together again, which bash splits into three words.
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

// allFlags are the flags that the command takes, its ancestors' included.
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
	// Such as --prune, whose value is optional and stands behind an equals sign.
	if f, ok := flag.(interface{ IsBoolFlag() bool }); ok && f.IsBoolFlag() {
		return true
	}
	doc, ok := flag.(cli.DocGenerationFlag)
	return ok && !doc.TakesValue()
}

// candidates are the ways to complete the word at the cursor, before they are filtered by what was typed of it.
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
		if !sub.Hidden && (sub.Name != "help" || cmd == line.lineage[0]) { // the cli package gives every command a help of its own
			all = append(all, candidate{sub.Name, sub.Usage})
		}
	}
	if len(all) == 0 {
		return a.argumentCandidates(ctx, line)
	}
	return all
}

// flagCandidates complete the value of a flag.
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
	return a.idCandidates(ctx, line, line.flag.Names()[0])
}

// argumentCandidates complete an argument of a command without subcommands.
func (a *app) argumentCandidates(ctx context.Context, line commandLine) []candidate {
	if len(line.lineage) < 3 || len(line.args) > 0 || line.command().ArgsUsage == "" {
		return nil
	}
	switch line.lineage[1].Name {
	case "jobs":
		return a.idCandidates(ctx, line, "job")
	case "mappings":
		return a.idCandidates(ctx, line, "mapping")
	case "context":
		return a.contextCandidates()
	default:
		return nil
	}
}

// idCandidates complete an id of the kind that a flag or argument of this name takes, from the running server.
func (a *app) idCandidates(ctx context.Context, line commandLine, kind string) []candidate {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	if kind == flagContext {
		return a.contextCandidates()
	}
	c, err := a.connect(line.connection(a.getenv))
	if err != nil {
		return nil // a shell shows no errors in the middle of a line
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
				completionCandidates)
			return found
		}
		found, _ = (idKind{path: "/jobs", describe: describeJob}).find(ctx, c, query, completionCandidates)
	case "mapping", "mapping-id":
		found, _ = (idKind{path: mappingsPath(cycle, report, ""), describe: describeMapping}).find(ctx, c, query,
			completionCandidates)
	case "cycle", "report":
		return c.reportCandidates(ctx, kind, cycle)
	default:
		return nil
	}
	return append(found, candidate{latest, "the newest"})
}

// reportCandidates are the cycles, or the reports of a cycle, or all reports if the cycle is not known.
func (c *client) reportCandidates(ctx context.Context, kind, cycle string) []candidate {
	var all []candidate
	for p, err := range c.pages(ctx, "/planning/reports", url.Values{}, maxPage) {
		if err != nil {
			return all
		}
		for _, raw := range p.Items {
			var r api.ReportSummary
			if err := json.Unmarshal(raw, &r); err != nil {
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

// value is that of a flag that was given, or else this one.
func (l commandLine) value(flag, otherwise string) string {
	if value, given := l.flags[flag]; given {
		return value
	}
	return otherwise
}

// connection is how the command will find its server.
func (l commandLine) connection(getenv func(string) string) connection {
	given := func(flag string) bool { return l.flags[flag] != "" }
	return connection{
		server: l.value(flagServer, getenv("PDEFLOW_SERVER")), serverTyped: given(flagServer),
		token: l.value(flagToken, getenv("PDEFLOW_TOKEN")), tokenTyped: given(flagToken),
		context: l.value(flagContext, getenv("PDEFLOW_CONTEXT")), contextTyped: given(flagContext),
		dir: l.flags[flagDataDir],
	}
}

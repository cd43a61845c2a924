package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
)

// workError is an error of a command's work, as opposed to one of how the command was typed.
type workError struct{ err error }

func (e *workError) Error() string { return e.err.Error() }

func (e *workError) Unwrap() error { return e.err }

// markErrors makes every command check its choices, and distinguish wrong usage from failed work: an error from before
// the action is one of the command line or the environment, and the cli package has no type for most of them.
func markErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return explainUsage(cmd, err)
	}
	if act := cmd.Action; act != nil {
		cmd.Action = func(ctx context.Context, cmd *cli.Command) error {
			if err := checkChoices(cmd); err != nil {
				return err
			}
			if err := act(ctx, cmd); err != nil {
				return &workError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands {
		markErrors(sub)
	}
}

// exitCode is what the program ends with for the error of a command.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*workError](err); ok {
		return exitFailed
	}
	return exitUsage
}

var (
	missingFlags = regexp.MustCompile(`^Required flags? "(.*)" not set$`)
	wrongValue   = regexp.MustCompile(`^invalid value (".*") for flag -([^:]+): (.*)$`)
	wrongSetting = regexp.MustCompile(`^could not parse (".*") as \w+ value from environment variable (\w+) for flag ([^:]+): (.*)$`)
	noHelpTopic  = regexp.MustCompile(`^No help topic for '(.*)'$`)
)

// reword says what the cli package says without asking anybody in our words.
func reword(err error) error {
	if err == nil {
		return nil
	}
	if m := wrongSetting.FindStringSubmatch(err.Error()); m != nil {
		return usagef("%s (%s) cannot be %s: %s", m[2], dashed(m[3]), requote(m[1]), expectation(m[4]))
	}
	if m := noHelpTopic.FindStringSubmatch(err.Error()); m != nil {
		return usagef("there is no command %s to help with (see pdeflow --help)", quoted(m[1]))
	}
	return err
}

// requoted puts a value that the cli package has quoted as Go does into our quotation marks.
func requote(text string) string {
	value, err := strconv.Unquote(text)
	if err != nil {
		return text
	}
	return quoted(value)
}

// whatInstead turns the reason for which a value cannot be read into what it should be.
func expectation(reason string) string {
	switch {
	case strings.HasPrefix(reason, "strconv.ParseInt"):
		return "it is a whole number"
	case strings.HasPrefix(reason, "time: "):
		return "it is a duration, such as 90s or 8h"
	case reason == "parse error", strings.HasPrefix(reason, "strconv.ParseBool"):
		return "it is true or false"
	default:
		return reason
	}
}

// explainUsage says what is wrong with how a command was typed, in our words, and where to read what would be right.
func explainUsage(cmd *cli.Command, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		text = "there is no flag " + dashed(name) + didYouMean(name, flagNames(cmd), dashed)
	} else if name, ok := strings.CutPrefix(text, "flag needs an argument: "); ok {
		text = name + " needs a value"
	} else if m := missingFlags.FindStringSubmatch(text); m != nil {
		var names []string
		for name := range strings.SplitSeq(m[1], ", ") {
			names = append(names, dashed(name))
		}
		text = strings.Join(names, " and ") + " must be given"
	} else if m := wrongValue.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("%s cannot be %s: %s", dashed(m[2]), requote(m[1]), expectation(m[3]))
	}
	return usagef("%s (see %s --help)", text, cmd.FullName())
}

// dashed is a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// flagNames are the names of all flags that the command takes, its ancestors' included.
func flagNames(cmd *cli.Command) []string {
	var names []string
	for _, ancestor := range cmd.Lineage() {
		for _, flag := range ancestor.Flags {
			names = append(names, flag.Names()...)
		}
	}
	return names
}

// group is a command that only holds others. Alone it shows its help.
func group(cmd *cli.Command) *cli.Command {
	cmd.Action = func(_ context.Context, cmd *cli.Command) error {
		if err := unknownCommand(cmd); err != nil {
			return err
		}
		return cli.ShowSubcommandHelp(cmd)
	}
	return cmd
}

// unknownCommand is the error of a command whose argument is none of its subcommands; nil where there is no argument.
func unknownCommand(cmd *cli.Command) error {
	if !cmd.Args().Present() {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands {
		names = append(names, sub.Name)
	}
	name := cmd.Args().First()
	hint := didYouMean(name, names, func(s string) string { return cmd.FullName() + " " + s })
	return usagef("there is no command %s in %s%s (see %s --help)", quoted(name), cmd.FullName(), hint, cmd.FullName())
}

// noArguments refuses arguments beside the flags.
func noArguments(cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usagef("%s takes flags and no arguments, and %s is one (see %s --help)", cmd.FullName(),
			quoted(cmd.Args().First()), cmd.FullName())
	}
	return nil
}

// argument returns the one argument that the command takes.
func argument(cmd *cli.Command, name string) (string, error) {
	switch args := cmd.Args(); {
	case args.Len() == 0 || strings.TrimSpace(args.First()) == "":
		return "", usagef("%s needs an argument: %s %s", cmd.FullName(), cmd.FullName(), name)
	case args.Len() > 1:
		return "",
			usagef("%s takes one argument, %s, and %s is one more (quotes hold words together)", cmd.FullName(), name,
				quoted(args.Get(1)))
	default:
		return args.First(), nil
	}
}

// didYouMean suggests the one of the candidates that differs least from the word, if one is close.
func didYouMean(word string, candidates []string, typed func(string) string) string {
	best, least := "", 3
	for _, candidate := range candidates {
		distance := editDistance(word, candidate)
		if strings.HasPrefix(candidate, word) && len(word) > 1 {
			distance = 1
		}
		if distance < least && distance < len(candidate) {
			best, least = candidate, distance
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + typed(best) + "?"
}

// editDistance counts the letters to insert, remove or replace to make one word the other.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

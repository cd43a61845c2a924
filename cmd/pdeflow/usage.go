package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"
)

// workError is an error of a command's work. Other errors are wrong usage.
type workError struct{ err error }

func (e *workError) Error() string { return e.err.Error() }

func (e *workError) Unwrap() error { return e.err }

// markErrors makes every command check its choices and wraps the errors of its action in [workError]. Errors from
// before the action are wrong usage; the cli package has no type for most of them.
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

// exitCode returns the exit code for the error of a command.
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

// dashed returns a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// group returns a command that only holds others. Alone it shows its help.
func group(cmd *cli.Command) *cli.Command {
	cmd.Action = func(_ context.Context, cmd *cli.Command) error {
		if err := unknownCommand(cmd); err != nil {
			return err
		}
		return cli.ShowSubcommandHelp(cmd)
	}
	return cmd
}

// unknownCommand returns the error of a command whose argument is not a subcommand, or nil without an argument.
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

// noArguments returns an error if the command has arguments.
func noArguments(cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usagef("%s takes flags and no arguments, and %s is one (see %s --help)", cmd.FullName(),
			quoted(cmd.Args().First()), cmd.FullName())
	}
	return nil
}

// argument returns the one argument of the command.
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

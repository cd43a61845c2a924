package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// The exit codes.
const (
	exitDone   = 0 // the work is done
	exitFailed = 1 // the work failed, or a check found something
	exitUsage  = 2 // wrong usage
)

// run is the whole program without the process around it. Results go to stdout, logs and progress to stderr. It returns
// the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{stdout: stdout, stderr: stderr, getenv: getenv}
	help := &lineWrapper{w: stdout}
	err := reword(errors.Join(a.root(help).Run(ctx, args), help.close()))
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintf(stderr, "pdeflow: %v\n", err)
	}
	return exitCode(err)
}

// errSaid ends the program with exit code 1 where everything there is to say has been printed.
var errSaid = errors.New("said already")

// usageError is an error of whoever typed the command.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// usagef returns an error that ends the program with exit code 2.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// app is what every subcommand has of the world.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// root is the program's command. Its help is written to w.
func (a *app) root(w io.Writer) *cli.Command {
	root := &cli.Command{
		Name:           "pdeflow",
		Usage:          "maps and classifies the attributes of regulatory reports",
		Writer:         w,
		ErrWriter:      a.stderr,
		HideVersion:    true, // its own --version prints another line than the command
		Flags:          append(a.logFlags(), &cli.BoolFlag{Name: "version", Usage: "print the version", Local: true}),
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run has the last word
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := unknownCommand(cmd); err != nil {
				return err
			}
			if cmd.Bool("version") {
				return a.printVersion()
			}
			return cli.ShowAppHelp(cmd)
		},
		Commands: []*cli.Command{
			a.demoCommand(),
			a.serveCommand(),
			a.migrateCommand(),
			a.importCommand(),
			a.regenerateCommand(),
			a.jobsCommand(),
			a.mappingsCommand(),
			a.reportsCommand(),
			a.checkCommand(),
			a.doctorCommand(),
			a.auditCommand(),
			a.rebuildCommand(),
			a.rulesCommand(),
			a.tokenCommand(),
			a.contextCommand(),
			a.readyCommand(),
			a.versionCommand(),
			a.helpCommand(),
			a.completionCommand(),
			a.completeCommand(),
		},
	}
	markErrors(root)
	foldDescriptions(root)
	return root
}

// typedFlag is a flag of which a command asks whether it was typed, and not only what it says: IsSet is true of nothing
// else. Comparing its value with the environment's would not do, since the same may be typed; nor would it to ask
// whether the environment was looked at, which is done before the flags behind a subcommand's name are read.
type typedFlag struct {
	*cli.StringFlag
	typed bool
}

// Set implements [cli.Flag]. Only what is typed comes here: the embedded flag takes the environment's value by itself.
func (f *typedFlag) Set(name, value string) error {
	f.typed = true
	return f.StringFlag.Set(name, value)
}

// IsSet implements [cli.Flag].
func (f *typedFlag) IsSet() bool { return f.typed }

// typed reports whether something was typed for a [typedFlag].
func typed(cmd *cli.Command, flag string) bool { return cmd.IsSet(flag) && cmd.String(flag) != "" }

// env is the source of a flag's value in the environment that run was given.
func (a *app) env(name string) cli.ValueSourceChain {
	return cli.NewValueSourceChain(envSource{name: name, getenv: a.getenv})
}

type envSource struct {
	name   string
	getenv func(string) string
}

// Lookup implements [cli.ValueSource]. An empty variable is none.
func (s envSource) Lookup() (string, bool) {
	value := strings.TrimSpace(s.getenv(s.name))
	return value, value != ""
}

// IsFromEnv and Key have the help name the variable beside its flag.
func (s envSource) IsFromEnv() bool  { return true }
func (s envSource) Key() string      { return s.name }
func (s envSource) String() string   { return "environment variable " + s.name }
func (s envSource) GoString() string { return "envSource{" + s.name + "}" }

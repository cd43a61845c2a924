package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"
)

const (
	exitDone   = 0 // the work is done
	exitFailed = 1 // the work failed, or a check found something
	exitUsage  = 2 // wrong usage
)

// run is the whole program but for the process itself. Results go to stdout, logs and progress to stderr. It returns
// the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{stdout: stdout, stderr: stderr, getenv: getenv}
	help := &lineWrapper{w: stdout}
	err := reword(errors.Join(a.root(help).Run(ctx, args), help.close()))
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintf(stderr, "pdeflow: %v\n", err)
	}
	return exitCode(err)
}

// errReported ends the program with exit code 1 when the failure has already been printed.
var errReported = errors.New("already reported")

// usageError is an error in the command line or the environment. It ends the program with exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// usagef returns a formatted [usageError].
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// app holds what every subcommand needs from the process.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// root returns the program's command. Its help is written to w.
func (a *app) root(w io.Writer) *cli.Command {
	root := &cli.Command{
		Name:           "pdeflow",
		Usage:          "maps and classifies the attributes of regulatory reports",
		Writer:         w,
		ErrWriter:      a.stderr,
		HideVersion:    true, // its --version would not print what the version command prints
		Flags:          append(a.logFlags(), &cli.BoolFlag{Name: "version", Usage: "print the version", Local: true}),
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run prints the error
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
			a.autoApprovalCommand(),
			a.reportsCommand(),
			a.carryOverCommand(),
			a.sourcesCommand(),
			a.checkCommand(),
			a.doctorCommand(),
			a.auditCommand(),
			a.rebuildCommand(),
			a.rulesCommand(),
			a.promptCommand(),
			a.evalCommand(),
			a.benchCommand(),
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

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// The flags by which commands find the API, or the servers, of a running pdeflow, and others that several commands
// have.
const (
	flagServer   = "server"
	flagToken    = "token"
	flagContext  = "context"
	flagDataDir  = "data-dir"
	flagDatabase = "database-url"
	flagSecret   = "auth-secret"
	flagIssuer   = "auth-issuer"
	flagJSON     = "json"
)

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
func (s envSource) IsFromEnv() bool { return true }

func (s envSource) Key() string { return s.name }

func (s envSource) String() string { return "environment variable " + s.name }

func (s envSource) GoString() string { return "envSource{" + s.name + "}" }

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: flagJSON, Usage: "print JSON"} }

const flagLimit = "limit"

func limitFlag(usual int) cli.Flag {
	return &cli.IntFlag{
		Name: flagLimit, Value: usual, Usage: "show at most `N`; 0 shows all",
		Validator: func(n int) error {
			if n < 0 {
				return errors.New("it is a whole number from 0 up")
			}
			return nil
		},
	}
}

func (a *app) cycleFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "cycle", Usage: "the `CYCLE` of testing", Required: true, Validator: notEmpty,
		Sources: a.env("PDEFLOW_CYCLE"),
	}
}

func (a *app) reportFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "report", Usage: "the `REPORT` in the cycle", Required: true, Validator: notEmpty,
		Sources: a.env("PDEFLOW_REPORT"),
	}
}

func (a *app) databaseFlag() cli.Flag {
	return &typedFlag{StringFlag: &cli.StringFlag{
		Name: flagDatabase, Usage: "Postgres `URL`, such as postgres://user:password@host/database",
		Sources: a.env("DATABASE_URL"),
	}}
}

func (a *app) secretFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagSecret, Usage: "`SECRET` that tokens are signed with in development (default: one made in the " +
			"data directory)",
		Sources: a.env("PDEFLOW_AUTH_SECRET"),
	}
}

func (a *app) issuerFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagIssuer, Usage: "`URL` of the OpenID Connect issuer, if there is one",
		Sources: a.env("PDEFLOW_AUTH_ISSUER"),
	}
}

// between returns the check of a flag that takes a whole number from low to high.
func between(low, high int) func(int) error {
	return func(n int) error {
		if n < low || n > high {
			return fmt.Errorf("%d is not between %d and %d", n, low, high)
		}
		return nil
	}
}

// positive is the validator of a duration.
func positive(d time.Duration) error {
	if d <= 0 {
		return errors.New("it is longer than 0, such as 8h")
	}
	return nil
}

// notEmpty is the validator of a flag that has to say something.
func notEmpty(value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("it is empty")
	}
	return nil
}

// choiceFlag is a flag that takes one of a few values. They are checked before the command runs, wherever the value
// came from: the cli package validates only what was typed.
type choiceFlag struct {
	*cli.StringFlag
	values []string
	// reversible allows a minus sign before the value.
	reversible bool
}

// choice returns a flag that takes one of the values.
func choice[T ~string](name, usage string, values []T) *choiceFlag {
	return &choiceFlag{
		StringFlag: &cli.StringFlag{Name: name, Usage: usage + ": " + joined(values)}, values: asStrings(values),
	}
}

// checkChoices returns an error if a flag of the command has a value that it does not take.
func checkChoices(cmd *cli.Command) error {
	for _, ancestor := range cmd.Lineage() {
		for _, flag := range ancestor.Flags {
			f, ok := flag.(*choiceFlag)
			if !ok || cmd.Hidden {
				continue
			}
			value, allowed := cmd.String(f.Name), "it is one of "+joined(f.values)
			if f.reversible {
				value, allowed = strings.TrimPrefix(value, "-"), allowed+", or one of these with a minus sign before it"
			}
			if slices.Contains(f.values, value) || value == "" && !cmd.IsSet(f.Name) {
				continue
			}
			name := dashed(f.Name)
			if variables := f.GetEnvVars(); len(variables) > 0 {
				name += " (" + strings.Join(variables, ", ") + ")"
			}
			return usagef("%s cannot be %s: %s (see %s --help)", name, quoted(cmd.String(f.Name)), allowed,
				cmd.FullName())
		}
	}
	return nil
}

// oneOf returns an error unless the value is allowed.
func oneOf[T ~string](value T, allowed []T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return errors.New("it is one of " + joined(allowed))
}

func joined[T ~string](values []T) string { return strings.Join(asStrings(values), ", ") }

func asStrings[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

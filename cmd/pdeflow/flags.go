package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// Names of flags that several commands have.
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

// typedFlag is a flag whose IsSet reports only whether it was typed. [cli.Command.IsSet] is also true for a value from
// the environment, which is read before the flags after a subcommand's name.
type typedFlag struct {
	*cli.StringFlag
	typed bool
}

// Set implements [cli.Flag]. The embedded flag reads the environment without calling it.
func (f *typedFlag) Set(name, value string) error {
	f.typed = true
	return f.StringFlag.Set(name, value)
}

// IsSet implements [cli.Flag].
func (f *typedFlag) IsSet() bool { return f.typed }

// typed reports whether a [typedFlag] has a typed value.
func typed(cmd *cli.Command, flag string) bool { return cmd.IsSet(flag) && cmd.String(flag) != "" }

// env returns the environment variable as the source of a flag's value.
func (a *app) env(name string) cli.ValueSourceChain {
	return cli.NewValueSourceChain(envSource{name: name, getenv: a.getenv})
}

type envSource struct {
	name   string
	getenv func(string) string
}

// Lookup implements [cli.ValueSource]. An empty variable counts as unset.
func (s envSource) Lookup() (string, bool) {
	value := strings.TrimSpace(s.getenv(s.name))
	return value, value != ""
}

// IsFromEnv and Key make the help name the variable next to its flag.
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
				return errors.New("must be a whole number from 0 up")
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

// between returns a validator for a whole number from low to high.
func between(low, high int) func(int) error {
	return func(n int) error {
		if n < low || n > high {
			return fmt.Errorf("%d is not between %d and %d", n, low, high)
		}
		return nil
	}
}

// positive validates a duration.
func positive(d time.Duration) error {
	if d <= 0 {
		return errors.New("must be longer than 0, such as 8h")
	}
	return nil
}

// notEmpty validates a string.
func notEmpty(value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("must not be empty")
	}
	return nil
}

// choiceFlag is a flag that takes one of a few values. They are checked before the command runs, because the cli
// package validates only typed values and not those from the environment.
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

// checkChoices returns an error if a choice flag of the command has a value that is not allowed.
func checkChoices(cmd *cli.Command) error {
	for _, ancestor := range cmd.Lineage() {
		for _, flag := range ancestor.Flags {
			f, ok := flag.(*choiceFlag)
			if !ok || cmd.Hidden {
				continue
			}
			value, allowed := cmd.String(f.Name), "must be one of "+joined(f.values)
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
	return errors.New("must be one of " + joined(allowed))
}

func joined[T ~string](values []T) string { return strings.Join(asStrings(values), ", ") }

func asStrings[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

// The log's settings, which every command takes.
const (
	flagLogLevel  = "log-level"
	flagLogFormat = "log-format"
	flagLogSQL    = "log-sql"
)

func (a *app) logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: flagLogLevel, Value: "info", Usage: "log from this level up: debug, info, warn or error", Sources: a.env("PDEFLOW_LOG_LEVEL"),
		},
		&cli.StringFlag{
			Name: flagLogFormat, Usage: "text or json (default: text on a terminal, else json)", Sources: a.env("PDEFLOW_LOG_FORMAT"),
		},
		&cli.BoolFlag{
			Name: flagLogSQL, Usage: "log every SQL statement, without its values, with its duration", Sources: a.env("PDEFLOW_LOG_SQL"),
		},
	}
}

// logger is the program's log, on standard error, as the flags want it.
func (a *app) logger(cmd *cli.Command) (*slog.Logger, error) {
	return a.loggerAt(cmd, cmd.String(flagLogLevel))
}

// demoLogger is the log of a demo: what goes wrong, unless more is asked for, because the demo itself tells what happens. Statements are
// logged as information.
func (a *app) demoLogger(cmd *cli.Command) (*slog.Logger, error) {
	if cmd.IsSet(flagLogLevel) || cmd.Bool(flagLogSQL) {
		return a.logger(cmd)
	}
	return a.loggerAt(cmd, "warn")
}

func (a *app) loggerAt(cmd *cli.Command, name string) (*slog.Logger, error) {
	var level slog.Level
	switch name {
	case "debug", "info", "warn", "error":
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, &usageError{err}
		}
	default:
		return nil, usagef("--%s (PDEFLOW_LOG_LEVEL) is one of debug, info, warn, error", flagLogLevel)
	}
	terminal := isTerminal(a.stderr)
	switch format := cmd.String(flagLogFormat); {
	case format == "text", format == "" && terminal:
		return slog.New(tint.NewTextHandler(a.stderr, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly + ".000", NoColor: !terminal || a.getenv("NO_COLOR") != "",
		})), nil
	case format == "json", format == "":
		return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level})), nil
	default:
		return nil, usagef("--%s (PDEFLOW_LOG_FORMAT) is one of text, json", flagLogFormat)
	}
}

// isTerminal reports whether somebody looks at what is written there.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

package main

import (
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v3"
)

// Log flags, which every command takes.
const (
	flagLogLevel  = "log-level"
	flagLogFormat = "log-format"
	flagLogSQL    = "log-sql"
)

func (a *app) logFlags() []cli.Flag {
	level := choice(flagLogLevel, "log from this level up", []string{"debug", "info", "warn", "error"})
	level.Value, level.Sources = "info", a.env("PDEFLOW_LOG_LEVEL")
	format := choice(flagLogFormat, "format of the log (default: text on a terminal, else json)",
		[]string{"text", "json"})
	format.Sources = a.env("PDEFLOW_LOG_FORMAT")
	return []cli.Flag{
		level, format,
		&cli.BoolFlag{
			Name: flagLogSQL, Usage: "log every SQL statement, without its values, with its duration",
			Sources: a.env("PDEFLOW_LOG_SQL"),
		},
	}
}

// logger returns the log that the flags describe, on standard error.
func (a *app) logger(cmd *cli.Command) (*slog.Logger, error) {
	return a.loggerAt(cmd, cmd.String(flagLogLevel))
}

// demoLogger returns the log of a demo. By default it has only warnings and errors, because the demo prints its own
// progress. Statements are logged at level info.
func (a *app) demoLogger(cmd *cli.Command) (*slog.Logger, error) {
	if cmd.IsSet(flagLogLevel) || cmd.Bool(flagLogSQL) {
		return a.logger(cmd)
	}
	return a.loggerAt(cmd, "warn")
}

func (a *app) loggerAt(cmd *cli.Command, name string) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return nil, usagef("--%s (PDEFLOW_LOG_LEVEL): %w", flagLogLevel, err)
	}
	terminal := isTerminal(a.stderr)
	if format := cmd.String(flagLogFormat); format == "text" || format == "" && terminal {
		return slog.New(tint.NewTextHandler(a.stderr, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly + ".000", NoColor: !terminal || a.getenv("NO_COLOR") != "",
		})), nil
	}
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level})), nil
}

func sqlLog(cmd *cli.Command, log *slog.Logger) *slog.Logger {
	if cmd.Bool(flagLogSQL) {
		return log
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/urfave/cli/v3"
)

// helpCommand prints the help of the command that its arguments name, as in help jobs watch. The help command of the
// cli package reads only the first argument.
func (a *app) helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Aliases: []string{"h"}, Usage: "shows the help of a command", ArgsUsage: "[COMMAND...]",
		HideHelp:    true,
		Description: "pdeflow help jobs watch",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			of, parent := cmd.Root(), cmd.Root()
			for i, name := range cmd.Args().Slice() {
				sub := of.Command(name)
				if sub == nil {
					return usagef("there is no command %s to help with (see pdeflow --help)",
						quoted(strings.Join(cmd.Args().Slice()[:i+1], " ")))
				}
				of, parent = sub, of
			}
			if of == cmd.Root() {
				return cli.ShowRootCommandHelp(of)
			}
			return cli.ShowCommandHelp(ctx, parent, of.Name)
		},
	}
}

// foldDescriptions joins the first paragraph of every description into one line, which is wrapped when it is printed.
// The rest are examples.
func foldDescriptions(cmd *cli.Command) {
	prose, examples, found := strings.Cut(cmd.Description, "\n\n")
	if cmd.Description = strings.ReplaceAll(prose, "\n", " "); found {
		cmd.Description += "\n\n" + examples
	}
	for _, sub := range cmd.Commands {
		foldDescriptions(sub)
	}
}

// lineWrapper wraps lines to the width of the terminal. Continuation lines are indented to the last column of a line
// with columns, and otherwise to its first word.
type lineWrapper struct {
	w       io.Writer
	pending []byte
}

// Write implements [io.Writer]. A line is printed once it is complete.
func (l *lineWrapper) Write(p []byte) (int, error) {
	l.pending = append(l.pending, p...)
	end := bytes.LastIndexByte(l.pending, '\n')
	if end < 0 {
		return len(p), nil
	}
	text := string(l.pending[:end+1])
	l.pending = l.pending[end+1:]
	_, err := io.WriteString(l.w, rewrap(l.w, text))
	return len(p), err
}

// close prints an incomplete last line.
func (l *lineWrapper) close() error {
	_, err := io.WriteString(l.w, rewrap(l.w, string(l.pending)))
	l.pending = nil
	return err
}

// rewrap wraps the lines of a text that are wider than the terminal. The text before the last column of a line stays.
func rewrap(w io.Writer, text string) string {
	width := lineWidth(w)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if uniseg.StringWidth(line) <= width {
			continue
		}
		begin := len(line) - len(strings.TrimLeft(line, " "))
		indent := begin
		if column := strings.LastIndex(line, "  "); column > begin {
			begin = column + 2
			if indent = uniseg.StringWidth(line[:begin]); indent > width/2 {
				indent = 4 // a column far to the right would leave continuation lines too narrow
			}
		}
		head := line[:begin]
		rest := wrap(line[begin:], max(width-uniseg.StringWidth(head), 10))
		lines[i] = head + rest[0]
		if len(rest) > 1 {
			more := strings.Join(rest[1:], " ")
			lines[i] += "\n" + strings.Repeat(" ", indent) + indented(w, more, indent)
		}
	}
	return strings.Join(lines, "\n")
}

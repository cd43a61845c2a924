package main

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/urfave/cli/v3"
)

// helpCommand prints the help of the command that its arguments name, of which there may be several, as in help jobs
// watch. The command of this name in the cli package looks at the first only.
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

// foldDescriptions makes the first paragraph of every description one line, which is wrapped where it is printed. The
// rest are examples.
func foldDescriptions(cmd *cli.Command) {
	prose, examples, found := strings.Cut(cmd.Description, "\n\n")
	if cmd.Description = strings.ReplaceAll(prose, "\n", " "); found {
		cmd.Description += "\n\n" + examples
	}
	for _, sub := range cmd.Commands {
		foldDescriptions(sub)
	}
}

// lineWrapper wraps the lines that are written to it to the width of the terminal behind it. Further lines of a line
// with columns begin below its last column, others below its first word.
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

// close prints a last line that has no end.
func (l *lineWrapper) close() error {
	_, err := io.WriteString(l.w, rewrap(l.w, string(l.pending)))
	l.pending = nil
	return err
}

// rewrap wraps those lines of a text that are longer than a line of the terminal that w writes to. What is before the
// last column of a line stays as it is.
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
				indent = 4 // a column far to the right would leave its further lines little room
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

package main

import (
	"fmt"
	"io"
)

// phases prints the progress of a command that reads the whole database: a line for each phase, with a count that is
// updated in place on a terminal.
type phases struct {
	w        io.Writer
	doing    string
	terminal bool
	phase    string
}

// newPhases returns phases that print to standard error. doing describes the command, such as "checking".
func newPhases(a *app, doing string) *phases {
	return &phases{w: a.stderr, doing: doing, terminal: a.drawsBars()}
}

// show is a [schema.Progress].
func (p *phases) show(phase string, done, total int64) {
	text := p.doing + " " + phase
	switch {
	case done > 0 && total > 0:
		text += fmt.Sprintf(": %d of %d", done, total)
	case done > 0:
		text += fmt.Sprintf(": %d", done)
	case total > 0:
		text += fmt.Sprintf(" (%d)", total)
	}
	switch {
	case p.phase != phase:
		p.end()
		p.phase = phase
		fmt.Fprint(p.w, text)
		if !p.terminal {
			fmt.Fprintln(p.w)
		}
	case p.terminal:
		fmt.Fprint(p.w, "\r\x1b[K"+text)
	}
}

// end moves the cursor to the start of a line.
func (p *phases) end() {
	if p.terminal && p.phase != "" {
		fmt.Fprintln(p.w)
	}
}

package tabular

import (
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Problem is one mistake in a file.
type Problem struct {
	File string
	// Cell is the reference of the cell in a workbook, such as Sheet1!B3; empty for a CSV file.
	Cell string
	// Line counts from 1 and includes the header; 0 if the problem concerns the whole file.
	Line int
	// Column is the name of the column; empty if the problem concerns the whole line.
	Column string
	// Reason explains the mistake and how to correct it. It never repeats a value from the file.
	Reason string
}

// Location returns the file, the line or cell, and the column of the problem.
func (p Problem) Location() string {
	text := p.File
	switch {
	case p.Cell != "":
		text += ":" + p.Cell
	case p.Line > 0:
		text += fmt.Sprintf(":%d", p.Line)
	}
	if p.Column == "" {
		return text
	}
	if text != "" {
		text += ": "
	}
	return text + p.Column
}

// String returns the location and the reason in one line.
func (p Problem) String() string { return p.Location() + ": " + p.Reason }

// Problems are the mistakes in one or several files, in order.
type Problems struct {
	// First has at most [schema.MaxProblems] of them.
	First []Problem
	// More counts the others.
	More int
}

// Add adds a problem; beyond [schema.MaxProblems] it is only counted.
func (p *Problems) Add(problem Problem) {
	if len(p.First) == schema.MaxProblems {
		p.More++
		return
	}
	p.First = append(p.First, problem)
}

// Error implements error with one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p.First))
	for i, problem := range p.First {
		lines[i] = problem.String()
	}
	if p.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", p.More))
	}
	return strings.Join(lines, "\n")
}

func (p Problems) count() int { return len(p.First) + p.More }

// err returns the problems as an error, or nil if there are none.
func (p Problems) err() error {
	if len(p.First) == 0 {
		return nil
	}
	return p
}

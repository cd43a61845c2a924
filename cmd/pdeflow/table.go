package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
)

const (
	// columnGap is the space between two columns of a table.
	columnGap = 2
	// minColumnWidth is the width below which a column is not squeezed.
	minColumnWidth = 12
)

// tableWriter aligns the cells of rows. Widths are in cells of a terminal, of which an East Asian character takes two.
// Flush prints the rows; columns keep their widths from one Flush to the next. On a terminal the table fits the width:
// optional columns are left out, and then the widest are squeezed and their cells wrapped. The first column, which
// holds ids, keeps its width.
type tableWriter struct {
	w      io.Writer
	rows   [][]string
	widths []int
	// optional lists the headings of the columns to leave out on a narrow terminal, in this order. The first row has
	// the headings.
	optional []string
	// omitted lists the headings that were left out.
	omitted []string
	hidden  map[int]bool
}

// table returns a table that prints to w. See [tableWriter] for the optional columns.
func table(w io.Writer, optional ...string) *tableWriter {
	return &tableWriter{w: w, optional: optional, hidden: map[int]bool{}}
}

// printRow adds a row to the table.
func printRow(t *tableWriter, cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = cellText(cell)
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		t.widths[i] = max(t.widths[i], uniseg.StringWidth(row[i]))
	}
	t.rows = append(t.rows, row)
}

// Flush prints the rows that were added since the last call.
func (t *tableWriter) Flush() error {
	widths := t.fit(terminalWidth(t.w))
	for _, row := range t.rows {
		if _, err := io.WriteString(t.w, t.rowText(row, widths)); err != nil {
			return err
		}
	}
	t.rows = nil
	return nil
}

// fit returns the widths of the columns in a line of this many cells; 0 means no limit.
func (t *tableWriter) fit(line int) []int {
	widths := slices.Clone(t.widths)
	if line == 0 {
		return widths
	}
	for _, heading := range t.optional {
		if t.total(widths, true) <= line {
			break
		}
		if len(t.rows) > 0 && !slices.Contains(t.omitted, heading) {
			if i := slices.Index(t.rows[0], heading); i >= 0 {
				t.hidden[i], t.omitted = true, append(t.omitted, heading)
			}
		}
	}
	for t.total(widths, false) > line {
		widest := -1
		for i := 1; i < len(widths); i++ {
			if !t.hidden[i] && widths[i] > minColumnWidth && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break // the terminal wraps what is left
		}
		widths[widest]--
	}
	return widths
}

// total returns the width of the table, with its columns squeezed as far as possible or not.
func (t *tableWriter) total(widths []int, squeezed bool) int {
	total := -columnGap
	for i, width := range widths {
		switch {
		case t.hidden[i]:
			continue
		case squeezed && i > 0:
			width = min(width, minColumnWidth)
		}
		total += width + columnGap
	}
	return total
}

// rowText formats one row, on as many lines as its longest cell needs.
func (t *tableWriter) rowText(row []string, widths []int) string {
	var (
		cells [][]string
		lines int
	)
	for i, cell := range row {
		cells = append(cells, wrap(cell, max(widths[i], 1)))
		if !t.hidden[i] {
			lines = max(lines, len(cells[i]))
		}
	}
	var text strings.Builder
	for n := range lines {
		line := ""
		for i := range row {
			if t.hidden[i] {
				continue
			}
			part := ""
			if n < len(cells[i]) {
				part = cells[i][n]
			}
			line += part + strings.Repeat(" ", max(widths[i]-uniseg.StringWidth(part), 0)+columnGap)
		}
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

// noteOmitted prints which columns did not fit.
func (t *tableWriter) noteOmitted(w io.Writer) {
	if len(t.omitted) > 0 {
		fmt.Fprintln(w,
			indented(w, "no room for "+strings.Join(t.omitted, ", ")+"; a wider terminal or --json shows them", 0))
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// printJSON prints a value, or JSON as it came, for people and programs alike.
func (a *app) printJSON(value any) error {
	if raw, ok := value.([]byte); ok {
		value = json.RawMessage(raw)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// table aligns rows whose cells end with a tab. What was printed is seen after Flush.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// printRow prints the cells of one row of a table.
func printRow(w io.Writer, cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = cellText(cell)
	}
	fmt.Fprintln(w, strings.Join(texts, "\t"))
}

// cellText is a value as a table shows it: on one line, and - where it says nothing.
func cellText(cell any) string {
	text := ""
	switch value := cell.(type) {
	case nil:
	case time.Time:
		text = timeText(value)
	case *time.Time:
		if value != nil {
			text = timeText(*value)
		}
	case *string:
		if value != nil {
			text = *value
		}
	case *int:
		if value != nil {
			text = fmt.Sprint(*value)
		}
	case *bool:
		if value != nil {
			text = yesOrNo(*value)
		}
	case bool:
		text = yesOrNo(value)
	default:
		text = fmt.Sprint(value)
	}
	if text = strings.Join(strings.Fields(text), " "); text == "" {
		return "-"
	}
	return text
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// count is how many there are of something that takes an s where there are more.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// printFields prints what is known of one thing, a line each, without what says nothing. A text of several lines or of more than a line
// is wrapped.
func printFields(w io.Writer, fields ...field) {
	width := 0
	for _, f := range fields {
		width = max(width, len(f.name))
	}
	for _, f := range fields {
		if text := cellText(f.value); text != "-" {
			fmt.Fprintf(w, "%-*s  %s\n", width, f.name, hanging(text, width+2))
		}
	}
}

// field is one thing that is known, with its name.
type field struct {
	name  string
	value any
}

// lineWidth is where long texts are broken.
const lineWidth = 110

// hanging breaks a text between words so that its further lines stand under its first one, which begins at the indentation.
func hanging(text string, indent int) string {
	var out strings.Builder
	at := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case at+1+len(word) > lineWidth:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			out.WriteByte(' ')
			at++
		}
		out.WriteString(word)
		at += len(word)
	}
	return out.String()
}

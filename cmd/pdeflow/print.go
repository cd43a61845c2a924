package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// printJSON prints a value, or raw JSON, indented.
func (a *app) printJSON(value any) error {
	if raw, ok := value.([]byte); ok {
		value = json.RawMessage(raw)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// defaultWidth is the line width of wrapped text if the output is not a terminal.
const defaultWidth = 100

// terminalWidth returns the width in cells of the terminal that w writes to, or 0.
func terminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 0
	}
	return width
}

// isTerminal reports whether w writes to a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// cellText formats a value for a table, on one line. An empty value is "-".
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
	if text = oneLine(text); text == "" {
		return "-"
	}
	return text
}

// oneLine joins the text into one line. Control characters, which could move the cursor, are replaced.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
}

// quoted puts quotation marks around a text, without the escapes of a programming language.
func quoted(text string) string { return "“" + oneLine(text) + "”" }

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// sinceText formats a time and its age. The zero time is "".
func sinceText(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s ago)", timeText(at), ageText(now.Sub(at)))
}

// ageText formats an age in its largest unit, as in 5s, 12m, 3h or 40d.
func ageText(age time.Duration) string {
	switch age = max(age, 0); { // the server's clock may be ahead
	case age < time.Minute:
		return fmt.Sprintf("%ds", int(age.Seconds()))
	case age < time.Hour:
		return fmt.Sprintf("%dm", int(age.Minutes()))
	case age < 48*time.Hour:
		return fmt.Sprintf("%dh", int(age.Hours()))
	default:
		return fmt.Sprintf("%dd", int(age.Hours()/24))
	}
}

// durationText formats a duration to the second, or to the millisecond below ten seconds, as in 3h8m2s.
func durationText(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// count formats a number with a noun, which takes an s in the plural.
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

// printFields prints fields, a line each, without the empty ones. Long texts are wrapped.
func printFields(w io.Writer, fields ...field) {
	width := 0
	for _, f := range fields {
		width = max(width, len(f.name))
	}
	for _, f := range fields {
		if text := cellText(f.value); text != "-" {
			fmt.Fprintf(w, "%-*s  %s\n", width, f.name, indented(w, text, width+2))
		}
	}
}

// field is a named value.
type field struct {
	name  string
	value any
}

// lineWidth returns the width of a line of text on w.
func lineWidth(w io.Writer) int {
	if width := terminalWidth(w); width > 0 {
		return width
	}
	return defaultWidth
}

// indented wraps a text to the width of w. Continuation lines are indented.
func indented(w io.Writer, text string, indent int) string {
	return strings.Join(wrap(text, max(lineWidth(w)-indent, 20)), "\n"+strings.Repeat(" ", indent))
}

// wrap breaks a text between words into lines of at most width cells. Longer words are broken too.
func wrap(text string, width int) []string {
	lines, at := []string{""}, 0
	for _, word := range strings.Fields(text) {
		cells := uniseg.StringWidth(word)
		switch {
		case at == 0:
		case at+1+cells <= width, cells > width && at+1 < width:
			lines[len(lines)-1] += " "
			at++
		default:
			lines, at = append(lines, ""), 0
		}
		for at+cells > width {
			head, rest := splitAt(word, width-at)
			lines[len(lines)-1] += head
			lines, at = append(lines, ""), 0
			word, cells = rest, uniseg.StringWidth(rest)
		}
		lines[len(lines)-1] += word
		at += cells
	}
	return lines
}

// splitAt splits a text after at most this many cells, but after at least one character, so that repeated splitting
// ends.
func splitAt(text string, cells int) (head, rest string) {
	rest, state, at := text, -1, 0
	for rest != "" {
		_, after, width, next := uniseg.FirstGraphemeClusterInString(rest, state)
		if at+width > cells && at > 0 {
			break
		}
		rest, state, at = after, next, at+width
	}
	return text[:len(text)-len(rest)], rest
}

// truncate shortens a text to this many cells, with an ellipsis.
func truncate(text string, cells int) string {
	if uniseg.StringWidth(text) <= cells {
		return text
	}
	if cells <= 1 {
		return ""
	}
	head, _ := splitAt(text, cells-1)
	return head + "…"
}

package tabular

import (
	"strings"
	"unicode/utf8"
)

// executable has the first characters of a text that a spreadsheet program runs as a formula. The wide forms are those
// of East Asian keyboards.
const executable = "=+-@\t\r\n＝＋－＠"

// Protect returns the text as a CSV file has it: with an apostrophe before a text that a spreadsheet program would run
// as a formula. [Unprotect] returns the original text.
func Protect(text string) string {
	if isExecutable(text) {
		return "'" + text
	}
	return text
}

// Unprotect returns the text that [Protect] was given.
func Unprotect(text string) string {
	if original, found := strings.CutPrefix(text, "'"); found && isExecutable(original) {
		return original
	}
	return text
}

// isExecutable reports whether a spreadsheet program would run the text without the apostrophes before it. The
// apostrophes do not count, so that a text that has one of its own gets another, and both functions are inverse.
func isExecutable(text string) bool {
	text = strings.TrimLeft(text, "'")
	first, _ := utf8.DecodeRuneInString(text)
	return text != "" && strings.ContainsRune(executable, first)
}

package tabular

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// use is what the values of a field are for. It decides what a cell may hold.
type use int

const (
	// prose may have several lines and any length.
	prose use = iota
	// title is a name or a phrase in one line.
	title
	// exact is a name or a code in one line in which every character counts.
	exact
	// answer is one of a few values.
	answer
)

// field is one column of a kind of file.
type field[R any] struct {
	name   string
	needed bool
	use    use
	// most bounds the value's characters; 0 is no bound.
	most int
	// identifies reports that the value is part of an identity, in which placeholders such as N/A mean that there is none.
	identifies bool
	// read puts a cell, which is clean and not empty, into the row; it returns what would be right where the cell is wrong.
	read func(row *R, cell string) (reason string)
}

// must returns the field, needed.
func must[R any](f field[R]) field[R] {
	f.needed = true
	return f
}

// identity returns the field, as part of an identity.
func identity[R any](f field[R]) field[R] {
	f.identifies = true
	return f
}

func text[R any](name string, into func(*R) *string) field[R] {
	return field[R]{name: name, use: prose, read: set(into)}
}

func label[R any](name string, most int, into func(*R) *string) field[R] {
	return field[R]{name: name, use: title, most: most, read: set(into)}
}

func code[R any](name string, most int, into func(*R) *string) field[R] {
	return field[R]{name: name, use: exact, most: most, read: set(into)}
}

func set[R any](into func(*R) *string) func(*R, string) string {
	return func(row *R, cell string) string {
		*into(row) = cell
		return ""
	}
}

// flag returns a field with a yes or a no; an empty cell is a no.
func flag[R any](name string, into func(*R) *bool) field[R] {
	return field[R]{name: name, use: answer, read: func(row *R, cell string) string {
		switch strings.ToLower(cell) {
		case "true", "yes", "y", "1":
			*into(row) = true
		case "false", "no", "n", "0":
			*into(row) = false
		default:
			return "must be true, yes, y or 1, or else false, no, n or 0"
		}
		return ""
	}}
}

// choice returns a field with one of a few values, in any case.
func choice[R any, V ~string](name string, values []V, into func(*R) *V) field[R] {
	return field[R]{name: name, use: answer, read: func(row *R, cell string) string {
		var names []string
		for _, v := range values {
			if strings.EqualFold(string(v), cell) {
				*into(row) = v
				return ""
			}
			names = append(names, string(v))
		}
		return "must be " + list(names, "or")
	}}
}

const (
	notUTF8        = "is not UTF-8 text; save the file as CSV UTF-8"
	reasonMerged   = "is merged with other cells; unmerge them and write every value into its own cell"
	reasonComputed = "has a formula whose value is not stored; open the workbook in Excel or LibreOffice and save it"
	reasonError    = "the spreadsheet shows an error here instead of a value"
	reasonDate     = "has a date in place of a code: spreadsheets turn entries such as 1-3 into dates; format the column as text and type the code again"
	reasonDigits   = "has a number of more than 15 digits, of which spreadsheets keep only 15; format the column as text and type the code again"
	reasonExponent = "has a number with an exponent in place of a code; format the column as text and type the code again"
	reasonFormula  = "has the text of a formula in place of its value; save the values"
)

var (
	// exponent is how spreadsheets write a large number into a CSV file.
	exponent = regexp.MustCompile(`^-?\d([.,]\d+)?[eE][+-]\d+$`)
	// dated is how spreadsheets write a date into a CSV file: 3-Jan, Jan-03, 2026-01-03, 1/3/2026, with or without a time.
	dated = regexp.MustCompile(`^(?:\d{1,2}-(?:` + months + `)(?:-\d{2,4})?|(?:` + months + `)-\d{2,4}|(?:19|20)\d\d-[01]\d-[0-3]\d|[0-3]?\d/[0-3]?\d/(?:19|20)\d\d)(?:[ T]\d{1,2}:\d\d.*)?$`)
)

const months = `Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec`

// clean returns a cell's value, empty for a placeholder in an identity, or the reason why the field cannot have it.
func (f field[R]) clean(c cell) (value, reason string) {
	if reason := f.refuses(c); reason != "" {
		return "", reason
	}
	value = c.trimmed()
	if !utf8.ValidString(value) {
		return "", notUTF8
	}
	if f.use != prose {
		value = oneLine(value)
	}
	if f.identifies && placeholder(value) {
		return "", ""
	}
	if f.most > 0 && utf8.RuneCountInString(value) > f.most {
		return "", fmt.Sprintf("must have at most %d characters", f.most)
	}
	return value, forbidden(value, f.use)
}

// refuses returns why the field cannot have what the cell stores.
func (f field[R]) refuses(c cell) string {
	value := c.trimmed()
	switch {
	case c.kind == uncomputed:
		return reasonComputed
	case c.kind == merged:
		return reasonMerged
	case c.kind == errorValue, spreadsheetError.MatchString(value):
		return reasonError
	case f.use == title && c.kind == date, f.use == exact && (c.kind == date || dated.MatchString(value)):
		return reasonDate
	case f.use == exact && c.kind == inexact:
		return reasonDigits
	case f.use == exact && (c.kind == scientific || exponent.MatchString(value)):
		return reasonExponent
	case (f.use == title || f.use == exact) && len(value) > 1 && value[0] == '=':
		return reasonFormula
	default:
		return ""
	}
}

// placeholder reports whether a value stands for no value.
func placeholder(value string) bool {
	return slices.Contains([]string{"-", "--", "\u2013", "\u2014", "n/a", "n.a.", "na", "null"}, strings.ToLower(value))
}

// lineBreak is a line break with the blanks around it.
var lineBreak = regexp.MustCompile(`\s*[\r\n\v\f\x{85}\x{2028}\x{2029}]\s*`)

// oneLine returns the text with plain spaces for line breaks and for no-break and other wide and narrow spaces, so that two texts that
// look the same are the same.
func oneLine(text string) string {
	text = lineBreak.ReplaceAllString(text, " ")
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, text)
}

// forbidden returns what would be right where a text has characters that no value may have.
func forbidden(text string, use use) string {
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case use == prose && (r == '\n' || r == '\t' || r == '\r'):
		case unicode.IsControl(r):
			return "must not have control characters"
		case use != prose && unicode.Is(unicode.Cf, r) && !joins(runes, i):
			return "must not have invisible characters"
		}
	}
	return ""
}

// joins reports whether the rune is a zero-width joiner or non-joiner between letters of a script that is written with them, such as
// Persian or Hindi. Elsewhere it would only make two names that look the same different.
func joins(runes []rune, i int) bool {
	if r := runes[i]; (r != '\u200c' && r != '\u200d') || i == 0 || i == len(runes)-1 {
		return false
	}
	for _, r := range []rune{runes[i-1], runes[i+1]} {
		if !unicode.In(r, unicode.Letter, unicode.Mark) ||
			unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			return false
		}
	}
	return true
}

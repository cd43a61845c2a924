package tabular

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
)

// fieldKind decides which values a field accepts.
type fieldKind int

const (
	// kindProse accepts several lines and any length.
	kindProse fieldKind = iota
	// kindTitle is a name or a phrase in one line.
	kindTitle
	// kindCode is a name or a code in one line in which every character counts.
	kindCode
	// kindValue is one of a few values.
	kindValue
	// kindRaw is a text that is compared with that of an export, so it is not changed.
	kindRaw
	// kindUnread accepts every cell and stores nothing.
	kindUnread
)

// field is one column of a kind of file.
type field[R any] struct {
	name     string
	required bool
	kind     fieldKind
	// maxLength is in characters; 0 means any length.
	maxLength int
	// identifies reports that the value is part of an identity, in which a placeholder such as N/A means no value.
	identifies bool
	// text returns the value in the row; nil for flags and choices.
	text func(row *R) *string
	// parse stores a value that is not empty in a row and returns why it cannot; nil if text is set.
	parse func(row *R, value string) (reason string)
}

func required[R any](f field[R]) field[R] {
	f.required = true
	return f
}

// identifying returns the field as part of an identity.
func identifying[R any](f field[R]) field[R] {
	f.identifies = true
	return f
}

func prose[R any](name string, text func(*R) *string) field[R] {
	return field[R]{name: name, kind: kindProse, text: text}
}

func title[R any](name string, maxLength int, text func(*R) *string) field[R] {
	return field[R]{name: name, kind: kindTitle, maxLength: maxLength, text: text}
}

func code[R any](name string, maxLength int, text func(*R) *string) field[R] {
	return field[R]{name: name, kind: kindCode, maxLength: maxLength, text: text}
}

// flag returns a yes-or-no field; an empty cell means no.
func flag[R any](name string, into func(*R) *bool) field[R] {
	return field[R]{name: name, kind: kindValue, parse: func(row *R, value string) string {
		given, ok := ParseFlag(value)
		if !ok {
			return reasonFlag
		}
		*into(row) = given
		return ""
	}}
}

// ParseFlag parses yes or no, as people write it in a cell. It ignores case.
func ParseFlag(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "y", "1":
		return true, true
	case "false", "no", "n", "0":
		return false, true
	default:
		return false, false
	}
}

// choice returns a field with one of a few values, matched without regard to case.
func choice[R any, V ~string](name string, values []V, into func(*R) *V) field[R] {
	return field[R]{name: name, kind: kindValue, parse: func(row *R, value string) string {
		var names []string
		for _, v := range values {
			if strings.EqualFold(string(v), value) {
				*into(row) = v
				return ""
			}
			names = append(names, string(v))
		}
		return "must be " + list(names, "or")
	}}
}

// sourceFields returns a field with a list of columns.
func sourceFields[R any](name string, into func(*R) *schema.SourceFields) field[R] {
	return field[R]{name: name, kind: kindCode, maxLength: maxFields, parse: func(row *R, value string) string {
		fields, err := schema.ParseSourceFields(value)
		switch {
		case err != nil:
			return "must be a list of schema.table.column, separated by commas, " +
				"with double quotes around a name that contains a dot or a comma"
		case len(fields) > schema.MaxSourceFields:
			return fmt.Sprintf("must have at most %d columns", schema.MaxSourceFields)
		case len(slices.Compact(slices.Sorted(slices.Values(fields)))) < len(fields):
			return "must not have a column twice"
		}
		*into(row) = fields
		return ""
	}}
}

// set stores a normalized value that is not empty in the row. It returns the reason if the field refuses it.
func (f field[R]) set(row *R, value string) (reason string) {
	if f.text == nil {
		return f.parse(row, value)
	}
	*f.text(row) = value
	return ""
}

const (
	reasonFlag        = "must be true, yes, y or 1, or else false, no, n or 0"
	reasonEmpty       = "must not be empty"
	advicePlaceholder = "; -, N/A, NA and null count as empty"
	reasonNotUTF8     = "is not UTF-8 text; save the file as CSV UTF-8"
	reasonMerged      = "is merged with other cells; unmerge them and write every value into its own cell"
	reasonComputed    = "has a formula whose value is not stored; open the workbook in Excel or LibreOffice and save it"
	reasonError       = "the spreadsheet shows an error here instead of a value"
	reasonDate        = "has a date in place of a code: spreadsheets turn entries such as 1-3 into dates; " +
		"format the column as text and type the code again"
	reasonDigits = "has a number of more than 15 digits, of which spreadsheets keep only 15; " +
		"format the column as text and type the code again"
	reasonExponent = "has a number with an exponent in place of a code; " +
		"format the column as text and type the code again"
	reasonFormula = "has the text of a formula in place of its value; save the values"
)

var (
	// exponent matches a large number as spreadsheets write it into a CSV file.
	exponent = regexp.MustCompile(`^-?\d([.,]\d+)?[eE][+-]\d+$`)
	// dated matches a date as spreadsheets write it into a CSV file: 3-Jan, Jan-03, 2026-01-03, 1/3/2026, with or
	// without a time.
	dated = regexp.MustCompile(`^(?:\d{1,2}-(?:` + months + `)(?:-\d{2,4})?|(?:` + months + `)-\d{2,4}|` +
		`(?:19|20)\d\d-[01]\d-[0-3]\d|[0-3]?\d/[0-3]?\d/(?:19|20)\d\d)(?:[ T]\d{1,2}:\d\d.*)?$`)
	// spreadsheetError matches the text of a cell whose formula has no value, in several languages.
	spreadsheetError = regexp.MustCompile(`^#(?:N/A|N/D|NV|\p{Lu}[\p{Lu}\d/]+[!?])$`)
)

const months = `Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec`

// clean returns the value of a cell, empty for a placeholder in an identity, or the reason why the field refuses it.
func (f field[R]) clean(c cell) (value, reason string) {
	if f.kind == kindUnread {
		return "", ""
	}
	if reason := f.refuseCell(c.kind); reason != "" {
		return "", reason
	}
	return f.normalize(c.text)
}

// refuseCell returns why the field refuses a cell of this kind, or "".
func (f field[R]) refuseCell(kind cellKind) string {
	switch {
	case kind == cellUncomputed:
		return reasonComputed
	case kind == cellMerged:
		return reasonMerged
	case kind == cellError:
		return reasonError
	case kind == cellDate && (f.kind == kindTitle || f.kind == kindCode):
		return reasonDate
	case kind == cellInexact && f.kind == kindCode:
		return reasonDigits
	case kind == cellExponent && f.kind == kindCode:
		return reasonExponent
	default:
		return ""
	}
}

// normalize applies the rules of the field to a text from any source, a file or not. It returns the trimmed value,
// empty for a placeholder in an identity, or the reason why the field refuses the text.
func (f field[R]) normalize(text string) (value, reason string) {
	value = trimmed(text)
	if !utf8.ValidString(value) {
		return "", reasonNotUTF8
	}
	if f.kind == kindRaw {
		return text, ""
	}
	if reason := f.refuseArtefact(value); reason != "" {
		return "", reason
	}
	if f.kind != kindProse {
		value = oneLine(value)
	}
	if f.identifies && isPlaceholder(value) {
		return "", ""
	}
	if f.maxLength > 0 && utf8.RuneCountInString(value) > f.maxLength {
		return "", fmt.Sprintf("must have at most %d characters", f.maxLength)
	}
	return value, refuseCharacters(value, f.kind)
}

// refuseArtefact returns why the field refuses a text into which a spreadsheet has turned the original value, or "".
func (f field[R]) refuseArtefact(value string) string {
	switch {
	case spreadsheetError.MatchString(value):
		return reasonError
	case f.kind == kindCode && dated.MatchString(value):
		return reasonDate
	case f.kind == kindCode && exponent.MatchString(value):
		return reasonExponent
	case (f.kind == kindTitle || f.kind == kindCode) && len(value) > 1 && value[0] == '=':
		return reasonFormula
	default:
		return ""
	}
}

// isPlaceholder reports whether the text means "no value".
func isPlaceholder(text string) bool {
	placeholders := []string{"-", "--", "\u2013", "\u2014", "n/a", "n.a.", "na", "null"}
	return slices.Contains(placeholders, strings.ToLower(text))
}

// lineBreak is a line break with the blanks around it.
var lineBreak = regexp.MustCompile(`\s*[\r\n\v\f\x{85}\x{2028}\x{2029}]\s*`)

// oneLine replaces line breaks and no-break, wide and narrow spaces by plain spaces, so that two texts that look the
// same are equal.
func oneLine(text string) string {
	// Most cells have no line break, and the search for one is much faster than the expression: an upload may be a
	// single cell of 32 MiB.
	if strings.ContainsAny(text, "\r\n\v\f\u0085\u2028\u2029") {
		text = lineBreak.ReplaceAllString(text, " ")
	}
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, text)
}

// refuseCharacters returns a reason if the text has characters that no value of a field of this kind may have.
func refuseCharacters(text string, kind fieldKind) string {
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case kind == kindProse && (r == '\n' || r == '\t' || r == '\r'):
		case unicode.IsControl(r):
			return "must not have control characters"
		case kind != kindProse && unicode.Is(unicode.Cf, r) && !isJoiner(runes, i):
			return "must not have invisible characters"
		}
	}
	return ""
}

// isJoiner reports whether the rune is a zero-width joiner or non-joiner between letters of a script that is written
// with them, such as Persian or Hindi. Elsewhere it would only make two names that look the same different.
func isJoiner(runes []rune, i int) bool {
	if r := runes[i]; (r != '\u200c' && r != '\u200d') || i == 0 || i == len(runes)-1 {
		return false
	}
	for _, r := range []rune{runes[i-1], runes[i+1]} {
		if !unicode.In(r, unicode.Letter, unicode.Mark) || unicode.In(r, unicode.Latin, unicode.Greek,
			unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			return false
		}
	}
	return true
}

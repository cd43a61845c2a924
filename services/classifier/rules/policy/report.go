package policy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Report describes a filing.
type Report struct {
	Name string
	// Patterns are the names that the filing is known by.
	Patterns []Pattern
	// MDRM are the mnemonics that the MDRM codes of the filing begin with.
	MDRM []string
	// Kind is the index of the kind of report, or -1.
	Kind int
	// Party is the index of the party that the filing is about unless a line names another, or -1.
	Party int
	// Laws are the indexes of the laws to cite for each line.
	Laws []int
}

// Pattern is a name that a filing is known by. The name of a report matches if it contains all parts in their order,
// each between two boundaries of words. A boundary is also possible between a letter and a digit.
type Pattern struct {
	// Parts consist of lower-case letters and digits.
	Parts []string
	// Leading is true if the first part must begin the name, or follow a year.
	Leading bool
}

// Reports are the filings that a policy describes.
type Reports []Report

// Find returns the block for a report, or nil. The block with the longest matching pattern wins. The MDRM code of
// one of the report's lines decides if no name matches, or if it selects a schedule that the name leaves open.
func (all Reports) Find(name, mdrm string) *Report {
	named, by := all.byName(name)
	coded := all.byCode(mdrm)
	switch {
	case named == nil:
		return coded
	case coded != nil && coded.isScheduleOf(by):
		return coded
	default:
		return named
	}
}

func (all Reports) byName(name string) (best *Report, by Pattern) {
	n, length := normalize(name), 0
	for i := range all {
		for _, one := range all[i].Patterns {
			if l := n.match(one); l > length {
				best, by, length = &all[i], one, l
			}
		}
	}
	return best, by
}

func (all Reports) byCode(mdrm string) *Report {
	var best *Report
	length := 0
	for i := range all {
		for _, m := range all[i].MDRM {
			if len(m) > length && len(mdrm) >= len(m) && strings.EqualFold(mdrm[:len(m)], m) {
				best, length = &all[i], len(m)
			}
		}
	}
	return best
}

// isScheduleOf reports whether one of the report's patterns continues the pattern of a whole filing.
func (r *Report) isScheduleOf(filing Pattern) bool {
	return slices.ContainsFunc(r.Patterns, func(one Pattern) bool {
		n := len(filing.Parts)
		return len(one.Parts) > n && slices.Equal(one.Parts[:n], filing.Parts)
	})
}

// normalName is the letters and digits of a report's name in lower case, so that "FR Y-14M, D.2" and "fr_y14m_d2" are
// the same.
type normalName struct {
	text string
	// boundary has an element for each byte of text and one more for its end: whether a word begins or ends before it.
	boundary []bool
}

func normalize(name string) normalName {
	var b strings.Builder
	n := normalName{boundary: []bool{true}}
	last := ' '
	for _, r := range name {
		lower := unicode.ToLower(r)
		if lower >= utf8.RuneSelf || !unicode.IsLetter(lower) && !unicode.IsDigit(lower) {
			n.boundary[b.Len()], last = true, ' '
			continue
		}
		if unicode.IsLower(last) && unicode.IsUpper(r) || last != ' ' && unicode.IsDigit(last) != unicode.IsDigit(r) {
			n.boundary[b.Len()] = true
		}
		b.WriteRune(lower)
		n.boundary = append(n.boundary, false)
		last = r
	}
	n.boundary[b.Len()] = true
	n.text = b.String()
	n.separateSchedules()
	return n
}

// separateSchedules adds a boundary between the letter that ends the number of a filing and the letter of a schedule,
// as in 14MD1.
func (n normalName) separateSchedules() {
	for i := 2; i+1 < len(n.text); i++ {
		if isDigit(n.text[i-2]) && !isDigit(n.text[i-1]) && !isDigit(n.text[i]) && isDigit(n.text[i+1]) {
			n.boundary[i] = true
		}
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isYear(text string) bool {
	return len(text) == 4 && (text[:2] == "19" || text[:2] == "20") && isDigit(text[2]) && isDigit(text[3])
}

// match returns the length of the pattern if the name contains it, and otherwise 0.
func (n normalName) match(one Pattern) int {
	at, length := 0, 0
	for i, part := range one.Parts {
		at = n.find(part, at)
		if at < 0 || i == 0 && one.Leading && at > 0 && !isYear(n.text[:at]) {
			return 0
		}
		at += len(part)
		length += len(part)
	}
	return length
}

// find returns the first place, at or after from, where the name has a part between two boundaries, or -1.
// "Delinquency 15" does not contain Y 15, and "D 2026" does not contain D 2.
func (n normalName) find(part string, from int) int {
	for at := from; ; at++ {
		i := strings.Index(n.text[at:], part)
		if i < 0 {
			return -1
		}
		if at += i; n.boundary[at] && n.boundary[at+len(part)] {
			return at
		}
	}
}

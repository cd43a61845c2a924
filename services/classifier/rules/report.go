package rules

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// report tells what is known of a filing.
type report struct {
	name string
	// patterns are the names that it goes by.
	patterns []pattern
	// mdrm are the mnemonics that the filing's MDRM codes begin with.
	mdrm  []string
	kind  int
	party int
	laws  []int
}

// pattern is a name that a filing goes by: parts, letters and digits only, which must stand in its name one after the
// other, each from the beginning of a word to the end of one; where letters meet digits, a word may begin or end. A
// leading pattern begins the name, or follows a year.
type pattern struct {
	parts   []string
	leading bool
}

// matchReport finds the block for a report's name, the one with the longest pattern that fits. The MDRM code of one
// of its lines decides where no name fits, or tells which schedule of the filing it is where the name does not say.
func matchReport(p *Policy, name, mdrm string) *report {
	named, by := reportByName(p, name)
	coded := reportByCode(p, mdrm)
	switch {
	case named == nil:
		return coded
	case coded != nil && coded.refines(by):
		return coded
	default:
		return named
	}
}

func reportByName(p *Policy, name string) (best *report, by pattern) {
	s, length := squeeze(name), 0
	for i := range p.reports {
		for _, one := range p.reports[i].patterns {
			if n := s.match(one); n > length {
				best, by, length = &p.reports[i], one, n
			}
		}
	}
	return best, by
}

func reportByCode(p *Policy, mdrm string) *report {
	var best *report
	length := 0
	for i := range p.reports {
		for _, mnemonic := range p.reports[i].mdrm {
			if len(mdrm) >= len(mnemonic) && strings.EqualFold(mdrm[:len(mnemonic)], mnemonic) && len(mnemonic) > length {
				best, length = &p.reports[i], len(mnemonic)
			}
		}
	}
	return best
}

// refines reports whether one of the report's names goes on where another name ends, as that of a schedule goes on
// behind its filing's.
func (r *report) refines(general pattern) bool {
	return slices.ContainsFunc(r.patterns, func(one pattern) bool {
		n := len(general.parts)
		return len(one.parts) > n && slices.Equal(one.parts[:n], general.parts)
	})
}

// squeezed is a name without what is neither letter nor digit, in lower case, so that "FR Y-14M, D.2" and
// "fr_y14m_d2" are the same report.
type squeezed struct {
	text string
	// cuts has the places where a word of the name begins or ends, by the byte of text before which they lie.
	cuts []bool
}

func squeeze(name string) squeezed {
	var b strings.Builder
	s := squeezed{cuts: []bool{true}}
	last := ' '
	for _, r := range cutLong(name, maxName) {
		lower := unicode.ToLower(r)
		if lower >= utf8.RuneSelf || !unicode.IsLetter(lower) && !unicode.IsDigit(lower) {
			s.cuts[b.Len()], last = true, ' '
			continue
		}
		if unicode.IsLower(last) && unicode.IsUpper(r) || last != ' ' && unicode.IsDigit(last) != unicode.IsDigit(r) {
			s.cuts[b.Len()] = true
		}
		b.WriteRune(lower)
		s.cuts = append(s.cuts, false)
		last = r
	}
	s.cuts[b.Len()] = true
	s.text = b.String()
	s.cutSchedules()
	return s
}

// cutSchedules cuts between the letter that ends a filing's number and that of a schedule: 14M D1, where it is
// written in one.
func (s squeezed) cutSchedules() {
	for i := 2; i+1 < len(s.text); i++ {
		if digit(s.text[i-2]) && !digit(s.text[i-1]) && !digit(s.text[i]) && digit(s.text[i+1]) {
			s.cuts[i] = true
		}
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// year reports whether a text is a year and nothing else, as it stands before the name of a filing.
func year(text string) bool {
	return len(text) == 4 && (text[:2] == "19" || text[:2] == "20") && digit(text[2]) && digit(text[3])
}

// match is the length of the pattern where the name has all its parts, else 0.
func (s squeezed) match(one pattern) int {
	at, length := 0, 0
	for i, part := range one.parts {
		at = s.find(part, at)
		if at < 0 || i == 0 && one.leading && at > 0 && !year(s.text[:at]) {
			return 0
		}
		at += len(part)
		length += len(part)
	}
	return length
}

// find is where a part stands first as words of their own, from a place on, or -1. "Delinquency 15" has no Y 15, and
// "D 2026" no D 2.
func (s squeezed) find(part string, from int) int {
	for at := from; ; at++ {
		i := strings.Index(s.text[at:], part)
		if i < 0 {
			return -1
		}
		if at += i; s.cuts[at] && s.cuts[at+len(part)] {
			return at
		}
	}
}

package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Split returns the words of a technical or human name in their order: lower-case, singular, with abbreviations expanded by their context
// and spellings unified. Words stand as often as the name says them. A name without a letter or digit has no words.
//
// Split is pure and safe for concurrent use.
func Split(name string) []string {
	if name == "" {
		return nil
	}
	return Append(make([]string, 0, 8), name)
}

// Append appends the words of name to dst and returns the extended slice, as [Split] does with a slice of its own.
func Append(dst []string, name string) []string {
	d := dictionary()
	var buffer [24]piece
	pieces := d.join(d.cut(buffer[:0], name))
	for i := range pieces {
		dst = d.expand(dst, pieces, i)
	}
	return dst
}

// piece is a part of a name between two cuts.
type piece struct {
	text string
	// entry is the dictionary's line for the text, or nil.
	entry *entry
}

// cut cuts a name at separators, changes of case and digits.
func (d *lexicon) cut(pieces []piece, name string) []piece {
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case unicode.IsDigit(r):
			end := digitsEnd(name, i)
			pieces = append(pieces, d.lookup(name[i:end]))
			if end < len(name) && name[end] == '+' {
				pieces = append(pieces, d.lookup("plus"))
			}
			i = end
		case unicode.IsLetter(r):
			end := d.lettersEnd(name, i)
			pieces = d.cutKnown(pieces, name[i:end])
			i = end
		case r == '\'' || r == '’':
			i += size + possessive(name[i+size:])
		case r == '%':
			pieces = append(pieces, d.lookup("percent"))
			i += size
		default:
			i += size
		}
	}
	return pieces
}

// possessive is the length of the s in "borrower's", which is no word.
func possessive(rest string) int {
	if rest == "" || rest[0] != 's' && rest[0] != 'S' {
		return 0
	}
	if next, _ := utf8.DecodeRuneInString(rest[1:]); len(rest) > 1 && unicode.IsLetter(next) {
		return 0
	}
	return 1
}

// digitsEnd is the end of the number that starts at i, with the letters of an ordinal (1st, 22nd).
func digitsEnd(name string, i int) int {
	end := i
	for end < len(name) && '0' <= name[end] && name[end] <= '9' {
		end++
	}
	if end == i { // a digit of another script
		_, size := utf8.DecodeRuneInString(name[i:])
		return i + size
	}
	if end+2 <= len(name) {
		switch strings.ToLower(name[end : end+2]) {
		case "st", "nd", "rd", "th":
			if next, _ := utf8.DecodeRuneInString(name[end+2:]); end+2 == len(name) || !unicode.IsLetter(next) {
				return end + 2
			}
		}
	}
	return end
}

// lettersEnd is the end of the run of letters that starts at i and has one case: "open", "Open" or "APR".
func (d *lexicon) lettersEnd(name string, i int) int {
	first, size := utf8.DecodeRuneInString(name[i:])
	upper := i
	for end := i; end < len(name); {
		r, n := utf8.DecodeRuneInString(name[end:])
		if !unicode.IsUpper(r) {
			break
		}
		end += n
		upper = end
	}
	lower := upper
	for lower < len(name) {
		r, n := utf8.DecodeRuneInString(name[lower:])
		if !unicode.IsLetter(r) || unicode.IsUpper(r) {
			break
		}
		lower += n
	}
	switch {
	case !unicode.IsUpper(first), upper == i+size: // open, Open
		return lower
	case lower == upper: // APR
		return upper
	default:
		return d.acronymEnd(name, i, upper, lower)
	}
}

// acronymEnd decides where capitals that run into small letters end: APRs is one piece, NSFAmount is NSF and Amount, EADid is EAD and id.
func (d *lexicon) acronymEnd(name string, i, upper, lower int) int {
	if name[upper:lower] == "s" {
		return lower
	}
	_, size := utf8.DecodeLastRuneInString(name[:upper])
	last := upper - size
	if d.knows(name[i:upper]) && d.knows(name[upper:lower]) && !d.knows(name[last:lower]) {
		return upper
	}
	return last
}

// cutKnown appends a run of letters, cut into the words that it was run together from where it is no word itself: CURRBAL, rssdid.
func (d *lexicon) cutKnown(pieces []piece, run string) []piece {
	p := d.lookup(run)
	if p.entry != nil {
		return append(pieces, p)
	}
	var ends [maxRun + 1]int
	if !d.segment(p.text, strings.ToUpper(run) == run, &ends) {
		return append(pieces, p)
	}
	for from := 0; from < len(p.text); {
		to := ends[from]
		pieces = append(pieces, d.lookup(p.text[from:to]))
		from = to
	}
	return pieces
}

const (
	// minRun is also what keeps short English words whole.
	minRun, maxRun = 5, 28
	minWord        = 3
)

// segment finds the cut of a run into the fewest known words and leaves in ends, for the start of each word, its end.
func (d *lexicon) segment(run string, capitals bool, ends *[maxRun + 1]int) bool {
	if len(run) < minRun || len(run) > maxRun {
		return false
	}
	var cost [maxRun + 1]int // words needed from here to the end, 0 where it cannot be done
	for from := len(run) - 2; from >= 0; from-- {
		for to := from + 2; to <= len(run); to++ {
			last := to == len(run)
			if !last && cost[to] == 0 || !d.isSegment(run[from:to], last, capitals) {
				continue
			}
			if need := cost[to] + 1; cost[from] == 0 || need <= cost[from] {
				cost[from], ends[from] = need, to
			}
		}
	}
	return cost[0] > 1
}

// join makes one piece of two neighbours that the dictionary reads as one: re-age, e-mail.
func (d *lexicon) join(pieces []piece) []piece {
	for i := 0; i+1 < len(pieces); i++ {
		if joined, ok := d.pairs[pair{pieces[i].text, pieces[i+1].text}]; ok {
			pieces[i] = piece{text: pieces[i].text, entry: joined}
			pieces = append(pieces[:i+1], pieces[i+2:]...)
		}
	}
	return pieces
}

// expand appends what piece i stands for among its neighbours.
func (d *lexicon) expand(dst []string, pieces []piece, i int) []string {
	if pieces[i].entry == nil {
		return append(dst, pieces[i].text)
	}
	for _, m := range pieces[i].entry.meanings {
		if m.holds(pieces, i) {
			return append(dst, m.words...)
		}
	}
	return append(dst, pieces[i].text)
}

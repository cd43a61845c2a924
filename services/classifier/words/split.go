package words

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Split returns the words of a technical or human name in their order: lower-case, singular, with abbreviations
// expanded by their context and spellings unified. Words stand as often as the name says them. A name without a
// letter or digit has no words.
//
// Split is pure and safe for concurrent use.
func Split(name string) []string {
	if name == "" {
		return nil
	}
	return Append(make([]string, 0, 8), name)
}

// Append appends the words of name to dst and returns the extended slice, as [Split] does with a slice of its own.
func Append(dst []string, name string) []string { return dictionary().append(dst, name) }

func (d *lexicon) append(dst []string, name string) []string {
	var buffer [24]piece
	pieces := d.pieces(buffer[:0], name)
	for i := range pieces {
		dst = d.expand(dst, pieces, i)
	}
	return dst
}

// Located is a word with the part of the name that it was read from: name[Start:End].
type Located struct {
	Text       string
	Start, End int
}

// Locate appends the words of name to dst, as [Append] does, each with its place in the name. Words of a language
// that puts the noun first are in the English order, so that places need not ascend.
func Locate(dst []Located, name string) []Located {
	d := dictionary()
	var buffer [24]piece
	var texts [8]string
	pieces := d.pieces(buffer[:0], name)
	for i, p := range pieces {
		for _, text := range d.expand(texts[:0], pieces, i) {
			dst = append(dst, Located{text, int(p.start), int(p.end)})
		}
	}
	return dst
}

// pieces cuts a name and puts its pieces into the order in which they are read.
func (d *lexicon) pieces(dst []piece, name string) []piece {
	pieces := joinPairs(d.cut(dst, name), d.pairs)
	if slices.ContainsFunc(pieces, piece.isForeign) {
		return d.translate(pieces)
	}
	return pieces
}

// piece is a part of a name between two cuts.
type piece struct {
	text string
	// entry is the dictionary's line for the text, or nil.
	entry *entry
	// start and end are the place of the piece in the name, or of the run of letters that it was cut from.
	start, end int32
}

// cut cuts a name at separators, changes of case and digits.
func (d *lexicon) cut(pieces []piece, name string) []piece {
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		first, start := len(pieces), i
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
		for j := first; j < len(pieces); j++ {
			pieces[j].start, pieces[j].end = int32(start), int32(i) //nolint:gosec // no name has gigabytes
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
		if !unicode.IsLetter(r) && !mark(r) || unicode.IsUpper(r) {
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

// mark reports whether a rune belongs to the letter before it: an accent, a vowel sign, a joiner.
func mark(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.M, r) || r == 0x200c || r == 0x200d)
}

// acronymEnd decides where capitals that run into small letters end: APRs is one piece, NSFAmount is NSF and Amount,
// EADid is EAD and id.
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

// cutKnown appends a run of letters, cut into the words that it was run together from where it is no word itself:
// CURRBAL, rssdid. Words of other languages come after English ones, and compounds of them last.
func (d *lexicon) cutKnown(pieces []piece, run string) []piece {
	p := d.lookup(run)
	if p.entry != nil {
		return append(pieces, p)
	}
	if foreign, ok := d.cutForeign(pieces, run); ok {
		return foreign
	}
	capitals := strings.ToUpper(run) == run
	known := func(part string, last bool) bool { return d.isSegment(part, last, capitals) }
	var ends [maxRun + 1]int
	if !segment(p.text, known, &ends) {
		if foreign, ok := d.cutCompound(pieces, run); ok {
			return foreign
		}
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
func segment(run string, known func(part string, last bool) bool, ends *[maxRun + 1]int) bool {
	if len(run) < minRun || len(run) > maxRun {
		return false
	}
	var cost [maxRun + 1]int // words needed from here to the end, 0 where it cannot be done
	for from := len(run) - 2; from >= 0; from-- {
		for to := from + 2; to <= len(run); to++ {
			last := to == len(run)
			if !last && cost[to] == 0 || !known(run[from:to], last) {
				continue
			}
			if need := cost[to] + 1; cost[from] == 0 || need <= cost[from] {
				cost[from], ends[from] = need, to
			}
		}
	}
	return cost[0] > 1
}

// joinPairs makes one piece of two neighbours that a dictionary reads as one: re-age, e-mail.
func joinPairs(pieces []piece, pairs map[pair]*entry) []piece {
	for i := 0; i+1 < len(pieces); i++ {
		if joined, ok := pairs[pair{pieces[i].text, pieces[i+1].text}]; ok {
			pieces[i] = piece{text: pieces[i].text, entry: joined, start: pieces[i].start, end: pieces[i+1].end}
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

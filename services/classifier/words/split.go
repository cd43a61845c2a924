package words

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Split returns the words of a name in their order and normal form: lower-case, singular, with abbreviations expanded
// by their context. Repeated words are repeated. A name without a letter or digit has no words. Split is safe for
// concurrent use.
func Split(name string) []string {
	if name == "" {
		return nil
	}
	return Append(make([]string, 0, 8), name)
}

// Append appends the words of [Split] to dst and returns the extended slice.
func Append(dst []string, name string) []string { return embedded().append(dst, name) }

func (d *dictionary) append(dst []string, name string) []string {
	var buffer [24]piece
	pieces := d.pieces(buffer[:0], name)
	for i := range pieces {
		dst = d.expand(dst, pieces, i)
	}
	return dst
}

// Located is a word and the part of the name that it was read from, name[Start:End].
type Located struct {
	Text       string
	Start, End int
}

// Locate appends the words of [Split] to dst with their offsets in the name. The offsets of a translated name need not
// ascend, because its words are in the English order.
func Locate(dst []Located, name string) []Located { return embedded().locate(dst, name) }

func (d *dictionary) locate(dst []Located, name string) []Located {
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

// pieces cuts a name into pieces, in the English order.
func (d *dictionary) pieces(dst []piece, name string) []piece {
	pieces := joinPairs(d.cut(dst, name), d.pairs)
	if slices.ContainsFunc(pieces, piece.isForeign) {
		return d.translate(pieces)
	}
	return pieces
}

// piece is a part of a name between two cuts.
type piece struct {
	text string
	// entry is the entry for the text, or nil.
	entry *entry
	// start and end are the offsets in the name of the piece, or of the run of letters that it was cut from.
	start, end int32
}

// cut cuts a name at separators, changes of case and digits.
func (d *dictionary) cut(pieces []piece, name string) []piece {
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
		case r == '#' && isNumberSign(name[:i], name[i+size:]):
			pieces = append(pieces, d.lookup("number"))
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

// isNumberSign reports whether a # between two parts of a name stands for "number", as in "Card #" and "# of Cards". In
// "Borrower #2" it means nothing.
func isNumberSign(before, after string) bool {
	after = strings.TrimLeft(after, " _")
	if next, _ := utf8.DecodeRuneInString(after); unicode.IsLetter(next) {
		return true
	}
	return after == "" && strings.ContainsFunc(before, unicode.IsLetter)
}

// possessive returns the length of the s in "borrower's", which is dropped.
func possessive(rest string) int {
	if rest == "" || rest[0] != 's' && rest[0] != 'S' {
		return 0
	}
	if next, _ := utf8.DecodeRuneInString(rest[1:]); len(rest) > 1 && unicode.IsLetter(next) {
		return 0
	}
	return 1
}

// digitsEnd returns the end of the number that starts at i, including the letters of an ordinal (1st, 22nd).
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

// lettersEnd returns the end of the run of letters that starts at i and has one case: "open", "Open" or "APR".
func (d *dictionary) lettersEnd(name string, i int) int {
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
		if !unicode.IsLetter(r) && !isMark(r) || unicode.IsUpper(r) {
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

// isMark reports whether a rune belongs to the letter before it: an accent, a vowel sign, a joiner.
func isMark(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.M, r) || r == 0x200c || r == 0x200d)
}

// acronymEnd returns the end of capitals that are followed by small letters: APRs is one piece, NSFAmount is NSF and
// Amount, EADid is EAD and id.
func (d *dictionary) acronymEnd(name string, i, upper, lower int) int {
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

// cutKnown appends the words of a run of letters. A run that is in no dictionary is cut into words that are: CURRBAL,
// rssdid. English words are tried first, then words of other languages, then compounds of them.
func (d *dictionary) cutKnown(pieces []piece, run string) []piece {
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
	// Runs of fewer than minRun letters are not cut, which keeps short English words whole.
	minRun, maxRun = 5, 28
	minWord        = 3
)

// segment cuts a run into the fewest known words. It sets ends[start] to the end of each word, and reports whether
// there is such a cut of two words or more.
func segment(run string, known func(part string, last bool) bool, ends *[maxRun + 1]int) bool {
	if len(run) < minRun || len(run) > maxRun {
		return false
	}
	var cost [maxRun + 1]int // the words needed from here to the end, or 0 if there is no cut
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

// joinPairs joins neighbours that a dictionary has as one entry: re-age, e-mail.
func joinPairs(pieces []piece, pairs map[pair]*entry) []piece {
	for i := 0; i+1 < len(pieces); i++ {
		if joined, ok := pairs[pair{pieces[i].text, pieces[i+1].text}]; ok {
			pieces[i] = piece{text: pieces[i].text, entry: joined, start: pieces[i].start, end: pieces[i+1].end}
			pieces = append(pieces[:i+1], pieces[i+2:]...)
		}
	}
	return pieces
}

// expand appends the words of the meaning of piece i.
func (d *dictionary) expand(dst []string, pieces []piece, i int) []string {
	if pieces[i].entry == nil {
		return append(dst, pieces[i].text)
	}
	for _, m := range pieces[i].entry.meanings {
		if m.applies(pieces, i) {
			return append(dst, m.words...)
		}
	}
	return append(dst, pieces[i].text)
}

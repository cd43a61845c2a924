package words

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed abbreviations.txt
var abbreviations string

// embedded returns the embedded dictionary, which is parsed once. It panics if the files have a mistake.
var embedded = sync.OnceValue(func() *dictionary {
	d, err := parse(abbreviations)
	if err == nil {
		err = d.parseTranslations(translationText)
	}
	if err != nil {
		panic(err)
	}
	return d
})

// dictionary has the entries of abbreviations.txt and translations.txt. It does not change after it was parsed.
type dictionary struct {
	entries map[string]*entry
	pairs   map[pair]*entry
	foreign translations
}

type pair struct{ first, second string }

// entry is a line of a dictionary. Its last meaning has no conditions.
type entry struct {
	text     string
	meanings []meaning
	// language is nil for English.
	language *language
	// particle is true for a word of another language that is dropped. It has no meanings.
	particle bool
}

// usual returns the meaning without conditions.
func (e *entry) usual() []string { return e.meanings[len(e.meanings)-1].words }

// meaning is a meaning of an entry. It applies if all conditions of one of its contexts are met, or if it has no
// contexts.
type meaning struct {
	words    []string
	contexts [][]condition
}

type condition struct {
	kind  string
	words []string
}

// applies reports whether the meaning applies to piece i.
func (m meaning) applies(pieces []piece, i int) bool {
	for _, context := range m.contexts {
		if !slices.ContainsFunc(context, func(c condition) bool { return !c.isMet(pieces, i) }) {
			return true
		}
	}
	return len(m.contexts) == 0
}

// isMet reports whether the neighbours of piece i meet the condition.
func (c condition) isMet(pieces []piece, i int) bool {
	switch c.kind {
	case "first":
		return i == 0 && len(pieces) > 1
	case "last":
		return i == len(pieces)-1 && i > 0
	case "alone":
		return len(pieces) == 1
	case "before":
		return i+1 < len(pieces) && c.lists(pieces[i+1].text, pieces[i+1].lead())
	case "after":
		return i > 0 && c.lists(pieces[i-1].text, pieces[i-1].trail())
	default: // with
		for j := range pieces {
			if j != i && (c.lists(pieces[j].text, pieces[j].lead()) || c.lists(pieces[j].text, pieces[j].trail())) {
				return true
			}
		}
		return false
	}
}

// lists reports whether the condition lists a neighbour, by its text or by a word of its usual meaning.
func (c condition) lists(text, word string) bool {
	if slices.Contains(c.words, word) || slices.Contains(c.words, text) {
		return true
	}
	return '0' <= text[0] && text[0] <= '9' && slices.Contains(c.words, "#")
}

// lead returns the first word of the piece's usual meaning.
func (p piece) lead() string {
	if p.entry == nil {
		return p.text
	}
	return p.entry.usual()[0]
}

// trail returns the last word of the piece's usual meaning.
func (p piece) trail() string {
	if p.entry == nil {
		return p.text
	}
	words := p.entry.usual()
	return words[len(words)-1]
}

// lookup returns the piece for a run of letters or digits in any case. It allocates only for words that are not in the
// dictionary and not lower-case.
func (d *dictionary) lookup(run string) piece {
	var buffer [32]byte
	lower := appendLower(buffer[:0], run)
	if e, ok := d.entries[string(lower)]; ok {
		return piece{text: e.text, entry: e}
	}
	if stem, plural := singular(lower); plural {
		if e, ok := d.entries[string(stem)]; ok {
			return piece{text: e.text, entry: e}
		}
		if e, ok := d.entries[strings.TrimSuffix(string(stem), "e")]; ok { // statuses
			return piece{text: e.text, entry: e}
		}
		if len(lower) > 3 { // "was" is not a plural
			return piece{text: string(stem)}
		}
	}
	if string(lower) == run {
		return piece{text: run}
	}
	return piece{text: string(lower)}
}

// Known reports whether the English dictionary has a word or abbreviation, in any case, singular or plural.
func Known(word string) bool { return embedded().knows(word) }

func (d *dictionary) knows(run string) bool { return d.lookup(run).entry != nil }

// isSegment reports whether part may be a word in a run of several. Words of two letters may only end the run, and only
// if they name a kind of value (CUSTID, OPENDT). Some longer words are syllables of English words (intent, contact,
// resident): they are words only in capitals, which English text rarely uses, or never.
func (d *dictionary) isSegment(part string, last, capitals bool) bool {
	switch part {
	case "id", "dt", "cd", "nm", "no", "ts":
		return last
	case "od", "pd", "wd", "ln", "cr", "dr", "yr", "int", "own", "emp", "app", "ins", "sec", "ext", "cap", "new",
		"late", "table", "age":
		return capitals
	case "able", "act", "add", "and", "ast", "ave", "cof", "con", "det", "dim", "dis", "div", "ead", "end", "ending",
		"ent", "est", "ever", "form", "imp", "ind", "ing", "iss", "len", "lic", "long", "low", "mid", "now", "one",
		"only", "ord", "per", "port", "pre", "rank", "rest", "ser", "sic", "sim", "sub", "ten":
		return false
	}
	if len(part) < minWord {
		return false
	}
	_, ok := d.entries[part]
	return ok
}

func appendLower(dst []byte, run string) []byte {
	for i := range len(run) {
		c := run[i]
		if c >= 0x80 {
			return append(dst[:0], fold(run)...)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// singular removes the ending of the plural from a lower-case word. Other words that end with s are in the dictionary,
// or end with ss, us or is.
func singular(word []byte) (stem []byte, plural bool) {
	n := len(word)
	if n < 3 || word[n-1] != 's' {
		return word, false
	}
	switch end := string(word[n-2:]); {
	case end == "ss", end == "us", end == "is":
		return word, false
	case n > 4 && end == "es" && word[n-3] == 'i':
		return append(word[:n-3], 'y'), true
	case n > 4 && end == "es" && (word[n-3] == 'x' || word[n-3] == 'z'),
		hasSuffix(word, "sses"), hasSuffix(word, "shes"), hasSuffix(word, "ches"):
		return word[:n-2], true
	default:
		return word[:n-1], true
	}
}

func hasSuffix(word []byte, suffix string) bool { return strings.HasSuffix(string(word), suffix) }

// parse parses a dictionary. abbreviations.txt describes the format.
func parse(text string) (*dictionary, error) {
	d := &dictionary{entries: map[string]*entry{}, pairs: map[pair]*entry{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := d.add(line); err != nil {
			return nil, fmt.Errorf("abbreviations line %d: %w", number, err)
		}
	}
	d.addExpansions()
	return d, nil
}

func (d *dictionary) add(line string) error {
	key, rest, found := strings.Cut(line, ":")
	if !found {
		rest = key
	}
	e := &entry{text: key}
	for part := range strings.SplitSeq(rest, "/") {
		m, err := parseMeaning(part)
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		e.meanings = append(e.meanings, m)
	}
	if len(e.meanings[len(e.meanings)-1].contexts) > 0 {
		return fmt.Errorf("%q: the last meaning must have no condition", key)
	}
	if first, second, ok := strings.Cut(key, "-"); ok {
		if _, exists := d.pairs[pair{first, second}]; exists {
			return fmt.Errorf("%q appears twice", key)
		}
		d.pairs[pair{first, second}] = e
		return nil
	}
	if _, exists := d.entries[key]; exists {
		return fmt.Errorf("%q appears twice", key)
	}
	d.entries[key] = e
	return nil
}

// addExpansions adds an entry for each word of a meaning, so that the word is not cut at syllables.
func (d *dictionary) addExpansions() {
	for _, e := range slices.Collect(maps.Values(d.entries)) {
		for _, m := range e.meanings {
			for _, w := range m.words {
				if _, exists := d.entries[w]; !exists {
					d.entries[w] = &entry{text: w, meanings: []meaning{{words: []string{w}}}}
				}
			}
		}
	}
}

// parseMeaning parses "charge off [before amount date; with net]".
func parseMeaning(text string) (meaning, error) {
	expansion, rest, bracket := strings.Cut(text, "[")
	m := meaning{words: strings.Fields(expansion)}
	if len(m.words) == 0 {
		return m, fmt.Errorf("no words in %q", text)
	}
	if !bracket {
		return m, nil
	}
	rest, _, closed := strings.Cut(rest, "]")
	if !closed {
		return m, fmt.Errorf("no closing bracket in %q", text)
	}
	for part := range strings.SplitSeq(rest, ";") {
		var context []condition
		for one := range strings.SplitSeq(part, ",") {
			c, err := parseCondition(one)
			if err != nil {
				return m, err
			}
			context = append(context, c)
		}
		m.contexts = append(m.contexts, context)
	}
	return m, nil
}

func parseCondition(text string) (condition, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return condition{}, fmt.Errorf("empty condition")
	}
	c := condition{kind: fields[0], words: fields[1:]}
	switch c.kind {
	case "first", "last", "alone":
		if len(c.words) > 0 {
			return c, fmt.Errorf("%q takes no words", c.kind)
		}
	case "before", "after", "with":
		if len(c.words) == 0 {
			return c, fmt.Errorf("%q needs words", c.kind)
		}
	default:
		return c, fmt.Errorf("unknown condition %q", c.kind)
	}
	return c, nil
}

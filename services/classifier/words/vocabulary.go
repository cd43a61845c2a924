package words

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Vocabulary is the abbreviations and synonyms of an organisation. They go before the embedded dictionary. The nil
// vocabulary has only the embedded dictionary. A vocabulary is safe for concurrent use.
type Vocabulary struct {
	dictionary *dictionary
	// own are the entries of the organisation, by their text.
	own    map[*entry]bool
	digest string
}

// Digest identifies the text of the vocabulary. It is "" for the nil vocabulary.
func (v *Vocabulary) Digest() string {
	if v == nil {
		return ""
	}
	return v.digest
}

// ParseVocabulary parses the file of an organisation. Its lines have the format of abbreviations.txt:
//
//	brwr: borrower                   an abbreviation
//	patron: customer                 a synonym
//	member-share: deposit            two adjacent words, read as one
//	mtd: month to date [before bal] / method
//
// Lines that begin with # are comments. ParseVocabulary returns all mistakes, with the file and their lines.
func ParseVocabulary(file string, text []byte) (*Vocabulary, error) {
	base := embedded()
	v := &Vocabulary{
		dictionary: &dictionary{
			entries: maps.Clone(base.entries), pairs: maps.Clone(base.pairs), foreign: base.foreign,
		},
		own: map[*entry]bool{},
	}
	sum := sha256.Sum256(text)
	v.digest = hex.EncodeToString(sum[:6])
	own := &dictionary{entries: map[string]*entry{}, pairs: map[pair]*entry{}}
	var problems []error
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")))
		if line == "" || line[0] == '#' {
			continue
		}
		if err := own.addOwn(line); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", file, number, err))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for _, e := range own.entries {
		v.own[e] = true
	}
	for _, e := range own.pairs {
		v.own[e] = true
	}
	maps.Copy(v.dictionary.entries, own.entries)
	maps.Copy(v.dictionary.pairs, own.pairs)
	v.dictionary.addExpansions()
	return v, nil
}

// addOwn adds a line of an organisation. The words of its meanings may be written as people write them.
func (d *dictionary) addOwn(line string) error {
	key, rest, found := strings.Cut(line, ":")
	key = strings.TrimSpace(key)
	switch {
	case !found:
		return fmt.Errorf("%q is not of the form \"abbreviation: words\"", line)
	case strings.ContainsFunc(key, func(r rune) bool { return r != '-' && !isLetterOrDigit(r) }):
		return fmt.Errorf("%q is not one word, or two words joined by a hyphen", key)
	case strings.Count(key, "-") > 1 || strings.HasPrefix(key, "-") || strings.HasSuffix(key, "-") || key == "":
		return fmt.Errorf("%q is not one word, or two words joined by a hyphen", key)
	}
	if err := d.add(key + ":" + rest); err != nil {
		return err
	}
	e := d.entries[key]
	if first, second, two := strings.Cut(key, "-"); two {
		e = d.pairs[pair{first, second}]
	}
	for i := range e.meanings {
		text := strings.Join(e.meanings[i].words, " ")
		if e.meanings[i].words = Split(text); len(e.meanings[i].words) == 0 {
			return fmt.Errorf("%q: no words in %q", key, text)
		}
	}
	return nil
}

func isLetterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r > 0x7f
}

func (v *Vocabulary) words() *dictionary {
	if v == nil {
		return embedded()
	}
	return v.dictionary
}

// Split is like the function [Split], with the vocabulary.
func (v *Vocabulary) Split(name string) []string {
	if name == "" {
		return nil
	}
	return v.Append(make([]string, 0, 8), name)
}

// Known is like the function [Known], with the vocabulary.
func (v *Vocabulary) Known(word string) bool { return v.words().knows(word) }

// Append is like the function [Append], with the vocabulary.
func (v *Vocabulary) Append(dst []string, name string) []string { return v.words().append(dst, name) }

// Locate is like the function [Locate], with the vocabulary.
func (v *Vocabulary) Locate(dst []Located, name string) []Located { return v.words().locate(dst, name) }

// Explain returns a sentence about the parts of names that the vocabulary reads, which begins with a space. It returns
// "" if the names have none.
func (v *Vocabulary) Explain(names ...string) string {
	if v == nil {
		return ""
	}
	var uses []string
	for _, name := range names {
		var buffer [24]piece
		pieces := v.dictionary.pieces(buffer[:0], name)
		for i, p := range pieces {
			if p.entry == nil || !v.own[p.entry] {
				continue
			}
			words := strings.Join(v.dictionary.expand(nil, pieces, i), " ")
			if use := fmt.Sprintf("%q as %q", name[p.start:p.end], words); !slices.Contains(uses, use) {
				uses = append(uses, use)
			}
		}
	}
	if len(uses) == 0 {
		return ""
	}
	return " The organisation's vocabulary reads " + strings.Join(uses, ", ") + "."
}

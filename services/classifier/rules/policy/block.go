package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
)

// block is a headline of a policy file and the entries below it.
type block struct {
	// kind is the headline's first word and name the rest of it.
	kind, name string
	// change is override, extend or remove, for a block that changes the policy that is extended.
	change string
	line   int
	// group is the name of the group that the block is in.
	group   string
	entries []entry
}

// entry is one "key: value" line.
type entry struct {
	key, value string
	line       int
}

// Problem is one mistake in a policy file, with its line. The text proposes a correction if there is an obvious one.
type Problem struct {
	File string
	Line int
	Text string
	// line is the line in the order of the files.
	line int
}

func (p *Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// sources are the files of a policy, in the order of their lines. The lines of an extension follow those of the policy
// that it extends, so that a number identifies a line of either.
type sources []source

type source struct {
	file string
	// before is the number of lines of the files before this one.
	before int
}

// at returns the file of a line, and the line's number in that file.
func (s sources) at(line int) (file string, number int) {
	for _, one := range s {
		if line > one.before {
			file, number = one.file, line-one.before
		}
	}
	return file, number
}

// problems collects the mistakes of the files of one policy.
type problems struct {
	sources sources
	all     []*Problem
}

func (p *problems) add(line int, format string, args ...any) {
	file, number := p.sources.at(line)
	p.all = append(p.all, &Problem{File: file, Line: number, Text: fmt.Sprintf(format, args...), line: line})
}

// err returns the problems, ordered by line, as one error, or nil if there are none.
func (p *problems) err() error {
	slices.SortStableFunc(p.all, func(x, y *Problem) int { return x.line - y.line })
	errs := make([]error, 0, len(p.all))
	for _, problem := range p.all {
		errs = append(errs, problem)
	}
	return errors.Join(errs...)
}

// addTwice reports a block that has the kind and name of the one in an earlier line.
func (p *problems) addTwice(b block, line int) {
	file, number := p.sources.at(line)
	switch here, _ := p.sources.at(b.line); {
	case here != file:
		p.add(b.line, "%s exists in the %s policy: begin with \"override\" to replace it or \"extend\" to add to it, "+
			"or use another name", b.title(), builtIn)
	case b.name == "" || b.kind == "policy":
		p.add(b.line, "%s appears twice, first in line %d: combine them", b.title(), number)
	default:
		p.add(b.line, "%s appears twice, first in line %d: give one of them another name", b.title(), number)
	}
}

// blockKind is the grammar of a kind of block.
type blockKind struct {
	// named is true if the block needs a name, which no other block of its kind may have.
	named bool
	keys  []string
	// lists are the keys that may be on several lines. Their values are joined.
	lists []string
}

var conditionLists = []string{"any", "all", "none", "is", "is-not", "of", "of-not", "in", "in-not", "marked"}

var answerKeys = []string{"tier", "personal", "criticality", "leak", "regulatory", "laws", "because", "certainty"}

// exampleKeys may be on several lines, of which each is one example.
var exampleKeys = []string{"example", "counterexample"}

// kinds is the grammar of a policy file.
var kinds = map[string]blockKind{
	"policy":  {named: true},
	"extends": {named: true},
	"law":     {named: true, keys: []string{"text"}},
	"facet": {
		named: true,
		keys:  []string{"words", "begins", "types", "implied-by"},
		lists: []string{"words", "begins", "types", "implied-by"},
	},
	"party":   {named: true, keys: []string{"words"}, lists: []string{"words"}},
	"concept": {named: true, keys: []string{"words", "alone"}, lists: []string{"words", "alone"}},
	"filler":  {keys: []string{"words"}, lists: []string{"words"}},
	"report": {
		named: true,
		keys:  []string{"names", "begins", "mdrm", "kind", "party", "laws"},
		lists: []string{"names", "begins", "mdrm", "laws"},
	},
	"risk":    {keys: []string{"leak High", "leak Medium", "leak Low", "error High", "error Medium"}},
	"default": {keys: []string{"tier", "personal", "criticality", "regulatory", "because", "filed"}},
	"column": {
		keys:  []string{"raises-from", "sums", "signs", "customers"},
		lists: []string{"sums", "signs", "customers"},
	},
	"group": {named: true},
	"rule": {
		named: true,
		keys:  slices.Concat(conditionLists, answerKeys, exampleKeys, []string{"yields", "by-table"}),
		lists: slices.Concat(conditionLists, exampleKeys, []string{"laws"}),
	},
	"refine": {
		named: true,
		keys:  slices.Concat(conditionLists, answerKeys, exampleKeys, []string{"by-table"}),
		lists: slices.Concat(conditionLists, exampleKeys, []string{"laws"}),
	},
}

// readBlocks splits a policy file, whose lines follow a number of others, into blocks. It reports lines that it cannot
// use and leaves them out.
func readBlocks(src []byte, before int, report *problems) []block {
	var all []block
	group := ""
	number := before
	for line := range strings.Lines(string(src)) {
		number++
		if !utf8.ValidString(line) {
			report.add(number, "the line is not UTF-8 text: save the file as UTF-8")
			continue
		}
		text := strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(all) == 0 {
				report.add(number, "%q comes before the first headline: "+
					"a policy begins with the line \"policy VERSION\"", text)
				continue
			}
			all[len(all)-1].addEntry(text, number, report)
			continue
		}
		b, ok := headline(text, number, report)
		if b.kind == "group" {
			group = b.name
		}
		b.group = group
		if !ok {
			b.kind = "" // its entries are ignored
		}
		all = append(all, b)
	}
	return all
}

func headline(text string, line int, report *problems) (block, bool) {
	kind, name, _ := strings.Cut(text, " ")
	b := block{line: line}
	if slices.Contains(changes, kind) {
		b.change = kind
		kind, name, _ = strings.Cut(strings.TrimSpace(name), " ")
	}
	b.kind, b.name = kind, strings.TrimSpace(name)
	known, ok := kinds[kind]
	switch {
	case b.change != "" && kind == "":
		report.add(line, "%s needs the kind and the name of a block: %s rule NAME", b.change, b.change)
	case !ok && strings.HasSuffix(kind, ":"):
		report.add(line, "%q is not indented: only headlines begin at the start of a line", text)
	case !ok:
		report.add(line, "unknown headline %q%s", kind, didYouMean(kind, kindNames()))
	case known.named && b.name == "":
		report.add(line, "%s needs a name: %s NAME", kind, kind)
	case !known.named && b.name != "":
		report.add(line, "%s takes no name: leave out %q", kind, b.name)
	case strings.ContainsAny(b.name, "[],:"):
		report.add(line, "the name %q has a bracket, comma or colon: use words, digits and hyphens", b.name)
	default:
		return b, true
	}
	return b, false
}

func kindNames() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// addEntry adds a "key: value" line to the block, or reports why it cannot.
func (b *block) addEntry(text string, line int, report *problems) {
	key, value, ok := strings.Cut(text, ":")
	e := entry{strings.TrimSpace(key), strings.TrimSpace(value), line}
	known := kinds[b.kind]
	switch {
	case b.kind == "":
		return
	case !ok:
		report.add(line, "%q is not an entry: write \"key: value\"", text)
		return
	case len(known.keys) == 0:
		report.add(line, "%s %q takes no entries: did you forget a headline?", b.kind, b.name)
		return
	case !slices.Contains(known.keys, e.key):
		report.add(line, "%s has the unknown key %q%s", b.title(), e.key, didYouMean(e.key, known.keys))
		return
	case e.value == "":
		report.add(line, "%s has nothing after %q", b.title(), e.key+":")
		return
	}
	if !slices.Contains(known.lists, e.key) {
		if first, ok := b.entry(e.key); ok {
			if first.value == e.value {
				report.add(line, "%s has %q twice, first in line %d", b.title(), e.key, first.line)
			} else {
				report.add(line, "%s contradicts itself: %s is %q here and %q in line %d",
					b.title(), e.key, e.value, first.value, first.line)
			}
			return
		}
	}
	b.entries = append(b.entries, e)
}

// title returns the name of the block for a message.
func (b *block) title() string {
	if b.name == "" {
		return b.kind
	}
	return fmt.Sprintf("%s %q", b.kind, b.name)
}

// entry returns the first entry with the key.
func (b *block) entry(key string) (entry, bool) {
	i := slices.IndexFunc(b.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return entry{}, false
	}
	return b.entries[i], true
}

// item is an element of a list and its line.
type item struct {
	text string
	line int
}

// list returns the elements of all entries with the key. Commas separate elements.
func (b *block) list(key string, report *problems) []item {
	var items []item
	for _, e := range b.entries {
		if e.key != key {
			continue
		}
		for part := range strings.SplitSeq(e.value, ",") {
			if part = strings.TrimSpace(part); part == "" {
				report.add(e.line, "%s has an empty element in %q: a comma too many?", b.title(), key)
				continue
			}
			items = append(items, item{part, e.line})
		}
	}
	return items
}

// checkNames reports blocks that have the kind and name of an earlier block. Rules and refinements share their names
// because an explanation cites both.
func checkNames(all []block, report *problems) {
	first := map[string]int{}
	for i, b := range all {
		if b.kind == "" || b.kind == "filler" {
			continue
		}
		key := b.kind + " " + strings.ToLower(b.name)
		switch b.kind {
		case "refine":
			key = "rule " + strings.ToLower(b.name)
		case "policy":
			key = b.kind
		}
		if line, ok := first[key]; ok {
			report.addTwice(b, line)
			all[i].kind = ""
			continue
		}
		first[key] = b.line
	}
}

// similar proposes the most similar of the allowed words. It returns "" if none is similar.
func similar(got string, allowed []string) string {
	best, distance := "", 3
	for _, a := range allowed {
		if d := schema.EditDistance(strings.ToLower(got), strings.ToLower(a)); d < distance {
			best, distance = a, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// didYouMean proposes the most similar of the allowed words, or lists them all if none is similar.
func didYouMean(got string, allowed []string) string {
	return cmp.Or(similar(got, allowed), ": allowed are "+strings.Join(allowed, ", "))
}

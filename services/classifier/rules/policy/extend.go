package policy

import (
	"slices"
	"strings"
)

// builtIn is the only policy that another one can extend.
const builtIn = "built-in"

// The first words of headlines that change the policy that is extended.
const (
	changeOverride = "override"
	changeExtend   = "extend"
	changeRemove   = "remove"
)

// changes are the first words of headlines, with what follows them.
var changes = []string{changeOverride, changeExtend, changeRemove}

// extendsAnother reports whether the text of a policy has the headline "extends".
func extendsAnother(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if first, _, _ := strings.Cut(strings.TrimSpace(line), " "); first == "extends" && line[0] == 'e' {
			return true
		}
	}
	return false
}

// merge applies the blocks of an extension to those of the policy that it extends. A block that replaces another takes
// its place; new blocks follow at the end. The version of the extension is the version of the whole.
func merge(base, extension []block, report *problems) []block {
	all := slices.Clone(base)
	for _, x := range extension {
		switch {
		case x.kind == "":
		case x.change != "" && (x.kind == "group" || x.kind == "policy" || x.kind == "extends"):
			report.add(x.line, "%s %s: a %s cannot be changed", x.change, x.title(), x.kind)
		case x.kind == "group":
		case x.kind == "extends":
			if x.name != builtIn {
				report.add(x.line, "extends %q: only the policy %q can be extended", x.name, builtIn)
			}
		case x.kind == "policy" && all[0].line == base[0].line:
			all[0] = x
		case x.change == "":
			all = append(all, x)
		default:
			all = change(all, x, report)
		}
	}
	return all
}

// checkUnchanging reports the blocks of a policy that change another one, which it does not extend.
func checkUnchanging(all []block, report *problems) {
	for _, x := range all {
		if x.change != "" && x.kind != "" {
			report.add(x.line, "%s %s: only a policy with the headline \"extends %s\" can change another",
				x.change, x.title(), builtIn)
		}
	}
}

// change applies a block that overrides, extends or removes the block of the same kind and name.
func change(all []block, x block, report *problems) []block {
	i := slices.IndexFunc(all, func(b block) bool { return b.kind == x.kind && strings.EqualFold(b.name, x.name) })
	if i < 0 {
		var names []string
		for _, b := range all {
			if b.kind == x.kind {
				names = append(names, b.name)
			}
		}
		report.add(x.line, "%s %s: there is no such %s%s", x.change, x.title(), x.kind, similar(x.name, names))
		return all
	}
	switch x.change {
	case changeRemove:
		if len(x.entries) > 0 {
			report.add(x.line, "remove %s takes no entries", x.title())
		}
		return slices.Delete(all, i, i+1)
	case changeOverride:
		x.group = all[i].group
		all[i] = x
	default:
		all[i] = extended(all[i], x)
	}
	return all
}

// extended adds the elements of lists to a block, and replaces its other entries.
func extended(b, x block) block {
	entries := slices.Clone(b.entries)
	for _, e := range x.entries {
		if !slices.Contains(kinds[b.kind].lists, e.key) {
			entries = slices.DeleteFunc(entries, func(old entry) bool { return old.key == e.key })
		}
		entries = append(entries, e)
	}
	b.entries = entries
	return b
}

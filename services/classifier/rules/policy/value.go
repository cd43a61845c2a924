package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// cutLimit cuts "at least" or "at most" from a value.
func cutLimit(value string) (Limit, string) {
	if rest, ok := strings.CutPrefix(value, "at least "); ok {
		return LimitAtLeast, rest
	}
	if rest, ok := strings.CutPrefix(value, "at most "); ok {
		return LimitAtMost, rest
	}
	return LimitExact, value
}

// readTier returns the tier that an entry gives. It reports an unknown tier and returns the empty one.
func readTier(p *problems, x *block, e entry) schema.Tier { return oneOf(p, x, e, schema.Tiers()) }

func readLevel(p *problems, x *block, e entry) schema.Level { return oneOf(p, x, e, schema.Levels()) }

func oneOf[T ~string](p *problems, x *block, e entry, allowed []T) T {
	if slices.Contains(allowed, T(e.value)) {
		return T(e.value)
	}
	names := make([]string, 0, len(allowed))
	for _, a := range allowed {
		names = append(names, string(a))
	}
	p.add(e.line, "%s: %s is %q%s", x.title(), e.key, e.value, didYouMean(e.value, names))
	return ""
}

func readFlag(p *problems, x *block, e entry) Flag {
	switch e.value {
	case "yes":
		return FlagYes
	case "no":
		return FlagNo
	default:
		p.add(e.line, "%s: %s is %q: use yes or no", x.title(), e.key, e.value)
		return FlagUnset
	}
}

func readByTable(p *problems, x *block, e entry) ByTable {
	switch e.value {
	case "yes":
		return ByTableYes
	case "last":
		return ByTableLast
	case "no":
		return ByTableNo
	default:
		p.add(e.line, "%s: %s is %q: use yes, last or no", x.title(), e.key, e.value)
		return ByTableYes
	}
}

func readRegulatory(p *problems, x *block, e entry) Flag {
	if e.value == "only filed" {
		return FlagOnlyFiled
	}
	return readFlag(p, x, e)
}

func readPercent(p *problems, x *block, e entry) int {
	n, err := strconv.Atoi(e.value)
	if err != nil || n < 1 || n > 100 {
		p.add(e.line, "%s: %s is %q, which is not a whole number from 1 to 100", x.title(), e.key, e.value)
		return 0
	}
	return n
}

package columns

import "github.com/pdeflow/pdeflow/schema"

// verdict is what comparing one column with the request came to.
type verdict struct {
	column int
	score  float64
	// recall is how much of what is asked the column answers, precision how much of what the column says is asked, both 0 to 1.
	recall, precision float64
	fit               float64
	how               schema.MappingType
	// against is the column's term that contradicts what is asked, or -1; insteadOf is the ask that it contradicts.
	against   int
	insteadOf int
}

// derived reports whether the column's values must be made into what is asked.
func (v *verdict) derived() bool { return v.how == schema.Conditional || v.how == schema.Calculated }

const (
	// afterSayingElse is for a name whose own words are all about something that the attribute does not mention: only its table or its kind
	// speak for it. afterDescription is for such a name where the description speaks for it, to a recall of described at least.
	afterSayingElse  = 0.3
	afterDescription = 0.65
	described        = 0.6
	// ofSayingNothing is the most that a name of common words comes to where the attribute has others.
	ofSayingNothing = 0.7
	// withDescription is what a column's description adds that says nothing but what the attribute says.
	withDescription = 0.03

	afterLookup   = 0.85
	afterPast     = 0.85
	afterPlumbing = 0.7
)

// judge compares one column with the request.
func (ix *Index) judge(r *request, s *scratch, number int) verdict {
	c := &ix.columns[number]
	v := verdict{column: number, against: -1}
	v.fit, v.how = fit(r.kind, c.kind)
	v.fit *= room(r.declared, c.declared)
	v.recall = r.recall(s, c, &v)
	v.precision = ix.limitPrecision(r, s, c, v.recall, ix.precision(r, s, c, &v))

	v.score = v.recall * (0.45 + 0.55*v.precision) * (0.86 + 0.12*ix.tableShare(s, c) + 0.02*c.size) * v.fit
	v.score += withDescription * ix.share(s, c.description) * v.fit * v.recall
	v.score *= ix.afterQualifiers(r, s, c, &v) * ix.afterSilence(r, s, c) * afterRole(r, c)
	return v
}

// limitPrecision lowers the precision of a name that says nothing of its own, or only something else.
func (ix *Index) limitPrecision(r *request, s *scratch, c *column, recall, precision float64) float64 {
	switch own, explained := ix.ownWords(s, c); {
	case own > 0 && explained == 0 && recall >= described && len(c.description) > 0:
		return precision * afterDescription
	case own > 0 && explained == 0:
		return precision * afterSayingElse
	case own == 0 && r.specific:
		return min(precision, ofSayingNothing)
	default:
		return precision
	}
}

// afterRole is what the table's purpose leaves of a score. A key of a lookup table stands in the records too, where it belongs to somebody.
func afterRole(r *request, c *column) float64 {
	switch {
	case c.role == pastTable:
		return afterPast
	case c.role == plumbingTable:
		return afterPlumbing
	case c.role != lookupTable || r.kind == nameKind || r.kind == textKind:
		return 1
	case c.key:
		return afterLookup * afterLookup
	default:
		return afterLookup
	}
}

package columns

import "slices"

// What is left of a score.
const (
	afterContradiction      = 0.35
	afterTableContradiction = 0.6
	// afterUnaskedQualifier is for a qualifier that makes more special what is asked in general; a party or the like where another is meant,
	// and a word that makes something else of the thing, weigh heavier.
	afterUnaskedQualifier = 0.85
	afterUnaskedParty     = 0.75
	afterAlteration       = 0.7
	// afterSilence is for a column that does not say the qualifier that is asked, where silence means another: the primary borrower's
	// score where the co-borrower's is asked.
	afterSilence = 0.7
	// afterOtherKey is for an identifier of something else.
	afterOtherKey = 0.6
	// asGood is how near a term must be to one that is asked to be no contradiction to it: "code" answers "type", and "status code" does
	// not.
	asGood = 0.75
)

// afterQualifiers is what contradictions and unasked qualifiers leave of a score.
func (ix *Index) afterQualifiers(r *request, s *scratch, c *column, v *verdict) float64 {
	left := 1.0
	for _, id := range c.name {
		t := &ix.terms[id]
		asked, contradicted := ix.compareGroups(r, s, c, id, false, v)
		switch {
		case contradicted:
			left *= afterContradiction
		case asked || s.explained[id] > 0 || t.assumed:
		case t.alters:
			left *= afterAlteration
		case t.party:
			left *= afterUnaskedParty
		case len(t.groups) > 0:
			left *= afterUnaskedQualifier
		}
	}
	for _, id := range c.table {
		if v.against >= 0 || slices.Contains(c.name, id) {
			continue
		}
		asked, contradicted := ix.compareGroups(r, s, c, id, true, v)
		switch {
		case contradicted:
			left *= afterTableContradiction
		case !asked && s.explained[id] == 0 && ix.terms[id].party:
			left *= afterUnaskedQualifier
		}
	}
	return left
}

// compareGroups looks at the "against" lines that a term of the column stands in: whether the attribute asks for any of a line, and whether
// it asks for another than the column has, which it notes in v.
func (ix *Index) compareGroups(r *request, s *scratch, c *column, id int, inTable bool, v *verdict) (asked, contradicted bool) {
	for _, group := range ix.terms[id].groups {
		insteadOf := -1
		for i, a := range r.asked {
			if a.id < 0 || a.whole > 0 || !slices.Contains(ix.terms[a.id].groups, group) {
				continue
			}
			asked = true
			if s.answersAny(c.name, i) || inTable && s.answersAny(c.table, i) {
				insteadOf = -1
				break
			}
			insteadOf = i
		}
		if insteadOf >= 0 {
			v.against, v.insteadOf = id, insteadOf
			return true, true
		}
	}
	return asked, false
}

// answersAny reports whether one of the terms answers the ask as well as no contradiction would.
func (s *scratch) answersAny(terms []int, ask int) bool {
	for _, id := range terms {
		for next := s.heads[id]; next > 0; next = s.chain[next-1].next {
			if a := s.chain[next-1]; a.ask == ask && a.degree >= asGood {
				return true
			}
		}
	}
	return false
}

// afterSilence is what it leaves of a score that the column does not say a qualifier, or of which thing it is the identifier.
func (ix *Index) afterSilence(r *request, s *scratch, c *column) float64 {
	left := 1.0
	for i, a := range r.asked {
		if a.id >= 0 && a.whole == 0 && !a.aside && ix.terms[a.id].party && s.answers[i] < well {
			left *= afterSilence
		}
	}
	if c.head >= 0 && s.explained[c.head] < well && r.kind == identifierKind {
		left *= afterOtherKey
	}
	return left
}

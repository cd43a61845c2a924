package schema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// facet is one combination of what a list of mappings can be filtered by and that has few values. A report has a few dozen of the 160.
// Some sorts have an index that begins with the facet, so that the next mappings of each facet are read
// in the order of the list and merged: a filter costs the same whether its mappings come first, last or not at all in that order.
type facet struct {
	tier, criticality, review int
	mapped                    bool
}

// number is the facet as the SQL function mapping_facet computes it.
func (f facet) number() int {
	n := f.tier*100 + f.criticality*10 + f.review
	if f.mapped {
		n += 5
	}
	return n
}

// key is the sort key of all mappings of the facet. Constant is false if they have different ones.
func (f facet) key(sort MappingSort) (key int, constant bool) {
	switch sort {
	case MappingSortClassification:
		return f.tier, true
	case MappingSortCriticality:
		return f.criticality, true
	case MappingSortReviewStatus:
		return f.review, true
	default:
		return 0, false
	}
}

// constantByFacet reports whether all mappings of a facet have the same sort key.
func (s MappingSort) constantByFacet() bool {
	_, constant := facet{}.key(s)
	return constant
}

// facets lists the facets that pass the filter.
func (f MappingFilter) facets() []facet {
	// The keys of the sorts are places in these lists, which begin with the value of a mapping that is not classified.
	tiers := []Tier{"", TierPublic, TierProprietary, TierConfidential, TierHRCI}
	levels := []Level{"", LevelLow, LevelMedium, LevelHigh}
	var facets []facet
	for tier, classification := range tiers {
		for criticality, level := range levels {
			for review, status := range ReviewStatuses() {
				for _, mapped := range []bool{false, true} {
					if (f.InformationSecurityClassification == "" || f.InformationSecurityClassification == classification) &&
						(f.Criticality == "" || f.Criticality == level) &&
						(f.ReviewStatus == "" || f.ReviewStatus == status) &&
						(f.Unmapped == nil || *f.Unmapped != mapped) {
						facets = append(facets, facet{tier, criticality, review + 1, mapped})
					}
				}
			}
		}
	}
	return facets
}

// filtersFacets reports whether some facets do not pass the filter.
func (f MappingFilter) filtersFacets() bool {
	return f.InformationSecurityClassification != "" || f.Criticality != "" || f.ReviewStatus != "" || f.Unmapped != nil
}

// filtersConfidence reports whether some confidence scores do not pass the filter.
func (f MappingFilter) filtersConfidence() bool {
	return f.MinConfidence != nil || f.MaxConfidence != nil
}

// everyMappingMatches reports whether the page is the next mappings in an order that has an index without the facet.
func (f MappingFilter) everyMappingMatches() bool {
	return f.Search == "" && !f.filtersFacets() && !f.Sort.constantByFacet() &&
		(!f.filtersConfidence() || f.Sort == MappingSortConfidence) && (f.IDPrefix == "" || f.Sort == MappingSortID)
}

// byFacet reports whether the page is the next mappings of each facet, merged.
func (f MappingFilter) byFacet() bool {
	if f.Search != "" || f.filtersConfidence() && f.Sort != MappingSortConfidence {
		return false
	}
	return f.Sort == MappingSortID || f.IDPrefix == "" &&
		(f.Sort == MappingSortConfidence || f.Sort == MappingSortUpdatedAt || f.Sort.constantByFacet())
}

const facetOfMapping = "mapping_facet(m.information_security_classification, m.criticality, m.review_status, m.source_field)"

// facetPage selects at most limit mappings of each facet that pass the filter, and of those the next ones in the order of the list.
// The sort is one of those by facet.
func (f MappingFilter) facetPage(db bun.IDB, afterKey, afterID string, limit int) *bun.SelectQuery {
	var numbers []int
	var afters []string
	start := "" // nothing of the facet has been listed
	if f.Descending {
		start = lastWithPrefix("")
	}
	reached, _ := strconv.Atoi(afterKey)
	for _, facet := range f.facets() {
		after := start
		key, constant := facet.key(f.Sort)
		switch {
		case afterID == "":
		case !constant || key == reached:
			after = afterID
		case key < reached != f.Descending:
			continue // all of the facet has been listed
		}
		numbers, afters = append(numbers, facet.number()), append(afters, after)
	}
	stream := f.stream(db, afterKey, afterID).Limit(int64(limit))
	return f.order(db.NewSelect().ColumnExpr("m.*").
		TableExpr("unnest(?::integer[], ?::text[]) as f (facet, after)", pgdialect.Array(numbers), pgdialect.Array(afters)).
		Join("cross join lateral (?) as m", stream)).Limit(int64(limit))
}

// stream selects the mappings of the facet f.facet in the order of the list. It compares and sorts by whole rows of the index instead of
// asking for equal values, because only that index has this order: without statistics, Postgres takes another index for it, and reads
// all mappings of the report to find those of the facet.
func (f MappingFilter) stream(db bun.IDB, afterKey, afterID string) *bun.SelectQuery {
	key, _ := f.Sort.key()
	columns, values := []string{"m.cycle_id", "m.report_id", facetOfMapping}, "?, ?, f.facet"
	query := db.NewSelect().TableExpr("pde_mappings as m").ColumnExpr("m.*")
	compare := func(operator string, columns []string, values string, args ...any) {
		query = query.Where("("+strings.Join(columns, ", ")+") "+operator+" ("+values+")", append([]any{f.CycleID, f.ReportID}, args...)...)
	}
	inOrder, cursor := append(slices.Clone(columns), "m.id"), values+", f.after"
	var args []any
	if f.Sort == MappingSortConfidence || f.Sort == MappingSortUpdatedAt {
		_, bound := f.Sort.shown()
		inOrder, cursor, args = append(slices.Clone(columns), key, "m.id"), values+", "+bound+", f.after", []any{afterKey}
	}
	first, last := values, values
	var firstArgs, lastArgs []any
	switch {
	case f.Sort == MappingSortConfidence && f.filtersConfidence():
		low, high := f.confidences()
		columns, first, last = append(columns, key), values+", ?", values+", ?"
		firstArgs, lastArgs = []any{low}, []any{high}
	case f.IDPrefix != "":
		columns, first, last = append(columns, "m.id"), values+", ?", values+", ?"
		firstArgs, lastArgs = []any{f.IDPrefix}, []any{lastWithPrefix(f.IDPrefix)}
	}
	direction := " asc"
	if f.Descending {
		direction = " desc"
	}
	switch {
	case afterID == "":
		compare(">=", columns, first, firstArgs...)
		compare("<=", columns, last, lastArgs...)
	case f.Descending:
		compare(">=", columns, first, firstArgs...)
		compare("<", inOrder, cursor, args...)
	default:
		compare(">", inOrder, cursor, args...)
		compare("<=", columns, last, lastArgs...)
	}
	return query.OrderExpr(strings.Join(inOrder, direction+", ") + direction)
}

// confidences is the range of the confidence scores that pass the filter.
func (f MappingFilter) confidences() (low, high int) {
	low, high = 0, 100
	if f.MinConfidence != nil {
		low = *f.MinConfidence
	}
	if f.MaxConfidence != nil {
		high = *f.MaxConfidence
	}
	return low, high
}

package schema

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// facet is one combination of the filters that have few values. Of the 160 combinations, a report has a few
// dozen. Some sorts have an index that begins with the facet, so that the next mappings of each facet are read
// in the order of the list and merged. A filter then costs the same wherever in that order its mappings are,
// and also if there are none.
type facet struct {
	tier, criticality, review int
	mapped                    bool
}

// number returns the facet as the SQL function mapping_facet computes it.
func (f facet) number() int {
	n := f.tier*100 + f.criticality*10 + f.review
	if f.mapped {
		n += 5
	}
	return n
}

// key returns the sort key that all mappings of the facet have. Constant is false if their keys differ.
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

// facets returns the facets that pass the filter.
func (f MappingFilter) facets() []facet {
	// A sort key is an index in these lists, which begin with the value of an unclassified mapping.
	tiers := []Tier{"", TierPublic, TierProprietary, TierConfidential, TierHRCI}
	levels := []Level{"", LevelLow, LevelMedium, LevelHigh}
	var facets []facet
	for tier, classification := range tiers {
		for criticality, level := range levels {
			for review, status := range ReviewStatuses() {
				for _, mapped := range []bool{false, true} {
					if (f.InformationSecurityClassification == "" ||
						f.InformationSecurityClassification == classification) &&
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

// filtersFacets reports whether the filter excludes facets.
func (f MappingFilter) filtersFacets() bool {
	return f.InformationSecurityClassification != "" || f.Criticality != "" || f.ReviewStatus != "" || f.Unmapped != nil
}

// withoutFacets returns the conditions of the filter that an index on the facet does not decide.
func (f MappingFilter) withoutFacets() MappingFilter {
	return MappingFilter{IDPrefix: f.IDPrefix, MinConfidence: f.MinConfidence, MaxConfidence: f.MaxConfidence}
}

// filtersConfidence reports whether the filter excludes confidence scores.
func (f MappingFilter) filtersConfidence() bool {
	return f.MinConfidence != nil || f.MaxConfidence != nil
}

// everyMappingMatches reports whether the next mappings in the order of the list, for which an index without
// the facet exists, all pass the filter.
func (f MappingFilter) everyMappingMatches() bool {
	return f.Search == "" && !f.filtersFacets() && !f.Sort.constantByFacet() &&
		(!f.filtersConfidence() || f.Sort == MappingSortConfidence) && (f.IDPrefix == "" || f.Sort == MappingSortID)
}

// byFacet reports whether the page can be read by merging the next mappings of each facet.
func (f MappingFilter) byFacet() bool {
	if f.Search != "" || f.filtersConfidence() && f.Sort != MappingSortConfidence {
		return false
	}
	return f.Sort == MappingSortID || f.IDPrefix == "" &&
		(f.Sort == MappingSortConfidence || f.Sort == MappingSortUpdatedAt || f.Sort.constantByFacet())
}

const facetOfMapping = "mapping_facet(" +
	"m.information_security_classification, m.criticality, m.review_status, m.source_field)"

// numbers returns the numbers of the facets.
func numbers(facets []facet) []int {
	numbers := make([]int, len(facets))
	for i, facet := range facets {
		numbers[i] = facet.number()
	}
	return numbers
}

// groups returns the facets that pass the filter, without those whose mappings all precede the position. If each
// facet has one sort key, there is one group for each key, in the order of the list.
func (f MappingFilter) groups(after MappingPosition) [][]facet {
	if !f.Sort.constantByFacet() {
		return [][]facet{f.facets()}
	}
	byKey := map[int][]facet{}
	reached, _ := strconv.Atoi(after.Key)
	for _, facet := range f.facets() {
		key, _ := facet.key(f.Sort)
		if after.ID == "" || key == reached || key < reached == f.Descending {
			byKey[key] = append(byKey[key], facet)
		}
	}
	keys := slices.Sorted(maps.Keys(byKey))
	if f.Descending {
		slices.Reverse(keys)
	}
	groups := make([][]facet, len(keys))
	for i, key := range keys {
		groups[i] = byKey[key]
	}
	return groups
}

// merge selects the next mappings of each facet of the group, at most limit of each, and of those the first limit in
// the order of the list. An index that begins with the facet must have this order. Only the columns of the order are
// sorted, because a page may merge dozens of facets and the rows are wide.
func (f MappingFilter) merge(db bun.IDB, group []facet, after MappingPosition, limit int) *bun.SelectQuery {
	if key, constant := group[0].key(f.Sort); constant && after.ID != "" && strconv.Itoa(key) != after.Key {
		after = MappingPosition{} // the position is in an earlier group
	}
	stream := f.stream(db, after).Limit(int64(limit))
	merged := f.order(db.NewSelect().ColumnExpr("m.id").
		TableExpr("unnest(?::integer[]) as f (facet)", pgdialect.Array(numbers(group))).
		Join("cross join lateral (?) as m", stream)).Limit(int64(limit))
	return db.NewSelect().ColumnExpr("m.*").TableExpr("(?) as merged", merged).
		Join("cross join lateral (select * from pde_mappings where id = merged.id offset 0) as m")
}

// stream selects the columns of an order by facet of the mappings of the facet f.facet, in the order of the list. It
// selects a range of facets and sorts by the facet first, so that only one index fits. Without statistics, Postgres
// would otherwise choose another index and read all mappings of the report. A scan stops at a bound on one column, but
// not at a bound on a row of columns, so the upper end of the range bounds the facet alone.
func (f MappingFilter) stream(db bun.IDB, after MappingPosition) *bun.SelectQuery {
	columns, cursor, args := []string{facetOfMapping, "m.id"}, "f.facet, ?", []any{after.ID}
	if f.Sort == MappingSortConfidence || f.Sort == MappingSortUpdatedAt {
		key, _ := f.Sort.key()
		_, bound := f.Sort.shown()
		columns = []string{facetOfMapping, key, "m.id"}
		cursor, args = "f.facet, "+bound+", ?", []any{after.Key, after.ID}
	}
	query := db.NewSelect().TableExpr("pde_mappings as m").
		ColumnExpr("m.id, m.confidence_score, m.updated_at").
		ColumnExpr("m.information_security_classification, m.criticality, m.review_status").
		Where("m.cycle_id = ? and m.report_id = ?", f.CycleID, f.ReportID)
	others := f.withoutFacets()
	if others != (MappingFilter{}) {
		// A range within the facet is read only if the facet is a single value.
		query = others.where(query.Where(facetOfMapping + " = f.facet"))
	}
	direction, beyond, end := " asc", ">", "<="
	if f.Descending {
		direction, beyond, end = " desc", "<", ">="
	}
	if after.ID == "" {
		query = query.Where(facetOfMapping + " between f.facet and f.facet")
	} else {
		query = query.Where("("+strings.Join(columns, ", ")+") "+beyond+" ("+cursor+")", args...).
			Where(facetOfMapping + " " + end + " f.facet")
	}
	return query.OrderExpr(strings.Join(columns, direction+", ") + direction)
}

// confidences returns the range of the confidence scores that pass the filter.
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

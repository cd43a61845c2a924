package desk

import (
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// Report is the page of a report: filters, the list of mappings, and the selected mapping.
type Report struct {
	Caller
	Summary
	Query ListQuery
	// Rows are the mappings of the page, and Matches the number that pass the filter, or -1 if it is not known.
	Rows    []schema.ListedMapping
	Matches int64
	// Next is the cursor of the next page, or empty.
	Next string
	// Selected is nil if there is no mapping to show.
	Selected *Mapping
	// Done is the mapping that the user has just decided about, or nil.
	Done *schema.ListedMapping
	// Seen is the id of the state of the mappings that the page shows.
	Seen string
	// Job is the active job of the report, or nil.
	Job *events.JobStatus
}

func (v Report) page() (name, title, section string) { return "report", v.Title(), "reports" }

// ListQuery is the state of the list in the query of the page's URL.
type ListQuery struct {
	// Path is that of the report.
	Path string
	// Values has the filters, the sort and the cursor.
	Values url.Values
}

// Get returns the value of a parameter.
func (q ListQuery) Get(name string) string { return q.Values.Get(name) }

// Has reports whether the parameter has this value.
func (q ListQuery) Has(name, value string) bool { return q.Values.Get(name) == value }

// With returns the URL with another value of a filter, on the first page and without a selected mapping. An empty value
// removes the filter, and so does the current value.
func (q ListQuery) With(name, value string) string {
	values := url.Values{}
	for _, kept := range filterNames() {
		if v := q.Values.Get(kept); v != "" {
			values.Set(kept, v)
		}
	}
	if value == "" || values.Get(name) == value {
		values.Del(name)
	} else {
		values.Set(name, value)
	}
	return join(q.Path, values)
}

// filterNames are the parameters that a link to another filter or order keeps.
func filterNames() []string {
	return []string{
		"q", "information_security_classification", "criticality", "review_status", "unmapped", "min_confidence",
		"max_confidence", "sort",
	}
}

// Filters returns the number of filters, without the search and the order.
func (q ListQuery) Filters() (n int) {
	for _, name := range filterNames() {
		if name != "q" && name != "sort" && q.Values.Get(name) != "" {
			n++
		}
	}
	return n
}

// Filter returns the parameters that select and sort the list, for a form that acts on all of it.
func (q ListQuery) Filter() map[string]string {
	fields := map[string]string{}
	for _, name := range filterNames() {
		if value := q.Values.Get(name); value != "" {
			fields[name] = value
		}
	}
	return fields
}

// Hidden returns the parameters that a form must repeat as hidden fields: all but those with these names.
func (q ListQuery) Hidden(except ...string) map[string]string {
	fields := map[string]string{}
	for name := range q.Values {
		fields[name] = q.Values.Get(name)
	}
	for _, name := range except {
		delete(fields, name)
	}
	return fields
}

// First returns the URL of the first page of the list.
func (q ListQuery) First() string { return q.set("", "", "cursor", "m", "done") }

// Page returns the URL of the page of the list after the cursor.
func (q ListQuery) Page(cursor string) string { return q.set("cursor", cursor, "m", "done") }

// Select returns the URL with this mapping selected.
func (q ListQuery) Select(id string) string { return q.set("m", id, "done") }

// Here returns the URL of the list with the selected mapping.
func (q ListQuery) Here() string { return q.set("", "", "done") }

func (q ListQuery) set(name, value string, without ...string) string {
	return join(q.Path, changed(q.Values, name, value, without...))
}

// changed returns the first value of each parameter, with another value of the named one and without some others. An
// empty value removes the parameter.
func changed(query url.Values, name, value string, without ...string) url.Values {
	values := url.Values{}
	for key := range query {
		values.Set(key, query.Get(key))
	}
	for _, key := range append(without, name) {
		values.Del(key)
	}
	if value != "" {
		values.Set(name, value)
	}
	return values
}

func join(path string, values url.Values) string {
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// Facet is a value of a filter, with the number of mappings of the report that have it.
type Facet struct {
	Name, Value, Word string
	Icon, Class, Fill string
	// Key is the key that switches the filter, or empty.
	Key   string
	Count int64
}

// TierFacets returns the filters by tier.
func (v Report) TierFacets() []Facet {
	const name = "information_security_classification"
	facet := func(tier schema.Tier, key, class, fill string, n int64) Facet {
		return Facet{
			Name: name, Value: string(tier), Word: string(tier), Key: key, Count: n,
			Icon: tierIcon(tier), Class: class, Fill: fill,
		}
	}
	return []Facet{
		facet(schema.TierHRCI, "1", "g4", "f4", v.HRCI),
		facet(schema.TierConfidential, "2", "g3", "f3", v.Confidential),
		facet(schema.TierProprietary, "3", "g2", "f2", v.Proprietary),
		facet(schema.TierPublic, "4", "g1", "f1", v.Public),
	}
}

// ReviewFacets returns the filters by review status.
func (v Report) ReviewFacets() []Facet {
	facet := func(status schema.ReviewStatus, fill string, n int64) Facet {
		icon, class := reviewIcon(status)
		return Facet{
			Name: "review_status", Value: string(status), Word: words(status), Icon: icon, Class: class, Fill: fill,
			Count: n,
		}
	}
	return []Facet{
		facet(schema.ReviewStatusPending, "", v.Pending),
		facet(schema.ReviewStatusNeedsRevision, "fwarn", v.NeedsRevision),
		facet(schema.ReviewStatusRejected, "fbad", v.Rejected), facet(schema.ReviewStatusApproved, "fok", v.Approved),
	}
}

// CriticalityFacets returns the filters by criticality.
func (v Report) CriticalityFacets() []Facet {
	facet := func(level schema.Level, icon string, n int64) Facet {
		return Facet{Name: "criticality", Value: string(level), Word: string(level), Icon: icon, Count: n}
	}
	return []Facet{
		facet(schema.LevelHigh, "l3", v.High), facet(schema.LevelMedium, "l2", v.Medium),
		facet(schema.LevelLow, "l1", v.Low),
	}
}

// MoreFacets returns the other filters.
func (v Report) MoreFacets() []Facet {
	return []Facet{{Name: "unmapped", Value: "true", Word: "No column", Icon: "x", Class: "faint", Count: v.Unmapped}}
}

// longNumber is the number of characters of a line item's number that the list has room for by default.
const longNumber = 3

// LongNumbers reports whether a row has a number such as HC-R-II.15.b, for which the list must have more room.
func (v Report) LongNumbers() bool {
	return slices.ContainsFunc(v.Rows, func(m schema.ListedMapping) bool {
		return utf8.RuneCountInString(m.LineItemNumber) > longNumber
	})
}

// IsSelected reports whether the mapping is the selected one.
func (v Report) IsSelected(id string) bool { return v.Selected != nil && v.Selected.ID == id }

// ActiveFilters returns the filters that are on.
func (v Report) ActiveFilters() (on []Facet) {
	for _, facets := range [][]Facet{v.TierFacets(), v.ReviewFacets(), v.CriticalityFacets(), v.MoreFacets()} {
		for _, f := range facets {
			if v.Query.Has(f.Name, f.Value) {
				on = append(on, f)
			}
		}
	}
	return on
}

// Sorts returns the orders of the list with their names.
func (Report) Sorts() []struct{ Value, Word string } {
	return []struct{ Value, Word string }{
		{"confidence_score", "Most uncertain first"},
		{"id", "Line item"},
		{"attribute_name", "Name"},
		{"-information_security_classification", "Tier"},
		{"-criticality", "Criticality"},
		{"-updated_at", "Last changed"},
		{"classification_confidence", "Uncertain tiers first"},
	}
}

// Hint is a short remark about a mapping that needs attention.
type Hint struct {
	Text string
	// Alert means that a person should look at it.
	Alert bool
}

// uncertain is the difference of the scores of two columns below which the choice between them is uncertain.
const uncertain = 10

// hintOf returns the hint of a mapping, or nil.
func hintOf(m schema.ListedMapping) *Hint {
	switch {
	case m.SuggestedSourceField != "" || m.SuggestedInformationSecurityClassification != "" ||
		m.SuggestedCriticality != "" || m.SuggestedRiskLevel != "" ||
		m.SuggestedRegulatoryFlag != nil || m.SuggestedPIIFlag != nil:
		return &Hint{"classifier differs", true}
	case m.SourceField == "" && m.ConfidenceScore != nil:
		return &Hint{"nothing fits", true}
	case len(m.AlternativeMappings) > 0 && m.ConfidenceScore != nil &&
		*m.ConfidenceScore-m.AlternativeMappings[0].Score < uncertain:
		return &Hint{"next " + strconv.Itoa(m.AlternativeMappings[0].Score), false}
	case m.MappingType != "" && m.MappingType != schema.MappingTypeDirect:
		return &Hint{string(m.MappingType), false}
	default:
		return nil
	}
}

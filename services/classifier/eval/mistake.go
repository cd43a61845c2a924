package eval

import (
	"cmp"
	"slices"
)

// Mistake is an answer that is not defensible.
type Mistake struct {
	Field          string   `json:"field"`
	LineItemNumber string   `json:"line_item_number,omitempty"`
	AttributeName  string   `json:"attribute_name"`
	Want           []string `json:"want"`
	Got            string   `json:"got"`
	Confidence     int      `json:"confidence"`
	Rationale      string   `json:"rationale"`
}

// worst returns the most confident mistakes in the columns, and then those in the classification, at most limit of
// each.
func worst(answers []Answer, limit int) []Mistake {
	columns, classes := []Mistake{}, []Mistake{}
	for _, f := range fields() {
		for _, a := range answers {
			if !f.judged(a) || f.defensible(a) {
				continue
			}
			m := Mistake{
				Field: f.name, LineItemNumber: a.Attribute.LineItemNumber, AttributeName: a.Attribute.AttributeName,
				Want: f.want(a), Got: f.got(a), Confidence: a.Class.Confidence, Rationale: a.Class.Rationale,
			}
			if f.name == fieldSourceField {
				m.Confidence, m.Rationale = a.Ranking.Confidence, a.Ranking.Rationale
				columns = append(columns, m)
			} else {
				classes = append(classes, m)
			}
		}
	}
	return append(mostConfident(columns, limit), mostConfident(classes, limit)...)
}

func mostConfident(mistakes []Mistake, limit int) []Mistake {
	slices.SortStableFunc(mistakes, func(a, b Mistake) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return mistakes[:min(limit, len(mistakes))]
}

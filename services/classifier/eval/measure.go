package eval

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// Measures are the results of one subject.
type Measures struct {
	Subject string `json:"subject"`
	// Labels is the number of labelled attributes.
	Labels int          `json:"labels"`
	Fields []FieldScore `json:"fields"`
	// Column is nil if no column is labelled.
	Column *ColumnScore `json:"column,omitempty"`
	// Understated is the number of tiers that protect less than every defensible one.
	Understated int          `json:"understated_tiers"`
	Confidence  Confidences  `json:"confidence"`
	Mistakes    []Mistake    `json:"mistakes"`
	Answers     []AnswerLine `json:"answers"`
}

// FieldScore counts the answers of one field.
type FieldScore struct {
	Field   string  `json:"field"`
	Judged  int     `json:"judged"`
	Strict  int     `json:"strict"`
	Lenient int     `json:"lenient"`
	Best    float64 `json:"strict_share"`
	Right   float64 `json:"lenient_share"`
	// Values has a score for each value of the field; nil for the column.
	Values []ValueScore `json:"values,omitempty"`
	// Confusion counts the pairs of best and given answer; nil for the column.
	Confusion []Confusion `json:"confusion,omitempty"`
}

// ValueScore measures the answers of one value. A defensible answer counts as the wanted one.
type ValueScore struct {
	Value     string  `json:"value"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

// Confusion counts the answers of a field by the best and the given value.
type Confusion struct {
	Want  string `json:"want"`
	Got   string `json:"got"`
	Count int    `json:"count"`
}

// AnswerLine is the short form of an answer.
type AnswerLine struct {
	LineItemNumber   string   `json:"line_item_number,omitempty"`
	AttributeName    string   `json:"attribute_name"`
	SourceField      string   `json:"source_field"`
	ColumnConfidence int      `json:"column_confidence"`
	ClassConfidence  int      `json:"class_confidence"`
	Wrong            []string `json:"wrong"`
}

// Measure measures the answers of a subject. At most mistakes wrong answers are listed for the columns and as many for
// the classification.
func Measure(subject Subject, answers []Answer, mistakes int) Measures {
	m := Measures{Subject: subject.Name, Labels: len(answers), Column: columnScore(answers)}
	for _, f := range fields() {
		m.Fields = append(m.Fields, fieldScore(f, answers))
	}
	for _, a := range answers {
		if understated(a) {
			m.Understated++
		}
		m.Answers = append(m.Answers, lineOf(a))
	}
	m.Confidence = confidences(answers)
	m.Mistakes = worst(answers, mistakes)
	return m
}

func fieldScore(f field, answers []Answer) FieldScore {
	s := FieldScore{Field: f.name}
	pairs := map[Confusion]int{}
	for _, a := range answers {
		if !f.judged(a) {
			continue
		}
		s.Judged++
		if f.best(a) {
			s.Strict++
		}
		if f.defensible(a) {
			s.Lenient++
		}
		pairs[Confusion{Want: f.want(a)[0], Got: f.got(a)}]++
	}
	s.Best, s.Right = share(s.Strict, s.Judged), share(s.Lenient, s.Judged)
	for _, want := range f.values {
		if v, ok := valueScore(f, answers, want); ok {
			s.Values = append(s.Values, v)
		}
		for _, got := range f.values {
			if n := pairs[Confusion{Want: want, Got: got}]; n > 0 {
				s.Confusion = append(s.Confusion, Confusion{want, got, n})
			}
		}
	}
	return s
}

// valueScore measures one value of a field. An answer with the value is right if the value is defensible. The value is
// missed if it is the best one and the answer is not defensible. Ok is false if the value is neither given nor wanted.
func valueScore(f field, answers []Answer, value string) (s ValueScore, ok bool) {
	given, right, wanted, found := 0, 0, 0, 0
	for _, a := range answers {
		if !f.judged(a) {
			continue
		}
		if f.got(a) == value {
			given++
			if f.defensible(a) {
				right++
			}
		}
		if f.want(a)[0] == value {
			wanted++
			if f.defensible(a) {
				found++
			}
		}
	}
	s = ValueScore{Value: value, Precision: share(right, given), Recall: share(found, wanted)}
	if s.Precision+s.Recall > 0 {
		s.F1 = 2 * s.Precision * s.Recall / (s.Precision + s.Recall)
	}
	return s, given+wanted > 0
}

// understated reports whether the tier protects the attribute less than every defensible one.
func understated(a Answer) bool {
	want := a.Label.InformationSecurityClassification
	return len(want) > 0 && !slices.ContainsFunc(want, func(tier string) bool {
		return !schema.Tier(tier).Protects(a.Class.InformationSecurityClassification)
	})
}

func lineOf(a Answer) AnswerLine {
	l := AnswerLine{
		LineItemNumber: a.Attribute.LineItemNumber, AttributeName: a.Attribute.AttributeName,
		SourceField: a.Ranking.SourceField, ColumnConfidence: a.Ranking.Confidence, ClassConfidence: a.Class.Confidence,
		Wrong: []string{},
	}
	for _, f := range fields() {
		if f.judged(a) && !f.defensible(a) {
			l.Wrong = append(l.Wrong, f.name)
		}
	}
	return l
}

// share returns n/of, or 0 if of is 0.
func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

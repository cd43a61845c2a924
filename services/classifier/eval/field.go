package eval

import (
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// fieldSourceField is the field of the chosen column.
const fieldSourceField = "source_field"

// field is one judged field of an answer.
type field struct {
	name string
	// values are those of the field, in the order of its confusion matrix.
	values []string
	got    func(Answer) string
	want   func(Answer) []string
}

// fields returns the judged fields. The first is the column, the others are those of the classification.
func fields() []field {
	flag := []string{"yes", "no"}
	return []field{
		{fieldSourceField, nil, Answer.column, func(a Answer) []string { return a.Label.SourceField }},
		{
			"information_security_classification", texts(schema.Tiers()),
			func(a Answer) string { return string(a.Class.InformationSecurityClassification) },
			func(a Answer) []string { return a.Label.InformationSecurityClassification },
		},
		{
			"criticality", texts(schema.Levels()),
			func(a Answer) string { return string(a.Class.Criticality) },
			func(a Answer) []string { return a.Label.Criticality },
		},
		{
			"risk_level", texts(schema.Levels()),
			func(a Answer) string { return string(a.Class.RiskLevel) },
			func(a Answer) []string { return a.Label.RiskLevel },
		},
		{
			"regulatory_flag", flag, func(a Answer) string { return yesOrNo(a.Class.RegulatoryFlag) },
			func(a Answer) []string { return a.Label.RegulatoryFlag },
		},
		{
			"pii_flag", flag, func(a Answer) string { return yesOrNo(a.Class.PIIFlag) },
			func(a Answer) []string { return a.Label.PIIFlag },
		},
	}
}

// judged reports whether the label has the field.
func (f field) judged(a Answer) bool { return len(f.want(a)) > 0 }

// best reports whether the answer is the best one.
func (f field) best(a Answer) bool { return f.judged(a) && f.got(a) == f.want(a)[0] }

// defensible reports whether the answer is one of the label's.
func (f field) defensible(a Answer) bool { return slices.Contains(f.want(a), f.got(a)) }

func texts[V ~string](values []V) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

package tabular

import (
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// NoColumn is the answer in the source_field of a gold file that no column feeds the attribute.
const NoColumn = "none"

// GoldRow has the acceptable answers for an attribute. Each field lists the best answer first and then the other
// defensible ones; an empty list means that the field is not judged. Flags are "yes" and "no".
type GoldRow struct {
	AttributeName, LineItemNumber string
	// SourceField has [NoColumn] if nothing fits.
	SourceField                       []string
	InformationSecurityClassification []string
	Criticality, RiskLevel            []string
	RegulatoryFlag, PIIFlag           []string
}

// Gold reads a file of labelled attributes. An error is [Problems], or one of a temporary file.
func Gold(name string, content []byte) (File[GoldRow], error) { return read(gold(), name, content) }

func gold() layout[GoldRow] {
	type row = GoldRow
	return layout[row]{
		limits: usualLimits(),
		noun:   "the label of the attribute",
		oneOf:  []string{"attribute_name", "line_item_number"},
		fields: []field[row]{
			identifying(title("attribute_name", maxName, func(r *row) *string { return &r.AttributeName })),
			identifying(code("line_item_number", maxCode, func(r *row) *string { return &r.LineItemNumber })),
			answers("source_field", goldColumn, func(r *row) *[]string { return &r.SourceField }),
			answers("information_security_classification", oneOfValues(schema.Tiers()),
				func(r *row) *[]string { return &r.InformationSecurityClassification }),
			answers("criticality", oneOfValues(schema.Levels()), func(r *row) *[]string { return &r.Criticality }),
			answers("risk_level", oneOfValues(schema.Levels()), func(r *row) *[]string { return &r.RiskLevel }),
			answers("regulatory_flag", yesOrNo, func(r *row) *[]string { return &r.RegulatoryFlag }),
			answers("pii_flag", yesOrNo, func(r *row) *[]string { return &r.PIIFlag }),
		},
		identity: func(r row) (key, column, advice string) {
			column, advice = "line_item_number", "remove one of the two rows"
			if r.LineItemNumber == "" {
				column = "attribute_name"
			}
			if r.LineItemNumber == "" && r.AttributeName == "" {
				return "", column, advice
			}
			return r.LineItemNumber + "\x00" + r.AttributeName, column, advice
		},
	}
}

// answers returns a field with acceptable answers, separated by bars. Parse normalizes one answer, or returns a
// reason.
func answers(name string, parse func(string) (answer, reason string), into func(*GoldRow) *[]string) field[GoldRow] {
	return field[GoldRow]{name: name, kind: kindValue, parse: func(r *GoldRow, value string) string {
		for text := range strings.SplitSeq(value, "|") {
			answer, reason := parse(strings.TrimSpace(text))
			if reason != "" {
				return reason
			}
			if !slices.Contains(*into(r), answer) {
				*into(r) = append(*into(r), answer)
			}
		}
		return ""
	}}
}

func goldColumn(text string) (answer, reason string) {
	if strings.EqualFold(text, NoColumn) {
		return NoColumn, ""
	}
	if _, ok := schema.ParseSourceField(text); !ok {
		return "", "must be schema.table.column, or " + NoColumn + " if no column fits"
	}
	return text, ""
}

func oneOfValues[V ~string](values []V) func(string) (answer, reason string) {
	return func(text string) (answer, reason string) {
		var names []string
		for _, v := range values {
			if strings.EqualFold(string(v), text) {
				return string(v), ""
			}
			names = append(names, string(v))
		}
		return "", "must be " + list(names, "or")
	}
}

func yesOrNo(text string) (answer, reason string) {
	switch value, ok := ParseFlag(text); {
	case !ok:
		return "", reasonFlag
	case value:
		return "yes", ""
	default:
		return "no", ""
	}
}

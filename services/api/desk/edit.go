package desk

import (
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Edit is the form in which a person sets fields of a mapping.
type Edit struct {
	Caller
	schema.ListedMapping
	Fields []EditField
	// Changes are those that others have made since the form was opened, the newest first; see Conflict.
	Changes []EditChange
	// Problem is why the values were refused; empty at first.
	Problem  string
	Mistakes []Mistake
	Comment  string
	// Back is the page to return to.
	Back string
}

// EditField is a field of the form.
type EditField struct {
	Name, Label string
	// Value is what the form shows, and Saved what the mapping has.
	Value, Saved string
	// Choices are the values of a list; other fields are texts. Suggestions help to fill a text.
	Choices, Suggestions []string
	// Long means that the text may have several lines, and Mono that it is a name of the database.
	Long, Mono bool
}

// EditChange is a change of a field by another person.
type EditChange struct {
	By, Field, Before, After string
	Version                  int64
}

func (v Edit) page() (name, title, section string) {
	return "edit", "Edit " + v.AttributeName, "reports"
}

// Path returns the path of the mapping.
func (v Edit) Path() string { return ReportURL(v.CycleID, v.ReportID) + "/mappings/" + v.ID }

// reviewField is the name of the review status in words.
const reviewField = "Review"

// FieldName returns the name of a field of the API in words.
func FieldName(name string) string {
	if suggested, found := strings.CutPrefix(name, "suggested_"); found {
		return "Suggested " + strings.ToLower(FieldName(suggested))
	}
	names := map[string]string{
		"source_field": "Column", "mapping_type": "How", "transformation_rule": "Rule",
		"information_security_classification": "Tier", "risk_level": "Risk", "regulatory_flag": "Regulatory",
		"pii_flag": "Personal", "confidence_score": "Confidence", "classification_confidence": "Confidence in the tier",
		"mapping_confirmed_by_user": "Confirmed", "review_status": reviewField,
	}
	if word, found := names[name]; found {
		return word
	}
	return words(name)
}

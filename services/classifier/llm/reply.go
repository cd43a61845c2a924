package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
)

// maxReason is the number of characters of a reason that are kept.
const maxReason = 600

// Answer is a valid reply: a column of the candidates, or none, and a classification.
type Answer struct {
	ColumnReason string `json:"column_reason"`
	// Column is the index of the candidate; nil if none fits, and if the question does not ask for one.
	Column      *int                `json:"column"`
	MappingType *schema.MappingType `json:"mapping_type"`
	ClassReason string              `json:"class_reason"`

	Tier        schema.Tier  `json:"information_security_classification"`
	Criticality schema.Level `json:"criticality"`
	RiskLevel   schema.Level `json:"risk_level"`
	Regulatory  bool         `json:"regulatory_flag"`
	Personal    bool         `json:"pii_flag"`
	// Laws are the names of laws of the policy.
	Laws []string `json:"laws"`
}

// answerFields are the fields of a reply, in the order of the schema. All are required.
var answerFields = []string{
	"column_reason", "column", "mapping_type", "class_reason", "information_security_classification", "criticality",
	"risk_level", "regulatory_flag", "pii_flag", "laws",
}

// nullable are the fields that may be null.
var nullable = []string{"column", "mapping_type"}

// answerSchema returns the JSON schema of an answer. It is the same for all questions, because providers compile a
// schema when they first see it; validate checks the index.
func answerSchema(laws []string) json.RawMessage {
	text := map[string]any{"type": "string"}
	flag := map[string]any{"type": "boolean"}
	oneOf := func(values any) map[string]any { return map[string]any{"type": "string", "enum": values} }
	levels := oneOf(schema.Levels())
	types := []any{nil}
	for _, t := range schema.MappingTypes() {
		types = append(types, t)
	}
	schemaOf := map[string]any{
		"type": "object", "additionalProperties": false, "required": answerFields,
		"properties": map[string]any{
			"column_reason": text, "class_reason": text,
			"column":                              map[string]any{"type": []string{"integer", "null"}},
			"mapping_type":                        map[string]any{"type": []string{"string", "null"}, "enum": types},
			"information_security_classification": oneOf(schema.Tiers()),
			"criticality":                         levels, "risk_level": levels,
			"regulatory_flag": flag, "pii_flag": flag,
			"laws": map[string]any{"type": "array", "items": oneOf(laws)},
		},
	}
	return json.RawMessage(encode(schemaOf))
}

// decode reads a reply strictly: one JSON object, with the required fields and no others, each of them once.
func decode(text string, into any, required []string) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	var object map[string]json.RawMessage
	if err := decoder.Decode(&object); err != nil {
		return errors.New("it is not a JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text after the JSON object")
	}
	for _, name := range required {
		value, ok := object[name]
		if !ok {
			return fmt.Errorf("it has no %s", name)
		}
		if string(value) == "null" && !slices.Contains(nullable, name) {
			return fmt.Errorf("%s is null", name)
		}
	}
	for name := range object {
		if !slices.Contains(required, name) {
			return errors.New("it has a field that the schema does not have")
		}
	}
	if name := repeated(text); name != "" {
		return fmt.Errorf("it has the field %s twice", name)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("%s has the wrong type", wrong.Field)
		}
		return errors.New("it does not match the schema")
	}
	return nil
}

// repeated returns the first field of the object that occurs twice, or an empty string.
func repeated(text string) string {
	decoder := json.NewDecoder(strings.NewReader(text))
	seen := map[string]bool{}
	_, _ = decoder.Token() // the caller has decoded the object
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return ""
		}
		field, _ := name.(string) // which a field of an object is
		if seen[field] {
			return field
		}
		seen[field] = true
		var skipped json.RawMessage
		if decoder.Decode(&skipped) != nil {
			return ""
		}
	}
	return ""
}

// parse reads a reply to the question. The error describes the problems of a reply that cannot be used, in words of
// this package only: the reply is not repeated.
func (p *Prompt) parse(q Question, text string) (Answer, error) {
	var a Answer
	if err := decode(text, &a, answerFields); err != nil {
		return a, err
	}
	var problems []string
	note := func(wrong bool, problem string) {
		if wrong {
			problems = append(problems, problem)
		}
	}
	switch {
	case !q.Maps:
		a.Column, a.MappingType = nil, nil
	case a.Column == nil:
		a.MappingType = nil
	default:
		note(*a.Column < 0 || *a.Column >= len(q.Candidates), "column is not the index of a candidate")
		note(a.MappingType == nil, "mapping_type is null although there is a column")
		note(a.MappingType != nil && !slices.Contains(schema.MappingTypes(), *a.MappingType),
			"mapping_type is not one of those allowed")
	}
	note(!slices.Contains(schema.Tiers(), a.Tier), "information_security_classification is not a tier")
	note(!slices.Contains(schema.Levels(), a.Criticality), "criticality is not a level")
	note(!slices.Contains(schema.Levels(), a.RiskLevel), "risk_level is not a level")
	note(slices.ContainsFunc(a.Laws, func(law string) bool { return p.laws[law] == "" }),
		"laws has one that is not in the list")
	a.ColumnReason, a.ClassReason = reason(a.ColumnReason), reason(a.ClassReason)
	note(a.ClassReason == "", "class_reason is empty")
	note(q.Maps && a.ColumnReason == "", "column_reason is empty")
	if len(problems) > 0 {
		return a, errors.New(strings.Join(problems, ", "))
	}
	a.Laws = slices.Compact(slices.Sorted(slices.Values(a.Laws)))
	return a, nil
}

// reason makes a text of the model fit for a rationale: on one line, without control characters, not too long.
func reason(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if utf8.RuneCountInString(text) > maxReason {
		text = string([]rune(text)[:maxReason]) + "…"
	}
	return text
}

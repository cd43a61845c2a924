package desk

import (
	"fmt"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Mapping is the selected mapping of a report.
type Mapping struct {
	Caller
	schema.ListedMapping
	Attribute schema.Attribute
	// Column is nil if there is none, or if its data source does not have it any more.
	Column *schema.SourceColumn
	// Source is the name of the data source of the column.
	Source  string
	History []Change
	// Calls are the calls of a model by the last job that has changed the mapping.
	Calls []schema.ModelCall
	// OwnEdit means that the user was the last to edit the mapping, and cannot review it.
	OwnEdit bool
	Query   ListQuery
	// Previous and Next are the URLs of the neighbours in the list, or empty.
	Previous, Next string
	// After is the id of the mapping to select after a decision.
	After string
}

// Change is an entry of the history of a mapping.
type Change struct {
	schema.History
	Before, After schema.Image
}

// Path returns the path of the mapping, to which its actions are appended.
func (v Mapping) Path() string {
	return ReportURL(v.CycleID, v.ReportID) + "/mappings/" + v.ID
}

// Human reports whether a person made the change.
func (c Change) Human() bool { return c.JobID == "" }

// Fields returns what the change has changed for a reader: not the texts that follow from it.
func (c Change) Fields() (fields []Field) {
	for _, change := range c.Before.Changes(c.After) {
		switch change.Field {
		case "mapping_rationale", "classification_rationale", "alternative_mappings", "reviewed_by", "reviewed_at",
			"source_fields", "regulatory_references", "classified_by", "data_source_id", "carried_from":
			continue
		}
		fields = append(fields, Field{
			Name: FieldName(change.Field), From: Plain(change.Before), To: Plain(change.After),
		})
	}
	return fields
}

// maxReply is the number of bytes of a model's reply that the page shows. A first view has less than 100 KB.
const maxReply = 2000

// CallReply returns the beginning of the reply of a call.
func (v Mapping) CallReply(c schema.ModelCall) string {
	if len(c.Reply) <= maxReply {
		return c.Reply
	}
	return strings.ToValidUTF8(c.Reply[:maxReply], "") + " …"
}

// CallsURL returns the URL of the calls in full, as JSON.
func (v Mapping) CallsURL() string {
	return "/api/v1/jobs/" + v.Calls[0].JobID + "/calls?mapping_id=" + v.ID
}

// Field is a field before and after a change.
type Field struct{ Name, From, To string }

// Plain returns a value of an image as text, and "" if there is none.
func Plain(v any) string {
	switch v := v.(type) {
	case *string:
		return orEmpty(v)
	case *int:
		if v != nil {
			return fmt.Sprint(*v)
		}
		return ""
	case *bool:
		if v == nil {
			return ""
		}
		return yesNo(v)
	case nil:
		return ""
	case bool:
		return yesNo(&v)
	default:
		return fmt.Sprint(v)
	}
}

// Suggestions returns the values that the last job suggests instead of those of a person.
func (v Mapping) Suggestions() (fields []Field) {
	add := func(name, current, suggested string) {
		if suggested != "" {
			fields = append(fields, Field{Name: name, From: current, To: suggested})
		}
	}
	add("Column", v.SourceField, v.SuggestedSourceField)
	add("Tier", string(v.InformationSecurityClassification), string(v.SuggestedInformationSecurityClassification))
	add("Criticality", string(v.Criticality), string(v.SuggestedCriticality))
	add("Risk", string(v.RiskLevel), string(v.SuggestedRiskLevel))
	add("Regulatory", Plain(v.RegulatoryFlag), Plain(v.SuggestedRegulatoryFlag))
	add("Personal", Plain(v.PIIFlag), Plain(v.SuggestedPIIFlag))
	return fields
}

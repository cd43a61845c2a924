package schema

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// MappingEdit has the values that a person sets. A nil field is not changed. An empty text removes the value.
type MappingEdit struct {
	// SourceField and DataSourceID name the main column. If only the column is given, the data source follows from it.
	SourceField, DataSourceID *string
	// SourceFields are all columns, the main one first. If they are not given, the mapping keeps its other columns.
	SourceFields                        *SourceFields
	PDEName, PDECode, PDEDescription    *string
	MappingType                         *MappingType
	TransformationRule, BusinessProcess *string
	BusinessOwner, DataSteward          *string

	InformationSecurityClassification *Tier
	Criticality, RiskLevel            *Level
	RegulatoryFlag, PIIFlag           *bool

	// Confirmed is true or nil for an edit, which confirms the mapping. False releases the mapping to later jobs.
	Confirmed *bool
}

// EditMapping sets the fields of the edit. It confirms the mapping, and returns its review to pending. It
// returns [ErrNotFound] if the report has no such mapping, a [VersionError], [EditErrors], and an error of
// [IsLockTimeout] if another transaction holds the mapping or the report.
func EditMapping(ctx context.Context, tx bun.Tx, d Decision, edit MappingEdit) (Decided, error) {
	return d.apply(ctx, tx, HistoryActionEdited, func(m Mapping, _ time.Time) (Mapping, error) {
		return d.find(ctx, tx, m, edit)
	})
}

// find returns the mapping with the values of the edit, whose column it reads.
func (d Decision) find(ctx context.Context, tx bun.Tx, m Mapping, edit MappingEdit) (Mapping, error) {
	columns, err := findColumns(ctx, tx, d.CycleID, d.ReportID, edit.columnNames(m))
	if err != nil {
		return m, err
	}
	return d.edit(columns, m, edit)
}

// AcceptSuggestion sets the suggested values as the person's own. It returns [ErrNoSuggestion] and the errors of
// [EditMapping].
func AcceptSuggestion(ctx context.Context, tx bun.Tx, d Decision) (Decided, error) {
	return d.apply(ctx, tx, HistoryActionAccepted, func(m Mapping, _ time.Time) (Mapping, error) {
		edit := MappingEdit{RegulatoryFlag: m.SuggestedRegulatoryFlag, PIIFlag: m.SuggestedPIIFlag}
		suggested := edit.RegulatoryFlag != nil || edit.PIIFlag != nil
		suggested = suggest(&edit.SourceField, m.SuggestedSourceField) || suggested
		suggested = suggest(&edit.InformationSecurityClassification,
			m.SuggestedInformationSecurityClassification) || suggested
		suggested = suggest(&edit.Criticality, m.SuggestedCriticality) || suggested
		suggested = suggest(&edit.RiskLevel, m.SuggestedRiskLevel) || suggested
		if !suggested {
			return m, ErrNoSuggestion
		}
		if edit.SourceField != nil && len(m.SourceFields) > 0 {
			// The suggestion is one column in place of all.
			edit.SourceFields = &SourceFields{*edit.SourceField}
			edit.MappingType, edit.TransformationRule = new(MappingTypeDirect), new("")
		}
		return d.find(ctx, tx, m, edit)
	})
}

// suggest sets the field if there is a suggestion.
func suggest[T ~string](field **T, suggestion T) bool {
	if suggestion == "" {
		return false
	}
	*field = &suggestion
	return true
}

// edit returns the mapping with the values of the edit. Any error is [EditErrors].
func (d Decision) edit(columns *columnFinder, m Mapping, edit MappingEdit) (Mapping, error) {
	before := m
	if err := d.editColumns(columns, &m, edit); err != nil {
		return m, err
	}
	set(&m.PDEName, edit.PDEName)
	set(&m.PDECode, edit.PDECode)
	set(&m.PDEDescription, edit.PDEDescription)
	set(&m.MappingType, edit.MappingType)
	set(&m.TransformationRule, edit.TransformationRule)
	if err := edit.checkRule(m); err != nil {
		return m, err
	}
	set(&m.BusinessProcess, edit.BusinessProcess)
	set(&m.BusinessOwner, edit.BusinessOwner)
	set(&m.DataSteward, edit.DataSteward)
	d.classify(&m, edit)
	m.MappingConfirmedByUser = edit.Confirmed == nil || *edit.Confirmed
	m.dropAnsweredSuggestions()
	if !equalMappings(&before, &m, func(*mappingColumn) bool { return true }) {
		m.ResetReview()
	}
	return m, nil
}

// set sets the field if a value is given.
func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

const (
	// decidedConfidence is the confidence of what a person has decided.
	decidedConfidence = 100
	// decidedRationale is the rationale of a column or a classification that a person has decided. The name of
	// the person and the comment follow.
	decidedRationale = "Decided by "
)

// rationale returns the reason for a decision.
func (d Decision) rationale(what string) string {
	if d.Comment == "" {
		return decidedRationale + d.Author + ": " + what + "."
	}
	return decidedRationale + d.Author + ": " + what + ". " + d.Comment
}

// classify sets the classification. The person becomes the classifier if a value changes.
func (d Decision) classify(m *Mapping, edit MappingEdit) {
	before := *m
	set(&m.InformationSecurityClassification, edit.InformationSecurityClassification)
	set(&m.Criticality, edit.Criticality)
	set(&m.RiskLevel, edit.RiskLevel)
	if edit.RegulatoryFlag != nil {
		m.RegulatoryFlag = new(*edit.RegulatoryFlag)
	}
	if edit.PIIFlag != nil {
		m.PIIFlag = new(*edit.PIIFlag)
	}
	var decided []string
	for _, c := range mappingColumns {
		if c.classification && !equalMappings(&before, m, func(o *mappingColumn) bool { return o.name == c.name }) {
			value, _ := c.value(m) // these columns have no JSON, so there is no error
			decided = append(decided, fmt.Sprintf("%s %v", c.name, value))
		}
	}
	if len(decided) == 0 {
		return
	}
	m.ClassifiedBy, m.ClassificationConfidence = d.Author, new(decidedConfidence)
	m.ClassificationRationale = d.rationale(strings.Join(decided, ", "))
	if m.RegulatoryReferences == nil {
		m.RegulatoryReferences = []string{}
	}
}

// dropAnsweredSuggestions removes the suggestions that the mapping follows now.
func (m *Mapping) dropAnsweredSuggestions() {
	dropSuggestion(&m.SuggestedSourceField, m.SourceField)
	dropSuggestion(&m.SuggestedInformationSecurityClassification, m.InformationSecurityClassification)
	dropSuggestion(&m.SuggestedCriticality, m.Criticality)
	dropSuggestion(&m.SuggestedRiskLevel, m.RiskLevel)
	dropSuggestedFlag(&m.SuggestedRegulatoryFlag, m.RegulatoryFlag)
	dropSuggestedFlag(&m.SuggestedPIIFlag, m.PIIFlag)
}

func dropSuggestion[T ~string](suggestion *T, value T) {
	if *suggestion == value {
		*suggestion = ""
	}
}

func dropSuggestedFlag(suggestion **bool, value *bool) {
	if *suggestion != nil && value != nil && **suggestion == *value {
		*suggestion = nil
	}
}

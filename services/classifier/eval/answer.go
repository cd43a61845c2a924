package eval

import (
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// Answer is a subject's answer for a labelled attribute.
type Answer struct {
	Attribute schema.Attribute
	Label     tabular.GoldRow
	// Ranking has the chosen column. It is the zero value if the set has no columns.
	Ranking columns.Ranking
	Class   rules.Answer
	// ColumnAgreement and ClassAgreement compare the answer of a model with that of the rules; empty if the rules gave
	// the answer.
	ColumnAgreement, ClassAgreement llm.Agreement
}

// Answer returns the subject's answers for the labelled attributes, in the order of the labels. It maps and classifies
// as a job does: the attributes without a label are also part of the report.
func (s Set) Answer(subject Subject) ([]Answer, error) {
	positions, err := s.labelled()
	if err != nil {
		return nil, err
	}
	report := columns.NewIndexWithVocabulary(s.Columns, subject.Engine.Vocabulary()).Report(s.Attributes)
	answers := make([]Answer, len(positions))
	for i, position := range positions {
		a := Answer{Attribute: s.Attributes[position], Label: s.Labels[i]}
		input := rules.Input{Attribute: a.Attribute, Report: s.Report}
		if len(s.Columns) > 0 {
			a.Ranking = report.Rank(a.Attribute)
			if a.Ranking.Column >= 0 {
				input.Column = &s.Columns[a.Ranking.Column]
			}
		} else {
			a.Label.SourceField = nil
		}
		a.Class = subject.Engine.Classify(input)
		answers[i] = a
	}
	return answers, nil
}

// column returns the chosen column, or none.
func (a Answer) column() string {
	if a.Ranking.SourceField == "" {
		return tabular.NoColumn
	}
	return a.Ranking.SourceField
}

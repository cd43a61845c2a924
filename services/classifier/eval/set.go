package eval

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
)

// Set is a report with the columns that may feed it, and labels for its attributes.
type Set struct {
	// Report is the name of the filing.
	Report     string
	Attributes []schema.Attribute
	// Columns may be empty. Then only the classification is measured.
	Columns []schema.SourceColumn
	Labels  []tabular.GoldRow
}

// Subject is a classifier to measure: a name for the output, and the policy that classifies.
type Subject struct {
	Name   string
	Engine *rules.Engine
}

// MissingColumns returns the columns that the labels name and that the set does not have.
func (s Set) MissingColumns() []string {
	known := make(map[string]bool, len(s.Columns))
	for _, c := range s.Columns {
		known[c.SourceField()] = true
	}
	var missing []string
	for _, l := range s.Labels {
		for _, field := range l.SourceField {
			if field != tabular.NoColumn && !known[field] && !slices.Contains(missing, field) {
				missing = append(missing, field)
			}
		}
	}
	return missing
}

// labelled returns the positions of the attributes of the labels. A label names its attribute by the line item number
// if it has one, and otherwise by the name.
func (s Set) labelled() ([]int, error) {
	if len(s.Labels) == 0 {
		return nil, errors.New("there are no labels")
	}
	positions := make([]int, len(s.Labels))
	for i, l := range s.Labels {
		position, err := s.find(l)
		if err != nil {
			return nil, err
		}
		positions[i] = position
	}
	return positions, nil
}

func (s Set) find(l tabular.GoldRow) (int, error) {
	found := -1
	for i, a := range s.Attributes {
		same := a.AttributeName == l.AttributeName
		if l.LineItemNumber != "" {
			same = a.LineItemNumber == l.LineItemNumber && (l.AttributeName == "" || same)
		}
		if !same {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("the label for %s fits several attributes; give its line_item_number", nameOf(l))
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("the label for %s fits no attribute", nameOf(l))
	}
	return found, nil
}

// nameOf returns how a label names its attribute.
func nameOf(l tabular.GoldRow) string {
	switch {
	case l.LineItemNumber == "":
		return fmt.Sprintf("%q", l.AttributeName)
	case l.AttributeName == "":
		return "line " + l.LineItemNumber
	default:
		return fmt.Sprintf("line %s, %q", l.LineItemNumber, l.AttributeName)
	}
}

package schema

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// MaxSourceFields is the maximum number of source columns of a mapping.
const MaxSourceFields = 20

// SourceFields are the source columns of a mapping that is made of several, in their order.
type SourceFields []string

// String returns the columns as one text, separated by commas. A name that contains a comma is in double quotes, so
// that [ParseSourceFields] returns the same columns.
func (f SourceFields) String() string {
	texts := make([]string, len(f))
	for i, field := range f {
		texts[i] = field
		if c, ok := ParseSourceField(field); ok {
			texts[i] = quoteListed(c.SchemaName) + "." + quoteListed(c.TableName) + "." + quoteListed(c.ColumnName)
		}
	}
	return strings.Join(texts, ", ")
}

// quoteListed quotes a name that would end the column in a list, or lose its spaces.
func quoteListed(name string) string {
	if quoted := quoteName(name); quoted != name || !strings.Contains(name, ",") && strings.TrimSpace(name) == name {
		return quoted
	}
	return `"` + name + `"`
}

// ErrSourceFields means that a text is not a list of columns.
var ErrSourceFields = errors.New("not a list of schema.table.column, separated by commas")

// ParseSourceFields parses a list of columns as [SourceFields.String] returns it, with or without spaces. An empty text
// is an empty list. It returns [ErrSourceFields] for a text that is no such list.
func ParseSourceFields(text string) (SourceFields, error) {
	fields := SourceFields{}
	if strings.TrimSpace(text) == "" {
		return fields, nil
	}
	quoted, start := false, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] == '"' {
			quoted = !quoted // a doubled quote inside of a name changes it twice
		}
		if i < len(text) && (quoted || text[i] != ',') {
			continue
		}
		column, ok := ParseSourceField(strings.TrimSpace(text[start:i]))
		if !ok {
			return nil, ErrSourceFields
		}
		fields, start = append(fields, column.SourceField()), i+1
	}
	return fields, nil
}

// AllSourceFields returns the source columns of the mapping, the main one first.
func (m Mapping) AllSourceFields() SourceFields {
	switch {
	case len(m.SourceFields) > 0:
		return m.SourceFields
	case m.SourceField != "":
		return SourceFields{m.SourceField}
	default:
		return SourceFields{}
	}
}

// setMain replaces the main column and keeps the others.
func (m *Mapping) setMain(field string) {
	m.setSourceFields(append(SourceFields{field}, m.others(field)...))
}

// others returns the columns of the mapping after the main one, without the given one.
func (m Mapping) others(without string) SourceFields {
	if len(m.SourceFields) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(m.SourceFields[1:]), func(f string) bool { return f == without })
}

// setSourceFields sets the columns, of which the first is the main one.
func (m *Mapping) setSourceFields(fields SourceFields) {
	m.SourceField, m.SourceFields = "", nil
	if len(fields) > 0 {
		m.SourceField = fields[0]
	}
	if len(fields) > 1 {
		m.SourceFields = fields
	}
}

// ColumnRemoval is the reviewer of a mapping that has lost one of its columns. No user has this name.
const ColumnRemoval = "column-removal"

// dropSourceFields removes columns other than the main one, which the report does not have any more. The mapping keeps
// its rule, and a person must revise it.
func (m *Mapping) dropSourceFields(gone map[string]bool, now time.Time) {
	all := m.AllSourceFields()
	left := slices.DeleteFunc(slices.Clone(all), func(f string) bool { return f != m.SourceField && gone[f] })
	if len(left) == len(all) {
		return
	}
	m.setSourceFields(left)
	m.ReviewStatus, m.ReviewedBy, m.ReviewedAt = ReviewStatusNeedsRevision, ColumnRemoval, now
	m.CarriedFrom = ""
}

package schema

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// MaxProblems is the maximum number of problems that an answer lists.
const MaxProblems = 100

// FirstRows are the first of several rows.
type FirstRows[R any] struct {
	// Count is the number of all rows.
	Count int64
	// First has at most [MaxProblems] of them.
	First []R
}

func (r *FirstRows[R]) add(row R) {
	r.Count++
	if len(r.First) < MaxProblems {
		r.First = append(r.First, row)
	}
}

// ImportProblem is a problem of one imported row.
type ImportProblem struct {
	// Part is "attributes" or "mappings".
	Part string
	Place
	// Column is the name of the column in the contract.
	Column string
	// Reason describes the expected value. It never repeats the value of the file.
	Reason string
}

// ImportProblems are all problems of an import, in the order of the rows.
type ImportProblems []ImportProblem

// Error implements error with one line per problem.
func (p ImportProblems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = fmt.Sprintf("%s, %s: %s: %s", problem.Part, problem.Place, problem.Column, problem.Reason)
	}
	return strings.Join(lines, "\n")
}

func (im *importer) mappings(ctx context.Context, rows iter.Seq[MappingRow]) error {
	merge := merger{importer: im, seen: map[string]Place{}}
	for page := range pages(rows) {
		if err := merge.candidates(ctx); err != nil {
			return err
		}
		if err := merge.page(ctx, page); err != nil {
			return err
		}
	}
	if len(merge.problems) > 0 {
		return merge.problems
	}
	return nil
}

// merger updates existing mappings with imported rows.
type merger struct {
	*importer
	// owners has, for each source field of the report, the data sources with such a column. It is nil before
	// the first use.
	owners map[string][]string
	// seen has the place of the first row of each attribute.
	seen     map[string]Place
	problems ImportProblems
}

func (m *merger) wrong(row MappingRow, column, reason string) {
	m.problems = append(m.problems, ImportProblem{Part: "mappings", Place: row.place(), Column: column, Reason: reason})
}

func (row MappingRow) place() Place { return Place{Sheet: row.Sheet, Line: row.Line} }

// candidates reads the data sources and columns of the report, once for each import.
func (m *merger) candidates(ctx context.Context) error {
	if m.owners != nil {
		return nil
	}
	var sources []DataSource
	var columns []SourceColumn
	of := "data_source_id in (select id from data_sources where cycle_id = ? and report_id = ?)"
	cycleID, reportID := m.report.CycleID, m.report.ReportID
	if err := m.tx.NewSelect().Model(&sources).Column("id", "name").
		Where("cycle_id = ? and report_id = ?", cycleID, reportID).Scan(ctx); err != nil {
		return fmt.Errorf("data sources of report %s: %w", reportID, err)
	}
	err := m.tx.NewSelect().Model(&columns).Column("data_source_id", "schema_name", "table_name", "column_name").
		Where(of, cycleID, reportID).Order("id").Scan(ctx)
	if err != nil {
		return fmt.Errorf("source columns of report %s: %w", reportID, err)
	}
	for _, source := range sources {
		m.sources[source.Name] = source.ID
	}
	m.owners = map[string][]string{}
	for _, c := range columns {
		name := c.SourceField()
		if !slices.Contains(m.owners[name], c.DataSourceID) {
			m.owners[name] = append(m.owners[name], c.DataSourceID)
		}
	}
	return nil
}

func (m *merger) page(ctx context.Context, page []MappingRow) error {
	known := len(m.problems)
	attributes, err := m.attributesOf(ctx, page)
	if err != nil {
		return err
	}
	standing, err := m.lock(ctx, attributes)
	if err != nil {
		return err
	}
	var changes []change
	for i, row := range page {
		before, ok := standing[attributes[i]]
		if !ok {
			continue // attributesOf has added a problem
		}
		if !m.knowsAll(row) {
			continue
		}
		if row.SourceField == "" && len(row.SourceFields) > 0 {
			row.SourceField = row.SourceFields[0]
		}
		source, ok := m.source(row, before)
		if !ok {
			continue
		}
		after := row.onto(before, source)
		if !m.describes(row, before, after) {
			continue
		}
		switch {
		case after.sameImported(before):
			m.tally(before, &m.done.Mappings.Unchanged)
		case before.MappingConfirmedByUser:
			m.tally(before, &m.done.Mappings.Kept)
		default:
			m.tally(before, &m.done.Mappings.Updated)
			changes = append(changes, change{before: before, after: after})
		}
	}
	// attributesOf adds the problems of a whole page before the other checks begin.
	slices.SortStableFunc(m.problems[known:], func(a, b ImportProblem) int { return cmp.Compare(a.Line, b.Line) })
	if len(m.problems) > 0 || len(changes) == 0 {
		return nil // if there are problems, the transaction will be rolled back
	}
	return m.save(ctx, HistoryActionImported, changes, "imported")
}

// tally counts a mapping, unless this import inserted and therefore already counted it.
func (m *merger) tally(before Mapping, count *int64) {
	if !before.CreatedAt.Equal(m.now) {
		*count++
	}
}

// lock locks and returns the mappings of the attributes, by attribute id.
func (m *merger) lock(ctx context.Context, attributes []string) (map[string]Mapping, error) {
	var mappings []Mapping
	err := m.tx.NewSelect().Model(&mappings).Where("attribute_id in (?)", bun.List(attributes)).Order("id").
		For("update").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock mappings of report %s: %w", m.report.ReportID, err)
	}
	standing := make(map[string]Mapping, len(mappings))
	for _, mapping := range mappings {
		standing[mapping.AttributeID] = mapping
	}
	return standing, nil
}

// source returns the id of the data source that the mapping has after the import. If the row has a problem, it
// adds the problem and returns false.
func (m *merger) source(row MappingRow, before Mapping) (id string, ok bool) {
	id = before.DataSourceID
	if row.DataSource != "" {
		if id, ok = m.sources[row.DataSource]; !ok {
			m.wrong(row, "data_source",
				"the report has no such data source; import its columns first or with the mappings")
			return "", false
		}
	}
	named, ok := ParseSourceField(row.SourceField)
	owners := m.owners[named.SourceField()]
	switch {
	case row.SourceField == "":
		if before.SourceField != "" && id != before.DataSourceID && !before.MappingConfirmedByUser {
			m.wrong(row, "source_field", "must be given: the column that the mapping has now is in another data source")
			return "", false
		}
		return id, true
	case !ok:
		m.wrong(row, "source_field",
			"must be schema.table.column, with double quotes around a name that contains a dot")
		return "", false
	case len(owners) == 0:
		m.wrong(row, "source_field",
			"no data source of the report has this column; write schema.table.column as in the columns file")
		return "", false
	case row.DataSource != "" && !slices.Contains(owners, id):
		m.wrong(row, "source_field", "the data source has no such column; another one of the report has it")
		return "", false
	case row.DataSource == "" && named.SourceField() == before.SourceField &&
		slices.Contains(owners, before.DataSourceID):
		return id, true // unchanged, even if another data source now has such a column, too
	case row.DataSource == "" && len(owners) > 1:
		m.wrong(row, "data_source", "must be given: several data sources of the report have this column")
		return "", false
	case row.DataSource == "":
		return owners[0], true
	default:
		return id, true
	}
}

// knowsAll reports whether the report has all columns of the row's list, and adds a problem if not.
func (m *merger) knowsAll(row MappingRow) bool {
	if len(row.SourceFields) > 0 && row.SourceField != "" && canonicalField(row.SourceField) != row.SourceFields[0] {
		m.wrong(row, sourceFieldsName, "must begin with the source_field of the row")
		return false
	}
	for i, field := range row.SourceFields {
		if len(m.owners[field]) == 0 {
			m.wrong(row, sourceFieldsName, fmt.Sprintf("no data source of the report has column %d of the list", i+1))
			return false
		}
	}
	return true
}

// describes reports whether a mapping of several columns has a rule after the import, and adds a problem if not. A
// mapping that the import does not change is not judged.
func (m *merger) describes(row MappingRow, before, after Mapping) bool {
	switch {
	case len(after.SourceFields) == 0 || before.MappingConfirmedByUser || after.sameImported(before):
		return true
	case after.MappingType == "" || after.MappingType == MappingTypeDirect:
		m.wrong(row, "mapping_type", "must be calculated, lookup or conditional for a mapping of several columns")
	case after.TransformationRule == "":
		m.wrong(row, "transformation_rule", "must not be empty for a mapping of several columns")
	default:
		return true
	}
	return false
}

// replacedRationale is the rationale of a mapping after an import has replaced the column that a job had
// chosen.
const replacedRationale = "An import has replaced the column. Its fit has not been assessed yet."

// onto returns the mapping with the values of the row. An empty value changes nothing. A new column resets
// what a job determined for the previous one, and any change resets the review.
func (row MappingRow) onto(m Mapping, dataSourceID string) Mapping {
	before := m
	values, fields := reflect.ValueOf(row), reflect.ValueOf(&m).Elem()
	for _, c := range mappingColumns {
		if !c.imported {
			continue
		}
		if value := values.FieldByName(c.goName); value.IsValid() && !value.IsZero() {
			fields.Field(c.field).Set(value)
		}
	}
	// The data source is a name in the file and an id in the row, and the source field may be quoted.
	m.DataSourceID, m.SourceField, m.SourceFields = dataSourceID, before.SourceField, before.SourceFields
	switch {
	case len(row.SourceFields) > 0:
		m.setSourceFields(row.SourceFields)
	case row.SourceField != "":
		m.setMain(canonicalField(row.SourceField))
	}
	m.MappingConfirmedByUser = m.MappingConfirmedByUser || row.Confirmed
	if m.sameImported(before) {
		return before
	}
	if m.DataSourceID != before.DataSourceID || !slices.Equal(m.AllSourceFields(), before.AllSourceFields()) {
		m.AlternativeMappings, m.SuggestedSourceField = nil, ""
		if m.ConfidenceScore != nil {
			m.ConfidenceScore, m.MappingRationale = new(int), replacedRationale
		}
	}
	m.ResetReview()
	return m
}

// sameImported reports whether the columns that an import can set are equal.
func (m Mapping) sameImported(other Mapping) bool {
	return equalMappings(&m, &other, func(c *mappingColumn) bool { return c.imported })
}

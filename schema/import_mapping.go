package schema

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// MaxProblems is how many problems of what is to be imported, or of a request, are named at once.
const MaxProblems = 100

// MappingProblem says why a mapping that is to be imported does not fit the report.
type MappingProblem struct {
	// Line and Column say where, by the row's line and the contract's name of the column.
	Line   int
	Column string
	// Reason says what would be right and never repeats a value.
	Reason string
}

// MappingProblems are in the order of the rows, at most [MaxProblems].
type MappingProblems []MappingProblem

// Error implements error with one problem a line.
func (p MappingProblems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = fmt.Sprintf("line %d: %s: %s", problem.Line, problem.Column, problem.Reason)
	}
	return strings.Join(lines, "\n")
}

func (im *importer) mappings(ctx context.Context, rows iter.Seq[MappingRow]) error {
	merge := merger{importer: im, seen: map[string]int{}}
	for page := range pages(rows) {
		if err := merge.candidates(ctx); err != nil {
			return err
		}
		if err := merge.page(ctx, page); err != nil {
			return err
		}
		if len(merge.problems) >= MaxProblems {
			return merge.problems[:MaxProblems]
		}
	}
	if len(merge.problems) > 0 {
		return merge.problems
	}
	return nil
}

// merger brings imported mappings into the ones that are there.
type merger struct {
	*importer
	// owners has for each source field of the report the data sources with such a column; nil before it is read.
	owners map[string][]string
	// seen has the line in which a mapping was met, by its attribute.
	seen     map[string]int
	problems MappingProblems
}

func (m *merger) wrong(line int, column, reason string) {
	m.problems = append(m.problems, MappingProblem{Line: line, Column: column, Reason: reason})
}

// candidates reads which columns there are, once.
func (m *merger) candidates(ctx context.Context) error {
	if m.owners != nil {
		return nil
	}
	var sources []DataSource
	var columns []SourceColumn
	of := "data_source_id in (select id from data_sources where cycle_id = ? and report_id = ?)"
	cycleID, reportID := m.report.CycleID, m.report.ReportID
	if err := m.tx.NewSelect().Model(&sources).Column("id", "name").Where("cycle_id = ? and report_id = ?", cycleID, reportID).Scan(ctx); err != nil {
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

// change is a mapping before and after an import.
type change struct{ before, after Mapping }

func (m *merger) page(ctx context.Context, page []MappingRow) error {
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
			continue // its problem is noted already
		}
		source, ok := m.source(row, before)
		if !ok {
			continue
		}
		after := row.onto(before, source)
		switch {
		case after.pde() == before.pde():
			m.tally(before, &m.done.Mappings.Unchanged)
		case before.MappingConfirmedByUser:
			m.tally(before, &m.done.Mappings.Kept)
		default:
			m.tally(before, &m.done.Mappings.Updated)
			after.Version++
			changes = append(changes, change{before, after})
		}
	}
	// Some are found when the attributes are looked for, others with the mappings.
	slices.SortStableFunc(m.problems, func(a, b MappingProblem) int { return cmp.Compare(a.Line, b.Line) })
	if len(m.problems) > 0 || len(changes) == 0 {
		return nil // nothing of it will stay
	}
	return m.save(ctx, changes)
}

// tally counts a mapping, unless it was added by this import and is counted so.
func (m *merger) tally(before Mapping, count *int64) {
	if !before.CreatedAt.Equal(m.now) {
		*count++
	}
}

// attributesOf finds the attribute of each row; "" where there is a problem.
func (m *merger) attributesOf(ctx context.Context, page []MappingRow) ([]string, error) {
	var identities, names []string
	for _, row := range page {
		if row.LineItemNumber != "" {
			identities = append(identities, AttributeIdentity(row.LineItemNumber, ""))
		} else {
			names = append(names, row.AttributeName)
		}
	}
	byIdentity, err := m.findAttributes(ctx, "identity", identities)
	if err != nil {
		return nil, err
	}
	byName, err := m.findAttributes(ctx, "attribute_name", names)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(page))
	for i, row := range page {
		found, column := byName[row.AttributeName], "attribute_name"
		if row.LineItemNumber != "" {
			found, column = byIdentity[AttributeIdentity(row.LineItemNumber, "")], "line_item_number"
		}
		ids[i] = m.only(row, column, found)
	}
	return ids, nil
}

// findAttributes finds the report's attributes with one of these values in the column, which tells them apart in the result.
func (m *merger) findAttributes(ctx context.Context, column string, values []string) (map[string][]Attribute, error) {
	found := map[string][]Attribute{}
	if len(values) == 0 {
		return found, nil
	}
	var attributes []Attribute
	err := m.tx.NewSelect().Model(&attributes).Column("id", "identity", "attribute_name").
		Where("cycle_id = ? and report_id = ? and ? in (?)", m.report.CycleID, m.report.ReportID, bun.Ident(column), bun.List(values)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("attributes of report %s: %w", m.report.ReportID, err)
	}
	for _, a := range attributes {
		key := a.Identity
		if column == "attribute_name" {
			key = a.AttributeName
		}
		found[key] = append(found[key], a)
	}
	return found, nil
}

// only is the id of the attribute that the row means by the column, or "" with a problem.
func (m *merger) only(row MappingRow, column string, found []Attribute) string {
	switch {
	case len(found) == 0:
		m.wrong(row.Line, column, "the report has no such attribute")
		return ""
	case len(found) > 1:
		m.wrong(row.Line, column, "several attributes have this name; give the line_item_number of the one that is meant")
		return ""
	case row.LineItemNumber != "" && row.AttributeName != "" && row.AttributeName != found[0].AttributeName:
		m.wrong(row.Line, "attribute_name", "the attribute with this line_item_number has another name")
		return ""
	}
	id := found[0].ID
	if first, twice := m.seen[id]; twice {
		m.wrong(row.Line, column, fmt.Sprintf("the mapping of this attribute is already in line %d", first))
		return ""
	}
	m.seen[id] = row.Line
	return id
}

// lock reads the mappings of the attributes, so that nobody else changes them before the import ends.
func (m *merger) lock(ctx context.Context, attributes []string) (map[string]Mapping, error) {
	var mappings []Mapping
	err := m.tx.NewSelect().Model(&mappings).Where("attribute_id in (?)", bun.List(attributes)).Order("id").For("update").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock mappings of report %s: %w", m.report.ReportID, err)
	}
	standing := make(map[string]Mapping, len(mappings))
	for _, mapping := range mappings {
		standing[mapping.AttributeID] = mapping
	}
	return standing, nil
}

// source is the id of the data source that the mapping has after the row; ok is false where there is a problem.
func (m *merger) source(row MappingRow, before Mapping) (id string, ok bool) {
	id = before.DataSourceID
	if row.DataSource != "" {
		if id, ok = m.sources[row.DataSource]; !ok {
			m.wrong(row.Line, "data_source", "the report has no such data source; import its columns first or with the mappings")
			return "", false
		}
	}
	owners := m.owners[row.SourceField]
	switch {
	case row.SourceField == "":
		if before.SourceField != "" && id != before.DataSourceID && !before.MappingConfirmedByUser {
			m.wrong(row.Line, "source_field", "must be given: the column that the mapping has now is in another data source")
			return "", false
		}
		return id, true
	case len(owners) == 0:
		m.wrong(row.Line, "source_field", "no data source of the report has this column; write schema.table.column as in the columns file")
		return "", false
	case row.DataSource != "" && !slices.Contains(owners, id):
		m.wrong(row.Line, "source_field", "the data source has no such column; another one of the report has it")
		return "", false
	case row.DataSource == "" && row.SourceField == before.SourceField && slices.Contains(owners, before.DataSourceID):
		return id, true // what it has already; that another data source has got such a column meanwhile changes nothing
	case row.DataSource == "" && len(owners) > 1:
		m.wrong(row.Line, "data_source", "must be given: several data sources of the report have this column")
		return "", false
	case row.DataSource == "":
		return owners[0], true
	default:
		return id, true
	}
}

// replacedRationale explains a mapping whose column was chosen by a job and replaced by an import.
const replacedRationale = "An import has replaced the column. Nobody has judged yet how well it fits."

// onto is the mapping with what the row says of it. What a job said of a column that is replaced goes with it, and a review was of the
// mapping as it stood.
func (row MappingRow) onto(m Mapping, dataSourceID string) Mapping {
	before := m
	m.DataSourceID = dataSourceID
	for _, set := range []struct {
		into *string
		text string
	}{
		{&m.PDEName, row.PDEName},
		{&m.PDECode, row.PDECode},
		{&m.PDEDescription, row.PDEDescription},
		{&m.SourceField, row.SourceField},
		{&m.TransformationRule, row.TransformationRule},
		{&m.BusinessProcess, row.BusinessProcess},
		{&m.BusinessOwner, row.BusinessOwner},
		{&m.DataSteward, row.DataSteward},
	} {
		if set.text != "" {
			*set.into = set.text
		}
	}
	if row.MappingType != "" {
		m.MappingType = row.MappingType
	}
	m.MappingConfirmedByUser = m.MappingConfirmedByUser || row.Confirmed
	if m.pde() == before.pde() {
		return before
	}
	if m.SourceField != before.SourceField || m.DataSourceID != before.DataSourceID {
		m.AlternativeMappings, m.SuggestedSourceField = nil, ""
		if m.ConfidenceScore != nil {
			m.ConfidenceScore, m.MappingRationale = new(int), replacedRationale
		}
	}
	m.ReviewStatus, m.ReviewedBy, m.ReviewedAt = ReviewPending, "", time.Time{}
	return m
}

// pde is all of a mapping that an import can change by what it says.
type pde struct {
	dataSourceID, name, code, description, sourceField string
	mappingType                                        MappingType
	rule, process, owner, steward                      string
	confirmed                                          bool
}

func (m Mapping) pde() pde {
	return pde{
		dataSourceID: m.DataSourceID, name: m.PDEName, code: m.PDECode, description: m.PDEDescription, sourceField: m.SourceField,
		mappingType: m.MappingType, rule: m.TransformationRule, process: m.BusinessProcess, owner: m.BusinessOwner,
		steward: m.DataSteward, confirmed: m.MappingConfirmedByUser,
	}
}

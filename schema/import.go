package schema

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// importPage is the number of rows that one statement of an import writes.
const importPage = 1000

// ReportData is the input of an import. Each part is read once, from front to back, and never held in memory
// as a whole.
type ReportData struct {
	CycleID, ReportID string
	// Name is the name of the report. If it is empty, the name does not change; a new report is then named
	// after its id.
	Name string
	// Author is the user who imports.
	Author string
	// Attributes need neither ids nor identities. No two may have the same identity.
	Attributes Rows[Attribute]
	// Columns are the candidate columns of the report's data sources. No two may have the same data source and
	// names.
	Columns Rows[ColumnRow]
	// Connections are those of the data sources whose columns were read from a database, by name.
	Connections map[string]Connection
	// Mappings are the known mappings of attributes to columns.
	Mappings iter.Seq[MappingRow]
	// Prune decides whether attributes and columns that the data does not contain are removed.
	Prune Prune
}

// Rows are the rows of one kind to import.
type Rows[R any] struct {
	All iter.Seq[R]
	// Fields are the names of the columns that the rows have, as the contract names them. The other fields of
	// an existing row do not change. Nil means all columns.
	Fields []string
	// Places has the place of each row in its file, for an [ImportProblem]. It is nil if the places are
	// unknown.
	Places []Place
}

// Place is the position of a row in its file.
type Place struct {
	// Sheet is the name of the workbook's sheet; empty for a CSV file.
	Sheet string
	Line  int
}

// String returns the place in the form in which an error names it.
func (p Place) String() string {
	if p.Sheet == "" {
		return fmt.Sprintf("line %d", p.Line)
	}
	return fmt.Sprintf("line %d of sheet %s", p.Line, p.Sheet)
}

// ColumnRow is an imported source column, with the name of its data source.
type ColumnRow struct {
	DataSource, SchemaName, TableName, ColumnName string
	DataType, Description                         string
	// RelationKind, Position, IsPrimaryKey and References are as in [SourceColumn].
	RelationKind RelationKind
	Position     int32
	IsPrimaryKey bool
	References   string
}

// MappingRow is an imported mapping. It names its attribute by name, or by line item number and MDRM code. An
// empty field leaves the value of the mapping unchanged.
type MappingRow struct {
	// Line and Sheet are the place of the row in its file, for an [ImportProblem].
	Line                                int
	Sheet                               string
	AttributeName, LineItemNumber, MDRM string

	PDEName, PDECode, PDEDescription            string
	DataSource, SourceField                     string
	SourceFields                                SourceFields
	MappingType                                 MappingType
	TransformationRule                          string
	BusinessProcess, BusinessOwner, DataSteward string
	// Confirmed is true if a person has confirmed the mapping.
	Confirmed bool
}

// ImportResult counts the rows that an import handled.
type ImportResult struct {
	Attributes  Tally
	DataSources Tally
	Columns     Tally
	// Mappings counts the mappings of new attributes as added, whether or not the import has values for them.
	// It counts the mappings of older attributes as updated, unchanged or kept, if the import has values for
	// them.
	Mappings Tally
	// Missing has the attributes and columns that the report has and the data does not contain: attributes if
	// the data contains any, and columns of the data sources that it names. With [PruneNothing] they are not
	// removed, but jobs no longer use the columns, until an import contains them again.
	Missing Missing
	// Changes has the differences of the data sources that had columns before. Columns that are gone are removed if
	// the data source was read from its database again, as by [RefreshDataSource], or with Prune.
	Changes []SourceChanges
}

// Tally counts rows by the effect that an import had on them.
type Tally struct {
	Added, Updated, Unchanged int64
	// Kept counts the rows that were not updated because a person has confirmed them.
	Kept int64
	// Removed counts the rows that were removed because the data does not contain them, and Unmapped the
	// mappings whose column was removed.
	Removed, Unmapped int64
}

// Import writes the data into the report, and inserts the report if it does not exist. It finds attributes by
// their identity, data sources by their name, and columns by data source, schema, table and name. It updates
// rows that exist. It removes rows that the data does not contain only if Prune demands it. Each attribute has
// exactly one mapping. A mapping is updated if the import has other values for it, unless a person has
// confirmed it, and each update has a history entry.
//
// It returns an [ActiveJobError] if a job of the report is active, [ImportProblems] if rows do not fit the
// report, a [ConfirmedError] if it would remove something that a person has confirmed, and an error of
// [IsLockTimeout] if another import holds the report's lock for long. After an error the caller rolls the
// transaction back.
func Import(ctx context.Context, tx bun.Tx, data ReportData) (ImportResult, error) {
	fresh := Report{
		CycleID: data.CycleID, ReportID: data.ReportID, Name: data.Name, CreatedBy: data.Author, UpdatedBy: data.Author,
	}
	if fresh.Name == "" {
		fresh.Name = data.ReportID
	}
	report, now, err := makeReport(ctx, tx, fresh)
	if err != nil {
		return ImportResult{}, err
	}
	im := importer{tx: tx, report: report, now: now, author: data.Author, sources: map[string]string{}}
	if !report.CreatedAt.Equal(now) {
		im.kept, im.compared = &kept{}, map[string]*comparison{}
	}
	if err := im.sourceColumns(ctx, data); err != nil {
		return ImportResult{}, err
	}
	if err := im.attributes(ctx, data.Attributes); err != nil {
		return ImportResult{}, err
	}
	if err := im.prune(ctx, data.Prune); err != nil {
		return im.done, err
	}
	if err := im.mappings(ctx, data.Mappings); err != nil {
		return ImportResult{}, err
	}
	if data.Name != "" {
		im.report.Name = data.Name
	}
	if err := im.finish(ctx, report); err != nil {
		return im.done, err
	}
	counts := im.counts()
	if report.CreatedAt.Equal(now) {
		counts.Reports.Added = 1
	} else if im.report.Name != report.Name {
		counts.Reports.Updated = 1
	}
	return im.done, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionImported,
		Object: PlanningObjectReport, Name: im.report.Name, Counts: counts, ChangedAt: now, ChangedBy: data.Author,
	})
}

// importer is one import in a transaction that holds the lock of the report.
type importer struct {
	tx     bun.Tx
	report Report
	now    time.Time
	author string
	// sources has the ids of the data sources read so far, by name.
	sources map[string]string
	// kept has the identities that the import contains. It is nil for a new report, which has no other rows.
	kept *kept
	// compared has the comparisons of the data sources that existed before, by their names.
	compared map[string]*comparison
	// uncoded has the ids of the attributes with a line item number and without an MDRM code. It is nil before
	// the first use.
	uncoded map[uncodedKey]string
	// newlyMissing counts the columns that the last import contained and this one does not.
	newlyMissing int64
	// revised counts the mappings that need revision because a column is missing.
	revised int64
	done    ImportResult
}

// counts returns the numbers of written rows.
func (im *importer) counts() PlanningCounts {
	count := func(t Tally) PlanningCount {
		return PlanningCount{Added: t.Added, Updated: t.Updated + t.Unmapped, Removed: t.Removed}
	}
	columns := count(im.done.Columns)
	columns.Updated += im.newlyMissing
	mappings := count(im.done.Mappings)
	mappings.Updated += im.revised
	return PlanningCounts{
		Attributes: count(im.done.Attributes), DataSources: count(im.done.DataSources), Columns: columns,
		Mappings: mappings,
	}
}

// finish writes the name and the number of mappings of the report, if they changed.
func (im *importer) finish(ctx context.Context, before Report) error {
	im.report.MappingCount += im.done.Mappings.Added - im.done.Mappings.Removed
	if im.report.MappingCount == before.MappingCount && im.report.Name == before.Name {
		return nil
	}
	im.report.UpdatedAt, im.report.UpdatedBy = im.now, im.author
	_, err := im.tx.NewUpdate().Model(&im.report).Column("name", "mapping_count", "updated_at", "updated_by").
		WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("report %s: %w", im.report.ReportID, err)
	}
	return nil
}

func (im *importer) columns(ctx context.Context, rows Rows[ColumnRow]) error {
	fresh := rows.Fields
	if fresh != nil {
		fresh = append(slices.Clone(fresh), "missing_since") // which no file has
	}
	for page := range pages(rows.All) {
		if err := im.makeSources(ctx, page); err != nil {
			return err
		}
		im.compare(page, rows.Fields)
		ids, err := newIDs(len(page))
		if err != nil {
			return err
		}
		_, err = im.upsert(ctx, "source_columns", ids, 2, fresh, &im.done.Columns, []field{
			textField(page, "data_source_id", func(c ColumnRow) string { return im.sources[c.DataSource] }),
			textField(page, "identity",
				func(c ColumnRow) string { return ColumnIdentity(c.SchemaName, c.TableName, c.ColumnName) }),
			textField(page, "schema_name", func(c ColumnRow) string { return c.SchemaName }),
			textField(page, "table_name", func(c ColumnRow) string { return c.TableName }),
			textField(page, "column_name", func(c ColumnRow) string { return c.ColumnName }),
			textField(page, "data_type", func(c ColumnRow) string { return c.DataType }),
			textField(page, "description", func(c ColumnRow) string { return c.Description }),
			textField(page, "relation_kind", func(c ColumnRow) string { return string(c.RelationKind) }),
			{"position", "integer[]", each(page, func(c ColumnRow) int32 { return c.Position })},
			flagField(page, "is_primary_key", func(c ColumnRow) bool { return c.IsPrimaryKey }),
			textField(page, "references_field", func(c ColumnRow) string { return c.References }),
			{"missing_since", "timestamptz[]", make([]*time.Time, len(page))},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeSources inserts the data sources of the page that do not exist.
func (im *importer) makeSources(ctx context.Context, page []ColumnRow) error {
	var names []string
	for _, c := range page {
		if _, known := im.sources[c.DataSource]; !known && !slices.Contains(names, c.DataSource) {
			names = append(names, c.DataSource)
		}
	}
	if len(names) == 0 {
		return nil
	}
	ids, err := newIDs(len(names))
	if err != nil {
		return err
	}
	self := func(name string) string { return name }
	_, err = im.upsert(ctx, "data_sources", ids, 3, []string{}, &im.done.DataSources, []field{
		im.cycle(len(names)), im.reportID(len(names)), textField(names, "name", self),
	})
	if err != nil {
		return err
	}
	var sources []DataSource
	err = im.tx.NewSelect().Model(&sources).Column("id", "name", "column_count").
		Where("cycle_id = ? and report_id = ? and name in (?)", im.report.CycleID, im.report.ReportID,
			bun.List(names)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("data sources of report %s: %w", im.report.ReportID, err)
	}
	for _, source := range sources {
		im.sources[source.Name] = source.ID
	}
	return im.newComparisons(ctx, sources)
}

func (im *importer) attributes(ctx context.Context, rows Rows[Attribute]) error {
	var problems ImportProblems
	read := 0
	for page := range pages(rows.All) {
		ids, err := newIDs(len(page))
		if err != nil {
			return err
		}
		found, err := im.recognise(ctx, page, rows, read)
		if err != nil {
			return err
		}
		read += len(page)
		if problems = append(problems, found...); len(problems) > 0 {
			continue // the transaction will be rolled back
		}
		im.kept.attributes(page)
		if err := im.writeAttributes(ctx, ids, page, rows.Fields); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// writeAttributes writes the page, and an unmapped mapping for each new attribute.
func (im *importer) writeAttributes(ctx context.Context, ids []string, page []Attribute, fields []string) error {
	n := len(page)
	added, err := im.upsert(ctx, "attributes", ids, 3, fields, &im.done.Attributes, []field{
		im.cycle(n), im.reportID(n),
		textField(page, "identity",
			func(a Attribute) string { return AttributeIdentity(a.LineItemNumber, a.MDRM, a.AttributeName) }),
		textField(page, "attribute_name", func(a Attribute) string { return a.AttributeName }),
		textField(page, "description", func(a Attribute) string { return a.Description }),
		textField(page, "data_type", func(a Attribute) string { return a.DataType }),
		textField(page, "line_item_number", func(a Attribute) string { return a.LineItemNumber }),
		textField(page, "technical_line_item_name", func(a Attribute) string { return a.TechnicalLineItemName }),
		textField(page, "mdrm", func(a Attribute) string { return a.MDRM }),
		flagField(page, "is_mandatory", func(a Attribute) bool { return a.IsMandatory }),
		flagField(page, "is_cde", func(a Attribute) bool { return a.IsCDE }),
		flagField(page, "is_primary_key", func(a Attribute) bool { return a.IsPrimaryKey }),
		flagField(page, "has_issues", func(a Attribute) bool { return a.HasIssues }),
		textField(page, "validation_rules", func(a Attribute) string { return a.ValidationRules }),
	})
	if err != nil {
		return err
	}
	return im.addMappings(ctx, added)
}

// addMappings adds an empty mapping for each of the attributes.
func (im *importer) addMappings(ctx context.Context, attributeIDs []string) error {
	n := len(attributeIDs)
	mappingIDs, err := newIDs(n)
	if err != nil || n == 0 {
		return err
	}
	self := func(id string) string { return id }
	_, err = im.upsert(ctx, "pde_mappings", mappingIDs, 1, []string{}, &im.done.Mappings, []field{
		textField(attributeIDs, "attribute_id", self), im.cycle(n), im.reportID(n),
	})
	return err
}

// save writes the changes with this comment in their history. After an error the caller rolls the transaction
// back.
func (im *importer) save(ctx context.Context, action HistoryAction, changes []change, comment string) error {
	for i := range changes {
		changes[i].comment = comment
	}
	return saveChanges(ctx, im.tx, changeBatch{at: im.now, author: im.author, action: action}, changes)
}

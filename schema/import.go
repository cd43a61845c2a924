package schema

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// importPage is how many rows one statement of an import writes.
const importPage = 1000

// ReportData is what an import brings into a report. All of it is read once, from front to back, and never held as a whole.
type ReportData struct {
	CycleID, ReportID string
	// Name is the report's. Empty leaves it as it is; a new report is then called by its id.
	Name string
	// Author is who imports.
	Author string
	// Attributes need neither ids nor an identity. No two may have the same identity.
	Attributes Rows[Attribute]
	// Columns are the candidate columns of the report's data sources. No two may be the same column.
	Columns Rows[ColumnRow]
	// Mappings is what is known already of which column feeds which attribute.
	Mappings iter.Seq[MappingRow]
	// Prune decides what becomes of attributes and columns that the data no longer contains.
	Prune Prune
}

// Rows is one kind of thing to import.
type Rows[R any] struct {
	All iter.Seq[R]
	// Fields names what the rows say, by the names of the contract's columns. What they do not say stays as it is where a row is there
	// already. Nil means everything.
	Fields []string
	// Places has for each row where it is in its file, for an [ImportProblem]. Nil means that nothing is known.
	Places []Place
}

// Place is where a row is in its file.
type Place struct {
	// Sheet is the name of the workbook's sheet; empty for a CSV file.
	Sheet string
	Line  int
}

// String returns the place as a reason names it.
func (p Place) String() string {
	if p.Sheet == "" {
		return fmt.Sprintf("line %d", p.Line)
	}
	return fmt.Sprintf("line %d of sheet %s", p.Line, p.Sheet)
}

// ColumnRow is a source column as it is imported: with the name of its data source.
type ColumnRow struct {
	DataSource, SchemaName, TableName, ColumnName string
	DataType, Description                         string
}

// MappingRow is a mapping as it is imported: with what its attribute is known by. What is empty says nothing.
type MappingRow struct {
	// Line and Sheet are where the row is in its file, for an [ImportProblem].
	Line                                int
	Sheet                               string
	AttributeName, LineItemNumber, MDRM string

	PDEName, PDECode, PDEDescription            string
	DataSource, SourceField                     string
	MappingType                                 MappingType
	TransformationRule                          string
	BusinessProcess, BusinessOwner, DataSteward string
	// Confirmed says that a person stands by the mapping.
	Confirmed bool
}

// ImportResult counts what an import did.
type ImportResult struct {
	Attributes  Tally
	DataSources Tally
	Columns     Tally
	// Mappings counts as added the rows that the new attributes got, whether or not the import says anything of them; as updated,
	// unchanged and kept the mappings of older attributes of which it does.
	Mappings Tally
	// Missing is what the report has and the data no longer contains: attributes, if it has any, and columns of the data sources that it names.
	// With [PruneNothing] it stays.
	Missing Missing
}

// Tally counts rows by what became of them.
type Tally struct {
	Added, Updated, Unchanged int64
	// Kept counts what the import would have changed if a person had not confirmed it.
	Kept int64
	// Removed counts what was no longer in the data, and Unmapped the mappings that have lost their column with it.
	Removed, Unmapped int64
}

// Import brings the data into the report, which it makes where there is none. Attributes are known by their identity, data sources by
// name, columns by source, schema, table and name; what is there already is updated. What is no longer in the data is removed only if
// Prune asks for it. Each attribute has exactly one mapping. A mapping changes where the import says something else than it does, unless a person has confirmed it, and each change
// has its history.
//
// It returns an [ActiveJobError] where a job works on the report, [ImportProblems] where rows do not fit, a [ConfirmedError] where Prune
// would remove what a person has confirmed, and lock_not_available of the database where another import takes long. After an error the caller rolls the transaction back.
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
		im.kept = &kept{}
	}
	if err := im.columns(ctx, data.Columns); err != nil {
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
		CycleID: report.CycleID, ReportID: report.ReportID, Action: PlanningActionImported, Object: PlanningObjectReport,
		Name: im.report.Name, Counts: counts, ChangedAt: now, ChangedBy: data.Author,
	})
}

// importer is one import, which holds the report's lock.
type importer struct {
	tx     bun.Tx
	report Report
	now    time.Time
	author string
	// sources has the ids of the data sources by name, as far as they are known.
	sources map[string]string
	// kept is what the import brings; nil for a new report, which has nothing else.
	kept *kept
	// uncoded has the ids of the attributes with a line item number and no mdrm; nil until it is needed.
	uncoded map[uncodedKey]string
	done    ImportResult
}

// counts returns what the import has written.
func (im *importer) counts() PlanningCounts {
	count := func(t Tally) PlanningCount {
		return PlanningCount{Added: t.Added, Updated: t.Updated + t.Unmapped, Removed: t.Removed}
	}
	return PlanningCounts{
		Attributes: count(im.done.Attributes), DataSources: count(im.done.DataSources), Columns: count(im.done.Columns),
		Mappings: count(im.done.Mappings),
	}
}

// finish writes the report where the import has changed it.
func (im *importer) finish(ctx context.Context, before Report) error {
	im.report.MappingCount += im.done.Mappings.Added - im.done.Mappings.Removed
	if im.report.MappingCount == before.MappingCount && im.report.Name == before.Name {
		return nil
	}
	im.report.UpdatedAt, im.report.UpdatedBy = im.now, im.author
	_, err := im.tx.NewUpdate().Model(&im.report).Column("name", "mapping_count", "updated_at", "updated_by").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("report %s: %w", im.report.ReportID, err)
	}
	return nil
}

func (im *importer) columns(ctx context.Context, rows Rows[ColumnRow]) error {
	for page := range pages(rows.All) {
		if err := im.makeSources(ctx, page); err != nil {
			return err
		}
		im.kept.columns(page, im.sources)
		ids, err := newIDs(len(page))
		if err != nil {
			return err
		}
		_, err = im.upsert(ctx, "source_columns", ids, 2, rows.Fields, &im.done.Columns, []field{
			textField(page, "data_source_id", func(c ColumnRow) string { return im.sources[c.DataSource] }),
			textField(page, "identity", func(c ColumnRow) string { return ColumnIdentity(c.SchemaName, c.TableName, c.ColumnName) }),
			textField(page, "schema_name", func(c ColumnRow) string { return c.SchemaName }),
			textField(page, "table_name", func(c ColumnRow) string { return c.TableName }),
			textField(page, "column_name", func(c ColumnRow) string { return c.ColumnName }),
			textField(page, "data_type", func(c ColumnRow) string { return c.DataType }),
			textField(page, "description", func(c ColumnRow) string { return c.Description }),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeSources makes the data sources that the page names and that are not there yet.
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
	err = im.tx.NewSelect().Model(&sources).Column("id", "name").
		Where("cycle_id = ? and report_id = ? and name in (?)", im.report.CycleID, im.report.ReportID, bun.List(names)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("data sources of report %s: %w", im.report.ReportID, err)
	}
	for _, source := range sources {
		im.sources[source.Name] = source.ID
	}
	return nil
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
			continue // nothing of it will stay
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

// writeAttributes writes the page, and an unmapped mapping for each attribute that is new.
func (im *importer) writeAttributes(ctx context.Context, ids []string, page []Attribute, fields []string) error {
	n := len(page)
	added, err := im.upsert(ctx, "attributes", ids, 3, fields, &im.done.Attributes, []field{
		im.cycle(n), im.reportID(n),
		textField(page, "identity", func(a Attribute) string { return AttributeIdentity(a.LineItemNumber, a.MDRM, a.AttributeName) }),
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
	if err != nil || len(added) == 0 {
		return err
	}
	mappingIDs, err := newIDs(len(added))
	if err != nil {
		return err
	}
	self := func(id string) string { return id }
	_, err = im.upsert(ctx, "pde_mappings", mappingIDs, 1, []string{}, &im.done.Mappings, []field{
		textField(added, "attribute_id", self), im.cycle(len(added)), im.reportID(len(added)),
	})
	return err
}

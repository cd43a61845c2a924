package api

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/pdeflow/pdeflow/schema"
)

// The definitions of the OpenLineage specification that an event follows.
const (
	lineageSpec       = "https://openlineage.io/spec/"
	lineageEventURL   = lineageSpec + "2-0-2/OpenLineage.json#/$defs/RunEvent"
	lineageColumnsURL = lineageSpec + "facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet"
	lineageSchemaURL  = lineageSpec + "facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet"
	lineageTagsURL    = lineageSpec + "facets/1-0-0/TagsDatasetFacet.json#/$defs/TagsDatasetFacet"
	lineageVersionURL = lineageSpec + "facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
)

const (
	lineageProducer = "https://github.com/pdeflow/pdeflow"
	// lineageName is the namespace of reports and the source of tags.
	lineageName          = "pdeflow"
	lineageEventComplete = "COMPLETE"
)

type (
	// lineageDataset identifies a table or a report.
	lineageDataset struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	}
	// lineageInput is a column that a field of the report is derived from.
	lineageInput struct {
		lineageDataset
		Field           string                  `json:"field"`
		Transformations []lineageTransformation `json:"transformations"`
	}
	// lineageTransformation is how a field is derived. Masking is omitted if it is unknown.
	lineageTransformation struct {
		Type        string `json:"type"`
		Subtype     string `json:"subtype,omitempty"`
		Description string `json:"description,omitempty"`
		Masking     *bool  `json:"masking,omitempty"`
	}
	lineageFacet struct {
		Producer  string `json:"_producer"`
		SchemaURL string `json:"_schemaURL"`
	}
	lineageField struct {
		Name        string `json:"name"`
		Type        string `json:"type,omitempty"`
		Description string `json:"description,omitempty"`
	}
	lineageTag struct {
		Key    string `json:"key"`
		Value  string `json:"value"`
		Source string `json:"source"`
		Field  string `json:"field"`
	}
)

// lineageExport writes the column lineage of a report as one OpenLineage event. The fields of the report are in three
// facets, so the mappings are read three times. Only the columns, the tables and the names of the data sources are kept
// in memory.
type lineageExport struct {
	db    *schema.DB
	out   *jsonStream
	of    ReportPath
	pages mappingPages
	// columns are the source columns of the report, and owners their data sources by source field. Sources has the
	// names of the data sources by id, and tables those tables that feed the report.
	columns []schema.SourceColumn
	owners  map[string][]string
	sources map[string]string
	tables  map[lineageDataset]bool
}

// lineageSchema returns the schema of the event. The specification has the rest.
func lineageSchema() *huma.Schema {
	datasets := &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject}}
	return &huma.Schema{
		Type: huma.TypeObject, Description: "An OpenLineage event; see " + lineageEventURL + ".",
		Properties: map[string]*huma.Schema{
			"eventType": {Type: huma.TypeString, Enum: []any{lineageEventComplete}},
			"eventTime": {Type: huma.TypeString, Format: "date-time"},
			"producer":  {Type: huma.TypeString, Format: "uri"},
			"schemaURL": {Type: huma.TypeString, Format: "uri"},
			"run":       {Type: huma.TypeObject},
			"job":       {Type: huma.TypeObject},
			"inputs":    datasets,
			"outputs":   datasets,
		},
		Required: []string{"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"},
	}
}

// writeLineage writes the event to the writer.
func (s *Server) writeLineage(ctx context.Context, to io.Writer, of ReportPath, pages mappingPages) error {
	e := lineageExport{
		db: s.db, out: &jsonStream{to: to}, of: of, pages: pages, sources: map[string]string{},
		tables: map[lineageDataset]bool{}, owners: map[string][]string{},
	}
	run, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("id of the run: %w", err)
	}
	list := func(after string, limit int) ([]schema.DataSource, error) {
		return schema.ListDataSources(ctx, s.db, of.CycleID, of.ReportID, after, limit)
	}
	for sources, err := range schema.Pages(exportPage, list, func(d schema.DataSource) string { return d.ID }) {
		if err != nil {
			return err
		}
		for _, source := range sources {
			e.sources[source.ID] = source.Name
		}
	}
	if e.columns, err = schema.ListSourceColumns(ctx, s.db, of.CycleID, of.ReportID); err != nil {
		return err
	}
	for _, c := range e.columns {
		e.owners[c.SourceField()] = append(e.owners[c.SourceField()], c.DataSourceID)
	}
	e.out.open("{")
	e.out.value("eventType", lineageEventComplete)
	e.out.value("eventTime", time.Now().UTC().Format(time.RFC3339Nano))
	e.out.value("producer", lineageProducer)
	e.out.value("schemaURL", lineageEventURL)
	e.out.value("run", map[string]string{"runId": run.String()})
	e.out.value("job", lineageDataset{lineageName, of.ReportID})
	if err := e.outputs(ctx); err != nil {
		return err
	}
	e.inputs()
	e.out.close("}\n")
	return e.out.err
}

// outputs writes the report with the lineage, the names and the classification of its fields.
func (e *lineageExport) outputs(ctx context.Context) error {
	e.out.key("outputs").open("[").open("{")
	e.out.value("namespace", lineageName)
	e.out.value("name", e.of.ReportID)
	e.out.key("facets").open("{")
	e.out.value("version", struct {
		lineageFacet
		DatasetVersion string `json:"datasetVersion"`
	}{lineageFacet{lineageProducer, lineageVersionURL}, e.of.CycleID})
	facets := []struct {
		name, url, list, begin, end string
		write                       func(field string, m Mapping)
	}{
		{"columnLineage", lineageColumnsURL, "fields", "{", "}", e.writeInputs},
		{"schema", lineageSchemaURL, "fields", "[", "]", e.writeField},
		{"tags", lineageTagsURL, "tags", "[", "]", e.writeTags},
	}
	for _, facet := range facets {
		e.out.key(facet.name).open("{")
		e.out.value("_producer", lineageProducer)
		e.out.value("_schemaURL", facet.url)
		e.out.key(facet.list).open(facet.begin)
		if err := e.eachField(ctx, facet.write); err != nil {
			return err
		}
		e.out.close(facet.end).close("}")
	}
	e.out.close("}").close("}").close("]")
	return e.out.err
}

// eachField calls write for each attribute that has a column, with the name of its field. Attributes with the same name
// are distinguished by their line items.
func (e *lineageExport) eachField(ctx context.Context, write func(field string, m Mapping)) error {
	return e.pages.each(ctx, func(page []schema.ListedMapping) error {
		ids := make([]string, len(page))
		for i, m := range page {
			ids[i] = m.AttributeID
		}
		ambiguous, err := schema.ListAmbiguousAttributes(ctx, e.db, ids)
		if err != nil {
			return err
		}
		names := map[string]string{}
		for _, a := range ambiguous {
			names[a.ID] = fmt.Sprintf("%s (%s)", a.AttributeName, lineItem(a))
		}
		for _, listed := range page {
			if m := newMapping(listed); m.SourceField != nil {
				name := m.AttributeName
				if unique, found := names[m.AttributeID]; found {
					name = unique
				}
				write(name, m)
			}
		}
		return e.out.err
	})
}

// lineItem returns what distinguishes an attribute from others with the same name.
func lineItem(a schema.Attribute) string {
	if a.MDRM == "" {
		return a.LineItemNumber
	}
	return a.LineItemNumber + ", " + a.MDRM
}

func (e *lineageExport) writeInputs(field string, m Mapping) {
	inputs := e.inputsOf(m)
	for _, input := range inputs {
		e.tables[input.lineageDataset] = true
	}
	e.out.value(field, map[string][]lineageInput{"inputFields": inputs})
}

// inputsOf returns the columns that an attribute is derived from. Only the main one has a data source in the mapping.
func (e *lineageExport) inputsOf(m Mapping) []lineageInput {
	inputs := []lineageInput{}
	for _, field := range m.SourceFields {
		column, ok := schema.ParseSourceField(field)
		if !ok {
			continue
		}
		column.DataSourceID = orZero(m.DataSourceID)
		if owners := e.owners[field]; len(owners) > 0 && !slices.Contains(owners, column.DataSourceID) {
			column.DataSourceID = owners[0]
		}
		if e.sources[column.DataSourceID] == "" {
			continue // the data source was removed
		}
		inputs = append(inputs, lineageInput{
			e.dataset(column), column.ColumnName, []lineageTransformation{transformationOf(m)},
		})
	}
	return inputs
}

// dataset returns the table of a column. A table is named in its data source as schema.table.
func (e *lineageExport) dataset(c schema.SourceColumn) lineageDataset {
	return lineageDataset{Namespace: e.sources[c.DataSourceID], Name: c.SchemaName + "." + c.TableName}
}

// transformationOf returns how the attribute is derived from each of its columns. Only a copy is known not to mask the
// data.
func transformationOf(m Mapping) lineageTransformation {
	t := lineageTransformation{Type: "DIRECT", Subtype: "TRANSFORMATION"}
	kind := orZero(m.MappingType)
	if kind == schema.MappingTypeDirect {
		t.Subtype, t.Masking = "IDENTITY", new(bool)
	}
	t.Description = string(kind)
	if rule := orZero(m.TransformationRule); rule != "" {
		t.Description += ": " + rule
	}
	return t
}

func (e *lineageExport) writeField(field string, _ Mapping) { e.out.element(lineageField{Name: field}) }

// writeTags writes the classification of the attribute.
func (e *lineageExport) writeTags(field string, m Mapping) {
	writeTag(e.out, field, "information_security_classification", m.InformationSecurityClassification)
	writeTag(e.out, field, "criticality", m.Criticality)
	writeTag(e.out, field, "risk_level", m.RiskLevel)
	writeTag(e.out, field, "regulatory_flag", m.RegulatoryFlag)
	writeTag(e.out, field, "pii_flag", m.PIIFlag)
}

// writeTag writes a tag, unless it has no value.
func writeTag[T any](to *jsonStream, field, key string, value *T) {
	if value != nil {
		to.element(lineageTag{key, fmt.Sprint(*value), lineageName, field})
	}
}

// inputs writes the tables that feed the report, with all of their columns, because a catalogue would take a shorter
// list for the removal of the others.
func (e *lineageExport) inputs() {
	e.out.key("inputs").open("[")
	for columns := e.columns; len(columns) > 0; {
		table, n := e.dataset(columns[0]), 0
		for n < len(columns) && e.dataset(columns[n]) == table {
			n++
		}
		if e.tables[table] {
			e.writeTable(table, columns[:n])
		}
		columns = columns[n:]
	}
	e.out.close("]")
}

func (e *lineageExport) writeTable(table lineageDataset, columns []schema.SourceColumn) {
	fields := make([]lineageField, len(columns))
	for i, c := range columns {
		fields[i] = lineageField{c.ColumnName, c.DataType, c.Description}
	}
	type schemaFacet struct {
		lineageFacet
		Fields []lineageField `json:"fields"`
	}
	e.out.element(struct {
		lineageDataset
		Facets map[string]schemaFacet `json:"facets"`
	}{table, map[string]schemaFacet{"schema": {lineageFacet{lineageProducer, lineageSchemaURL}, fields}}})
}

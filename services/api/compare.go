package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/schema"
)

// Difference is an attribute that differs between two cycles of a report.
type Difference struct {
	Change        schema.DifferenceKind `json:"change" enum:"added,dropped,changed" doc:"Added since the other cycle, dropped since then, or changed."`
	AttributeName string                `json:"attribute_name"`
	AttributeID   *string               `json:"attribute_id" doc:"Null if it was dropped."`
	MappingID     *string               `json:"mapping_id" doc:"Null if it was dropped."`

	WithAttributeID *string `json:"with_attribute_id" doc:"Of the other cycle; null if it was added."`
	WithMappingID   *string `json:"with_mapping_id" doc:"Of the other cycle; null if it was added."`

	Fields []FieldChange `json:"fields" nullable:"false" doc:"What was changed; before is the value in the other cycle."`
}

// registerComparison registers the comparison of two cycles.
func (s *Server) registerComparison() {
	route(s, Viewer, huma.Operation{
		OperationID: "compare-report", Method: http.MethodGet, Path: reportPath + "/compare",
		Tags: []string{"planning"}, Summary: "Lists the differences to another cycle of the report, by attribute",
		Description: "Attributes are matched as in an import. First the added and changed attributes in their order, " +
			"then the dropped ones. Compared are the columns of a file of attributes, the data source, and the " +
			"fields of a mapping that a person or a reviewer decides; confidences, rationales and suggestions are not.",
	}, s.compare)
}

// compareInput is a request to compare two cycles.
type compareInput struct {
	ReportPath
	PageQuery
	With string `query:"with" required:"true" minLength:"1" maxLength:"100" doc:"The other cycle."`
}

func (s *Server) compare(ctx context.Context, in *compareInput) (*pageOutput[Difference], error) {
	if in.With == in.CycleID {
		return nil, newFieldProblem("query.with", "must be another cycle than that of the path")
	}
	key, err := in.after(2)
	if err != nil {
		return nil, err
	}
	var after schema.DifferencePosition
	if key != nil {
		after = schema.DifferencePosition{Dropped: key[0] == string(schema.DifferenceKindDropped), ID: key[1]}
	}
	differences, next, err := schema.Comparison{
		CycleID: in.CycleID, ReportID: in.ReportID, OtherCycleID: in.With,
	}.List(ctx, s.db, after, in.Limit)
	if other, ok := errors.AsType[*schema.OtherCycleError](err); ok {
		return nil, otherCycleProblem("query.with", in.With, other)
	}
	if err != nil {
		return nil, planningError(err)
	}
	page := Page[Difference]{Items: make([]Difference, len(differences))}
	for i, d := range differences {
		page.Items[i] = newDifference(d)
	}
	if next != nil {
		part := schema.DifferenceKindChanged
		if next.Dropped {
			part = schema.DifferenceKindDropped
		}
		page.NextCursor, err = cursor(string(part), next.ID)
	}
	return &pageOutput[Difference]{Body: page}, err
}

func newDifference(d schema.Difference) Difference {
	fields := make([]FieldChange, len(d.Fields))
	for i, change := range d.Fields {
		fields[i] = FieldChange(change)
	}
	return Difference{
		Change: d.Kind, AttributeName: d.AttributeName, AttributeID: orNull(d.AttributeID),
		MappingID: orNull(d.MappingID), WithAttributeID: orNull(d.OtherAttributeID),
		WithMappingID: orNull(d.OtherMappingID), Fields: fields,
	}
}

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// Attribute is one line item of a report.
type Attribute struct {
	ID string `json:"id"`
	AttributeBody
}

// AttributeBody has the columns of a file of attributes.
type AttributeBody struct {
	AttributeName         string `json:"attribute_name" doc:"The name, of at most 1,000 characters."`
	Description           string `json:"description" required:"false"`
	DataType              string `json:"data_type" required:"false" doc:"Such as C18, N10 or Date YYYYMMDD."`
	LineItemNumber        string `json:"line_item_number" required:"false" doc:"Part of the identity, see the import."`
	TechnicalLineItemName string `json:"technical_line_item_name" required:"false"`
	MDRM                  string `json:"mdrm" required:"false" doc:"The MDRM code of the Federal Reserve."`
	IsMandatory           bool   `json:"is_mandatory" required:"false"`
	IsCDE                 bool   `json:"is_cde" required:"false" doc:"Whether it is a critical data element."`
	IsPrimaryKey          bool   `json:"is_primary_key" required:"false"`
	HasIssues             bool   `json:"has_issues" required:"false"`
	ValidationRules       string `json:"validation_rules" required:"false"`
}

// AttributeEdit has the fields of an attribute that a request corrects. Absent fields do not change.
type AttributeEdit struct {
	AttributeName         *string `json:"attribute_name,omitempty"`
	Description           *string `json:"description,omitempty" doc:"An empty text removes a value."`
	DataType              *string `json:"data_type,omitempty"`
	LineItemNumber        *string `json:"line_item_number,omitempty" doc:"Part of the identity, see the import."`
	TechnicalLineItemName *string `json:"technical_line_item_name,omitempty"`
	MDRM                  *string `json:"mdrm,omitempty"`
	IsMandatory           *bool   `json:"is_mandatory,omitempty"`
	IsCDE                 *bool   `json:"is_cde,omitempty"`
	IsPrimaryKey          *bool   `json:"is_primary_key,omitempty"`
	HasIssues             *bool   `json:"has_issues,omitempty"`
	ValidationRules       *string `json:"validation_rules,omitempty"`
}

// onto returns the attribute with the fields of the edit. An error is a [Problem].
func (e AttributeEdit) onto(a schema.Attribute) (schema.Attribute, error) {
	setIfGiven(&a.AttributeName, e.AttributeName)
	setIfGiven(&a.Description, e.Description)
	setIfGiven(&a.DataType, e.DataType)
	setIfGiven(&a.LineItemNumber, e.LineItemNumber)
	setIfGiven(&a.TechnicalLineItemName, e.TechnicalLineItemName)
	setIfGiven(&a.MDRM, e.MDRM)
	setIfGiven(&a.IsMandatory, e.IsMandatory)
	setIfGiven(&a.IsCDE, e.IsCDE)
	setIfGiven(&a.IsPrimaryKey, e.IsPrimaryKey)
	setIfGiven(&a.HasIssues, e.HasIssues)
	setIfGiven(&a.ValidationRules, e.ValidationRules)
	a, err := tabular.CheckAttribute(a)
	if err != nil {
		return a, bodyProblems(err)
	}
	return a, nil
}

// attribute returns the row of the attribute.
func (b AttributeBody) attribute() schema.Attribute {
	return schema.Attribute{
		AttributeName: b.AttributeName, Description: b.Description, DataType: b.DataType,
		LineItemNumber:        b.LineItemNumber,
		TechnicalLineItemName: b.TechnicalLineItemName, MDRM: b.MDRM, IsMandatory: b.IsMandatory, IsCDE: b.IsCDE,
		IsPrimaryKey: b.IsPrimaryKey, HasIssues: b.HasIssues, ValidationRules: b.ValidationRules,
	}
}

// createdOutput is the response to a request that has created something.
type createdOutput[T any] struct {
	Location string `header:"Location"`
	Body     T
}

type oneOutput[T any] struct{ Body T }

// registerAttributes registers the routes of attributes.
func (s *Server) registerAttributes() {
	path := reportPath + "/attributes"
	route(s, Viewer, huma.Operation{
		OperationID: "list-attributes", Method: http.MethodGet, Path: path, Tags: []string{"planning"},
		Summary: "Lists the attributes of a report in the order in which they came",
	}, s.listAttributes)
	route(s, Viewer, huma.Operation{
		OperationID: "get-attribute", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{"planning"},
		Summary: "Reads one attribute",
	}, func(ctx context.Context, in *struct {
		ReportPath
		ID string `path:"id"`
	},
	) (*oneOutput[Attribute], error) {
		attribute, err := schema.GetAttribute(ctx, s.db, in.CycleID, in.ReportID, in.ID)
		if err != nil {
			return nil, s.missingError(ctx, in.ReportPath, "attribute", err)
		}
		return &oneOutput[Attribute]{Body: newAttribute(attribute)}, nil
	})
	route(s, Tester, huma.Operation{
		OperationID: "add-attribute", Method: http.MethodPost, Path: path, Tags: []string{"planning"},
		DefaultStatus: http.StatusCreated,
		Errors:        []int{http.StatusConflict},
		Summary:       "Adds an attribute, with its unmapped mapping",
	}, s.addAttribute)
	route(s, Tester, huma.Operation{
		OperationID: "correct-attribute", Method: http.MethodPut, Path: path + "/{id}", Tags: []string{"planning"},
		Errors: []int{http.StatusConflict}, Summary: "Corrects an attribute",
		Description: "Only the fields in the body change. The mapping stays, with what people have decided about it; " +
			"the next job judges it again. Refused if the report has an active job, and if another attribute has " +
			"the identity.",
	}, s.correctAttribute)
}

func (s *Server) listAttributes(ctx context.Context, in *struct {
	ReportPath
	PageQuery
},
) (*pageOutput[Attribute], error) {
	after, err := in.afterID()
	if err != nil {
		return nil, err
	}
	if err := s.requireReport(ctx, in.ReportPath); err != nil {
		return nil, err
	}
	rows, err := schema.ListAttributes(ctx, s.db, in.CycleID, in.ReportID, after, in.rows())
	if err != nil {
		return nil, err
	}
	body, err := pageOf(in.PageQuery, rows, newAttribute, func(a schema.Attribute) []string { return []string{a.ID} })
	return &pageOutput[Attribute]{Body: body}, err
}

func (s *Server) addAttribute(ctx context.Context, in *struct {
	ReportPath
	Body AttributeBody
},
) (*createdOutput[Attribute], error) {
	attribute, err := tabular.CheckAttribute(in.Body.attribute())
	if err != nil {
		return nil, bodyProblems(err)
	}
	attribute.CycleID, attribute.ReportID, attribute.CreatedBy = in.CycleID, in.ReportID, callerOf(ctx).User
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		attribute, err = schema.InsertAttribute(ctx, tx, attribute)
		return err
	})
	if errors.Is(err, schema.ErrExists) {
		return nil, newProblem(alreadyExists, "The report has an attribute with this line_item_number and mdrm, or "+
			"without a "+
			"line_item_number and with this attribute_name.")
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &createdOutput[Attribute]{Location: in.url("attributes", attribute.ID), Body: newAttribute(attribute)}, nil
}

func (s *Server) correctAttribute(ctx context.Context, in *struct {
	ReportPath
	ID   string `path:"id"`
	Body AttributeEdit
},
) (*oneOutput[Attribute], error) {
	if in.Body == (AttributeEdit{}) {
		return nil, newFieldProblem("body", "must have at least one field of the attribute")
	}
	var attribute schema.Attribute
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		author := callerOf(ctx).User
		attribute, err = schema.UpdateAttribute(ctx, tx, in.CycleID, in.ReportID, in.ID, author, in.Body.onto)
		return err
	})
	if other, ok := errors.AsType[*schema.ExistsError](err); ok {
		return nil, newProblem(alreadyExists, fmt.Sprintf("The attribute %s (%s) has this line_item_number and mdrm, "+
			"or has no line_item_number and this attribute_name. Nothing was changed.", other.Name, other.ID))
	}
	if errors.Is(err, schema.ErrNotFound) {
		return nil, s.missingError(ctx, in.ReportPath, "attribute", err)
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &oneOutput[Attribute]{Body: newAttribute(attribute)}, nil
}

func newAttribute(a schema.Attribute) Attribute {
	return Attribute{ID: a.ID, AttributeBody: AttributeBody{
		AttributeName: a.AttributeName, Description: a.Description, DataType: a.DataType,
		LineItemNumber:        a.LineItemNumber,
		TechnicalLineItemName: a.TechnicalLineItemName, MDRM: a.MDRM, IsMandatory: a.IsMandatory, IsCDE: a.IsCDE,
		IsPrimaryKey: a.IsPrimaryKey, HasIssues: a.HasIssues, ValidationRules: a.ValidationRules,
	}}
}

// url returns the path of a resource of the report.
func (p ReportPath) url(parts ...string) string {
	path := prefix + "/planning/cycles/" + url.PathEscape(p.CycleID) + "/reports/" + url.PathEscape(p.ReportID)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// bodyProblems returns the problem for the mistakes in a body; err is [tabular.Problems].
func bodyProblems(err error) error {
	problems, ok := errors.AsType[tabular.Problems](err)
	if !ok {
		return err
	}
	problem := newProblem(invalid, "")
	for _, p := range problems.First {
		problem = problem.addError(strings.TrimSuffix("body."+p.Column, "."), p.Reason)
	}
	problem.Detail = problem.Errors[0].Location + ": " + problem.Errors[0].Message
	return problem
}

package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
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

// AttributeBody is what a file of attributes says of one.
type AttributeBody struct {
	AttributeName         string `json:"attribute_name" doc:"Its name, of at most 1,000 characters."`
	Description           string `json:"description" required:"false"`
	DataType              string `json:"data_type" required:"false" doc:"As the form has it, such as C18, N10 or Date YYYYMMDD."`
	LineItemNumber        string `json:"line_item_number" required:"false" doc:"What the attribute is known by where it has one, together with its mdrm where it has both; else by its name."`
	TechnicalLineItemName string `json:"technical_line_item_name" required:"false"`
	MDRM                  string `json:"mdrm" required:"false" doc:"The code of the Federal Reserve's micro data reference manual."`
	IsMandatory           bool   `json:"is_mandatory" required:"false"`
	IsCDE                 bool   `json:"is_cde" required:"false" doc:"Whether it is a critical data element."`
	IsPrimaryKey          bool   `json:"is_primary_key" required:"false"`
	HasIssues             bool   `json:"has_issues" required:"false"`
	ValidationRules       string `json:"validation_rules" required:"false"`
}

// cells is the body as a line of a file.
func (b AttributeBody) cells() map[string]string {
	return map[string]string{
		"attribute_name": b.AttributeName, "description": b.Description, "data_type": b.DataType, "line_item_number": b.LineItemNumber,
		"technical_line_item_name": b.TechnicalLineItemName, "mdrm": b.MDRM, "is_mandatory": strconv.FormatBool(b.IsMandatory),
		"is_cde": strconv.FormatBool(b.IsCDE), "is_primary_key": strconv.FormatBool(b.IsPrimaryKey),
		"has_issues": strconv.FormatBool(b.HasIssues), "validation_rules": b.ValidationRules,
	}
}

// createdOutput is the answer to a request that made something.
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
	}, func(ctx context.Context, in *struct {
		ReportPath
		PageQuery
	},
	) (*pageOutput[Attribute], error) {
		return listOfReport(ctx, s, in.ReportPath, in.PageQuery, showAttribute, func(a schema.Attribute) string { return a.ID },
			func(after string, limit int) ([]schema.Attribute, error) {
				return schema.ListAttributes(ctx, s.db, in.CycleID, in.ReportID, after, limit)
			})
	})
	route(s, Viewer, huma.Operation{
		OperationID: "get-attribute", Method: http.MethodGet, Path: path + "/{id}", Tags: []string{"planning"}, Summary: "Reads one attribute",
	}, func(ctx context.Context, in *struct {
		ReportPath
		ID string `path:"id"`
	},
	) (*oneOutput[Attribute], error) {
		attribute, err := schema.FindAttribute(ctx, s.db, in.CycleID, in.ReportID, in.ID)
		if err != nil {
			return nil, s.refuseMissing(ctx, in.ReportPath, "attribute", err)
		}
		return &oneOutput[Attribute]{Body: showAttribute(attribute)}, nil
	})
	route(s, Tester, huma.Operation{
		OperationID: "add-attribute", Method: http.MethodPost, Path: path, Tags: []string{"planning"}, DefaultStatus: http.StatusCreated,
		Errors:  []int{http.StatusConflict},
		Summary: "Adds an attribute, with its unmapped mapping",
	}, s.addAttribute)
}

func (s *Server) addAttribute(ctx context.Context, in *struct {
	ReportPath
	Body AttributeBody
},
) (*createdOutput[Attribute], error) {
	attribute, err := tabular.Attribute(in.Body.cells())
	if err != nil {
		return nil, bodyProblems(err)
	}
	attribute.CycleID, attribute.ReportID, attribute.CreatedBy = in.CycleID, in.ReportID, callerOf(ctx).User
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		attribute, err = schema.AddAttribute(ctx, tx, attribute)
		return err
	})
	if errors.Is(err, schema.ErrExists) {
		return nil, refuse(alreadyExists, "The report has an attribute with this line_item_number and mdrm, or without a line_item_number and with this attribute_name.")
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &createdOutput[Attribute]{Location: in.at("attributes", attribute.ID), Body: showAttribute(attribute)}, nil
}

func showAttribute(a schema.Attribute) Attribute {
	return Attribute{ID: a.ID, AttributeBody: AttributeBody{
		AttributeName: a.AttributeName, Description: a.Description, DataType: a.DataType, LineItemNumber: a.LineItemNumber,
		TechnicalLineItemName: a.TechnicalLineItemName, MDRM: a.MDRM, IsMandatory: a.IsMandatory, IsCDE: a.IsCDE,
		IsPrimaryKey: a.IsPrimaryKey, HasIssues: a.HasIssues, ValidationRules: a.ValidationRules,
	}}
}

// at is where something of the report lies.
func (p ReportPath) at(parts ...string) string {
	path := prefix + "/planning/cycles/" + url.PathEscape(p.CycleID) + "/reports/" + url.PathEscape(p.ReportID)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// bodyProblems is what is wrong with the cells of a body.
func bodyProblems(err error) error {
	problems, ok := errors.AsType[tabular.Problems](err)
	if !ok {
		return err
	}
	refusal := refuse(invalid, "")
	for _, p := range problems.First {
		refusal = refusal.at(strings.TrimSuffix("body."+p.Column, "."), p.Reason)
	}
	refusal.Detail = refusal.Errors[0].Location + ": " + refusal.Errors[0].Message
	return refusal
}

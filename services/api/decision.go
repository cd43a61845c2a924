package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

// IfMatch is the header with the version of the mapping that the caller has seen.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the mapping, such as \"7\", or * for any."`
}

// EditBody has the fields of a mapping that a person can set. Absent fields do not change.
type EditBody struct {
	SourceField *string `json:"source_field,omitempty" doc:"The column as schema.table.column; empty if none fits."`

	SourceFields *schema.SourceFields `json:"source_fields,omitempty" nullable:"false" maxItems:"20" doc:"All columns, source_field first."`

	DataSourceID   *string `json:"data_source_id,omitempty" doc:"Needed if several data sources have the column."`
	PDEName        *string `json:"pde_name,omitempty" doc:"An empty text removes a value."`
	PDECode        *string `json:"pde_code,omitempty"`
	PDEDescription *string `json:"pde_description,omitempty"`

	MappingType *schema.MappingType `json:"mapping_type,omitempty" enum:"direct,calculated,lookup,conditional"`

	TransformationRule *string `json:"transformation_rule,omitempty"`
	BusinessProcess    *string `json:"business_process,omitempty"`
	BusinessOwner      *string `json:"business_owner,omitempty"`
	DataSteward        *string `json:"data_steward,omitempty"`

	InformationSecurityClassification *schema.Tier `json:"information_security_classification,omitempty" enum:"HRCI,Confidential,Proprietary,Public"`

	Criticality    *schema.Level `json:"criticality,omitempty" enum:"High,Medium,Low"`
	RiskLevel      *schema.Level `json:"risk_level,omitempty" enum:"High,Medium,Low"`
	RegulatoryFlag *bool         `json:"regulatory_flag,omitempty"`
	PIIFlag        *bool         `json:"pii_flag,omitempty"`

	MappingConfirmedByUser *bool `json:"mapping_confirmed_by_user,omitempty" doc:"An edit confirms. False, alone, releases."`

	Comment string `json:"comment,omitempty" maxLength:"2000" doc:"The reason, for the history."`
}

// CommentBody is the body of a request with nothing but a comment.
type CommentBody struct {
	Comment string `json:"comment,omitempty" maxLength:"2000" doc:"The reason, for the history."`
}

// DecidedMapping is a mapping after a decision of a person.
type DecidedMapping struct {
	Mapping
	Message     string `json:"message" doc:"What the request has changed."`
	ReviewReset bool   `json:"review_reset" doc:"Whether the request has returned the review to pending."`
}

type decidedOutput struct {
	ETag string `header:"ETag"`
	Body DecidedMapping
}

// registerDecisions registers the routes by which a person edits a mapping and undoes that.
func (s *Server) registerDecisions() {
	path := reportPath + "/pde-mappings/{id}"
	preconditions := []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired}
	route(s, Tester, huma.Operation{
		OperationID: "edit-mapping", Method: http.MethodPut, Path: path, Tags: []string{"mappings"},
		Errors: preconditions, Summary: "Sets fields of a mapping and confirms it",
		Description: "Only the fields in the body change. Later jobs do not overwrite a confirmed mapping; they " +
			"suggest. The review returns to pending. If the mapping has changed since the version in If-Match, " +
			"412 lists the changes.",
	}, s.editMapping)
	route(s, Tester, huma.Operation{
		OperationID: "accept-suggestion", Method: http.MethodPost, Path: path + "/accept-suggestion",
		Tags: []string{"mappings"}, Errors: append(preconditions, http.StatusConflict),
		Summary: "Replaces confirmed values by the suggestions of the last job",
	}, s.acceptSuggestion)
	route(s, Tester, huma.Operation{
		OperationID: "undo-decision", Method: http.MethodPost, Path: path + "/undo", Tags: []string{"mappings"},
		Errors: []int{http.StatusConflict}, Summary: "Undoes the caller's own last edit or review of a mapping",
		Description: "Refused if the mapping has changed since. The history keeps both.",
	}, s.undoDecision)
}

// editInput is a request to edit a mapping.
type editInput struct {
	MappingPath
	IfMatch
	Body EditBody
}

func (s *Server) editMapping(ctx context.Context, in *editInput) (*decidedOutput, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	edit, comment, err := in.Body.edit()
	if err != nil {
		return nil, err
	}
	return s.decide(ctx, in.decision(ctx, version, comment),
		func(ctx context.Context, tx bun.Tx, d schema.Decision) (schema.Decided, error) {
			return schema.EditMapping(ctx, tx, d, edit)
		})
}

// acceptInput is a request to accept the suggestions for a mapping.
type acceptInput struct {
	MappingPath
	IfMatch
	Body *CommentBody
}

func (s *Server) acceptSuggestion(ctx context.Context, in *acceptInput) (*decidedOutput, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return s.decide(ctx, in.decision(ctx, version, orZero(in.Body).Comment),
		func(ctx context.Context, tx bun.Tx, d schema.Decision) (schema.Decided, error) {
			decided, err := schema.AcceptSuggestion(ctx, tx, d)
			if wrong, ok := errors.AsType[schema.EditErrors](err); ok {
				err = refuseSuggestion(wrong[0])
			}
			return decided, err
		})
}

// undoInput is a request to undo a decision.
type undoInput struct {
	MappingPath
	Body *CommentBody
}

func (s *Server) undoDecision(ctx context.Context, in *undoInput) (*decidedOutput, error) {
	return s.decide(ctx, in.decision(ctx, anyVersion, orZero(in.Body).Comment),
		func(ctx context.Context, tx bun.Tx, d schema.Decision) (schema.Decided, error) {
			decided, err := schema.Undo(ctx, tx, d, func(action schema.HistoryAction) error {
				if action == schema.HistoryActionReviewed && !callerOf(ctx).Role.Includes(Manager) {
					return newProblem(roleTooLow, "Undoing a review needs the role manager.")
				}
				return nil
			})
			if _, ok := errors.AsType[schema.EditErrors](err); ok {
				err = newProblem(nothingToUndo,
					"A column that the mapping had before is not in its data source any more.")
			}
			return decided, err
		})
}

// decision returns the decision of the caller about the mapping.
func (p MappingPath) decision(ctx context.Context, version int64, comment string) schema.Decision {
	return schema.Decision{
		CycleID: p.CycleID, ReportID: p.ReportID, MappingID: p.ID, Version: version, Author: callerOf(ctx).User,
		Comment: strings.TrimSpace(comment),
	}
}

// anyVersion is the version of a decision that accepts every version.
const anyVersion int64 = 0

// version returns the version in the header. It is required, so that a caller cannot overwrite a change that they have
// not seen, unless they accept any version, as RFC 9110 defines *.
func (m IfMatch) version() (int64, error) {
	if m.IfMatch == "" {
		return 0, newProblem(versionMissing, "Send If-Match with the ETag of the mapping, such as \"7\".")
	}
	if strings.TrimSpace(m.IfMatch) == "*" {
		return anyVersion, nil
	}
	text, quoted := strings.CutPrefix(strings.TrimSpace(m.IfMatch), `"`)
	version, err := strconv.ParseInt(strings.TrimSuffix(text, `"`), 10, 64)
	if err != nil || version < 1 || quoted != strings.HasSuffix(text, `"`) {
		return 0, newProblem(malformed, "header.If-Match: must be the ETag of the mapping, such as \"7\".")
	}
	return version, nil
}

// edit returns the edit and its comment. An error is a [Problem].
func (b EditBody) edit() (edit schema.MappingEdit, comment string, err error) {
	edit = schema.MappingEdit{
		SourceField: b.SourceField, SourceFields: b.SourceFields, DataSourceID: b.DataSourceID,
		PDEName: b.PDEName, PDECode: b.PDECode,
		PDEDescription: b.PDEDescription, MappingType: b.MappingType, TransformationRule: b.TransformationRule,
		BusinessProcess: b.BusinessProcess, BusinessOwner: b.BusinessOwner, DataSteward: b.DataSteward,
		InformationSecurityClassification: b.InformationSecurityClassification, Criticality: b.Criticality,
		RiskLevel: b.RiskLevel, RegulatoryFlag: b.RegulatoryFlag, PIIFlag: b.PIIFlag,
		Confirmed: b.MappingConfirmedByUser,
	}
	switch comment := b.Comment; {
	case b == (EditBody{Comment: comment}):
		return edit, "", newFieldProblem("body", "must have at least one field of the mapping")
	case b.MappingConfirmedByUser != nil && !*b.MappingConfirmedByUser &&
		b != (EditBody{Comment: comment, MappingConfirmedByUser: b.MappingConfirmedByUser}):
		return edit, "", newFieldProblem("body.mapping_confirmed_by_user",
			"must not be false together with other fields: an edit confirms the mapping")
	}
	if err := normalizeEdit(&edit); err != nil {
		return edit, "", err
	}
	return edit, b.Comment, normalizeSourceFields(edit.SourceFields)
}

// normalizeSourceFields applies the rules for a source field of a file of mappings to each of the fields.
func normalizeSourceFields(fields *schema.SourceFields) error {
	if fields == nil {
		return nil
	}
	for i, field := range *fields {
		row, err := tabular.CheckMapping(schema.MappingRow{SourceField: field})
		if problems, ok := errors.AsType[tabular.Problems](err); ok {
			return newFieldProblem(fmt.Sprintf("body.source_fields[%d]", i), problems.First[0].Reason)
		}
		(*fields)[i] = row.SourceField
	}
	return nil
}

// normalizeEdit applies the rules for the texts of a file of mappings.
func normalizeEdit(edit *schema.MappingEdit) error {
	var row schema.MappingRow
	texts := []struct{ given, text *string }{
		{edit.SourceField, &row.SourceField},
		{edit.PDEName, &row.PDEName},
		{edit.PDECode, &row.PDECode},
		{edit.PDEDescription, &row.PDEDescription},
		{edit.TransformationRule, &row.TransformationRule},
		{edit.BusinessProcess, &row.BusinessProcess},
		{edit.BusinessOwner, &row.BusinessOwner},
		{edit.DataSteward, &row.DataSteward},
	}
	for _, t := range texts {
		if t.given != nil {
			*t.text = *t.given
		}
	}
	row, err := tabular.CheckMapping(row)
	if err != nil {
		return bodyProblems(err)
	}
	for _, t := range texts {
		if t.given != nil {
			*t.given = *t.text
		}
	}
	return nil
}

// decide makes the decision in one transaction, and returns the mapping after it.
func (s *Server) decide(
	ctx context.Context, d schema.Decision,
	decide func(context.Context, bun.Tx, schema.Decision) (schema.Decided, error),
) (*decidedOutput, error) {
	var (
		decided schema.Decided
		mapping schema.ListedMapping
	)
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if decided, err = decide(ctx, tx, d); err != nil {
			return err
		}
		mapping, err = schema.GetMapping(ctx, tx, d.CycleID, d.ReportID, d.MappingID)
		return err
	})
	if err != nil {
		return nil, s.decisionError(ctx, d, err)
	}
	message, reset := describeDecided(decided)
	return &decidedOutput{
		ETag: versionTag(mapping.Version),
		Body: DecidedMapping{Mapping: newMapping(mapping), Message: message, ReviewReset: reset},
	}, nil
}

// versionTag returns the ETag of a version.
func versionTag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// describeDecided returns a sentence about a decision, and whether it has returned the review to pending.
func describeDecided(d schema.Decided) (message string, reset bool) {
	reset = d.Before.ReviewStatus != schema.ReviewStatusPending && d.After.ReviewStatus == schema.ReviewStatusPending
	switch {
	case !d.Changed():
		return "Nothing has changed: the mapping already has these values.", false
	case reset:
		return fmt.Sprintf("The mapping is changed. %s had set it to %s; its review is pending again.",
			d.Before.ReviewedBy, d.Before.ReviewStatus), true
	case d.Before.ReviewStatus != d.After.ReviewStatus:
		return fmt.Sprintf("The mapping is %s.", d.After.ReviewStatus), false
	default:
		return "The mapping is changed.", false
	}
}

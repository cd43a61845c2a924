package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// AutoApproval is the rule by which a report approves mappings itself.
type AutoApproval struct {
	Enabled       bool          `json:"enabled"`
	MinConfidence int           `json:"min_confidence" minimum:"0" maximum:"100" doc:"Of the column and of the tier."`
	MinMargin     int           `json:"min_margin" minimum:"0" maximum:"100" doc:"Least distance to the next column."`
	Tiers         []schema.Tier `json:"tiers" nullable:"false" enum:"HRCI,Confidential,Proprietary,Public"`
	MaxRisk       schema.Level  `json:"max_risk" enum:"High,Medium,Low"`
	Personal      bool          `json:"personal" doc:"Whether personal data may be approved."`
	Rule          string        `json:"rule" doc:"The rule in plain language; the comment of each approval."`
	Complete      bool          `json:"complete" doc:"False if the rule is on, and has to be set again to approve more."`
	UpdatedAt     *time.Time    `json:"updated_at" doc:"Null if the rule was never set."`
	UpdatedBy     *string       `json:"updated_by"`
}

// AutoApprovalBody has the parts of the rule that a request sets. Absent parts do not change.
type AutoApprovalBody struct {
	Enabled       *bool         `json:"enabled,omitempty"`
	MinConfidence *int          `json:"min_confidence,omitempty" minimum:"0" maximum:"100"`
	MinMargin     *int          `json:"min_margin,omitempty" minimum:"0" maximum:"100"`
	Tiers         []schema.Tier `json:"tiers,omitempty" minItems:"1" maxItems:"4" uniqueItems:"true" enum:"HRCI,Confidential,Proprietary,Public"`
	MaxRisk       *schema.Level `json:"max_risk,omitempty" enum:"High,Medium,Low"`
	Personal      *bool         `json:"personal,omitempty"`
}

// IsEmpty reports whether the body sets no part of the rule.
func (b AutoApprovalBody) IsEmpty() bool { return reflect.DeepEqual(b, AutoApprovalBody{}) }

// SavedAutoApproval is the response to a request that sets the rule.
type SavedAutoApproval struct {
	AutoApproval
	Approved int64  `json:"approved" doc:"The number of mappings that the request has approved."`
	Message  string `json:"message"`
}

// AutoApprovalPreview is what a rule would approve now.
type AutoApprovalPreview struct {
	WouldApprove int64    `json:"would_approve"`
	MappingIDs   []string `json:"mapping_ids" nullable:"false" doc:"The first 100 of them."`
	Rule         string   `json:"rule" doc:"The rule in plain language."`
}

// registerAutoApproval registers the routes of the rule.
func (s *Server) registerAutoApproval() {
	path := reportPath + "/auto-approval"
	route(s, Viewer, huma.Operation{
		OperationID: "get-auto-approval", Method: http.MethodGet, Path: path, Tags: []string{"mappings"},
		Summary: "Reads the rule by which the report approves mappings itself",
	}, func(ctx context.Context, in *ReportPath) (*oneOutput[AutoApproval], error) {
		if err := s.requireReport(ctx, *in); err != nil {
			return nil, err
		}
		rule, err := schema.GetAutoApproval(ctx, s.db, in.CycleID, in.ReportID)
		return &oneOutput[AutoApproval]{Body: newAutoApproval(rule)}, err
	})
	route(s, Manager, huma.Operation{
		OperationID: "set-auto-approval", Method: http.MethodPut, Path: path, Tags: []string{"mappings"},
		Summary: "Sets the rule, and approves what it approves now",
		Description: "If the rule is enabled, it approves the pending mappings that meet it, now and whenever a job " +
			"saves one. A mapping that a person has confirmed waits for a manager. Switching the rule off changes " +
			"nothing that was decided. A request approves at most 20,000 mappings, because it is one transaction. " +
			"While complete is false, there may be more: send the request again, for example with {}, to continue.",
	}, s.setAutoApproval)
	route(s, Manager, huma.Operation{
		OperationID: "preview-auto-approval", Method: http.MethodPost, Path: path + "/preview",
		Tags:    []string{"mappings"},
		Summary: "Counts the mappings that the rule would approve now, with the changes in the body",
	}, s.previewAutoApproval)
}

func (s *Server) setAutoApproval(ctx context.Context, in *struct {
	ReportPath
	Body AutoApprovalBody
},
) (*oneOutput[SavedAutoApproval], error) {
	var (
		rule     schema.AutoApproval
		approved int64
	)
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		rule, approved, err = schema.SaveAutoApproval(ctx, tx, schema.AutoApprovalUpdate{
			CycleID: in.CycleID, ReportID: in.ReportID, Author: callerOf(ctx).User, Limit: schema.MaxReview,
			Change: in.Body.onto,
		})
		return err
	})
	if err != nil {
		return nil, planningError(err)
	}
	message := "The rule is off. What was decided stays."
	if rule.Enabled {
		message = fmt.Sprintf("The rule is on, and has approved %d mappings.", approved)
	}
	if rule.AppliedTo != "" {
		message += " There may be more of them: set the rule again to continue."
	}
	return &oneOutput[SavedAutoApproval]{Body: SavedAutoApproval{
		AutoApproval: newAutoApproval(rule), Approved: approved, Message: message,
	}}, nil
}

func (s *Server) previewAutoApproval(ctx context.Context, in *struct {
	ReportPath
	Body *AutoApprovalBody
},
) (*oneOutput[AutoApprovalPreview], error) {
	if err := s.requireReport(ctx, in.ReportPath); err != nil {
		return nil, err
	}
	rule, err := schema.GetAutoApproval(ctx, s.db, in.CycleID, in.ReportID)
	if err != nil {
		return nil, err
	}
	rule = orZero(in.Body).onto(rule)
	n, first, err := rule.Preview(ctx, s.db)
	if err != nil {
		return nil, err
	}
	return &oneOutput[AutoApprovalPreview]{Body: AutoApprovalPreview{
		WouldApprove: n, MappingIDs: orEmpty(first), Rule: rule.String(),
	}}, nil
}

// onto returns the rule with the parts of the body.
func (b AutoApprovalBody) onto(rule schema.AutoApproval) schema.AutoApproval {
	setIfGiven(&rule.Enabled, b.Enabled)
	setIfGiven(&rule.MinConfidence, b.MinConfidence)
	setIfGiven(&rule.MinMargin, b.MinMargin)
	setIfGiven(&rule.MaxRisk, b.MaxRisk)
	setIfGiven(&rule.Personal, b.Personal)
	if b.Tiers != nil {
		rule.Tiers = b.Tiers
	}
	return rule
}

func setIfGiven[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func newAutoApproval(rule schema.AutoApproval) AutoApproval {
	return AutoApproval{
		Enabled: rule.Enabled, MinConfidence: rule.MinConfidence, MinMargin: rule.MinMargin, Tiers: rule.Tiers,
		MaxRisk: rule.MaxRisk, Personal: rule.Personal, Rule: rule.String(), Complete: rule.AppliedTo == "",
		UpdatedAt: timeOrNull(rule.UpdatedAt), UpdatedBy: orNull(rule.UpdatedBy),
	}
}

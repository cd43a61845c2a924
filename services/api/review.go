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
)

// ReviewBody is the body of the review of one mapping.
type ReviewBody struct {
	Decision schema.ReviewStatus `json:"decision" enum:"approved,rejected,needs_revision"`
	Comment  string              `json:"comment,omitempty" maxLength:"2000" doc:"The reason, for the history."`
}

// BulkReviewBody is the body of the review of many mappings: those with the ids, or those that pass the filter.
type BulkReviewBody struct {
	IDs    []string    `json:"ids,omitempty" minItems:"1" maxItems:"20000"`
	Filter *ListFilter `json:"filter,omitempty" doc:"The filter of the list of mappings."`

	Expected *int64 `json:"expected,omitempty" minimum:"0" doc:"How many pass the filter. Needed for it, or dry_run."`

	Decision schema.ReviewStatus `json:"decision" enum:"approved,rejected,needs_revision"`
	Comment  string              `json:"comment,omitempty" maxLength:"2000" doc:"The reason, for the history."`

	SkipOwnEdits bool `json:"skip_own_edits,omitempty" doc:"Leave out mappings that the caller was the last to edit."`
	DryRun       bool `json:"dry_run,omitempty" doc:"Change nothing, and only count the mappings."`
}

// ListFilter is the filter of the list of mappings in a body.
type ListFilter struct {
	Search string `json:"q,omitempty" maxLength:"200" doc:"A text in the names, the column or the line item."`

	InformationSecurityClassification schema.Tier `json:"information_security_classification,omitempty" enum:"HRCI,Confidential,Proprietary,Public"`

	Criticality   schema.Level        `json:"criticality,omitempty" enum:"High,Medium,Low"`
	ReviewStatus  schema.ReviewStatus `json:"review_status,omitempty" enum:"pending,approved,rejected,needs_revision"`
	Unmapped      *bool               `json:"unmapped,omitempty" doc:"True: only mappings without a column."`
	IDPrefix      string              `json:"id_prefix,omitempty" maxLength:"100"`
	MinConfidence *int                `json:"min_confidence,omitempty" minimum:"0" maximum:"100"`
	MaxConfidence *int                `json:"max_confidence,omitempty" minimum:"0" maximum:"100"`
}

// filter returns the filter as the list has it. The location is that of the fields. An error is a [Problem].
func (f ListFilter) filter(in ReportPath, location string) (schema.MappingFilter, error) {
	filter := schema.MappingFilter{
		CycleID: in.CycleID, ReportID: in.ReportID, Search: strings.TrimSpace(f.Search),
		InformationSecurityClassification: f.InformationSecurityClassification, Criticality: f.Criticality,
		ReviewStatus: f.ReviewStatus, Unmapped: f.Unmapped, IDPrefix: f.IDPrefix,
		MinConfidence: f.MinConfidence, MaxConfidence: f.MaxConfidence,
	}
	if low, high := f.MinConfidence, f.MaxConfidence; low != nil && high != nil && *low > *high {
		return filter, newFieldProblem(location+".min_confidence", "must be at most max_confidence")
	}
	return filter, nil
}

// Reviewed is the response to the review of many mappings.
type Reviewed struct {
	Decision  schema.ReviewStatus `json:"decision" enum:"approved,rejected,needs_revision"`
	Matched   int64               `json:"matched" doc:"The number of ids, or of mappings that pass the filter."`
	Decided   int64               `json:"decided" doc:"Mappings that got the decision, or would get it (dry_run)."`
	Unchanged int64               `json:"unchanged" doc:"Mappings that already had the decision."`
	OwnEdits  int64               `json:"own_edits" doc:"Mappings that the caller edited last, and that are left out."`
	Message   string              `json:"message"`
}

// registerReviews registers the routes by which managers review mappings.
func (s *Server) registerReviews() {
	path := reportPath + "/pde-mappings"
	const note = " A manager cannot review a mapping that they were the last to edit."
	route(s, Manager, huma.Operation{
		OperationID: "review-mapping", Method: http.MethodPost, Path: path + "/{id}/review", Tags: []string{"mappings"},
		Errors:      []int{http.StatusPreconditionFailed},
		Summary:     "Approves or rejects a mapping, or returns it for revision",
		Description: "With If-Match, only if the mapping still has this version." + note,
	}, s.reviewMapping)
	route(s, Manager, huma.Operation{
		OperationID: "review-mappings", Method: http.MethodPost, Path: path + "/review", Tags: []string{"mappings"},
		Errors: []int{http.StatusConflict}, Summary: "Reviews many mappings, all or none",
		Description: "By ids, or by the filter of the list with the number of mappings that pass it: if the number " +
			"has changed since it was shown, the request is refused. A filter may match at most 20,000 mappings, " +
			"because a review is one transaction; dry_run counts any number, and locks nothing." + note,
	}, s.reviewMappings)
}

// reviewInput is a request to review one mapping.
type reviewInput struct {
	MappingPath
	IfMatch
	Body ReviewBody
}

func (s *Server) reviewMapping(ctx context.Context, in *reviewInput) (*decidedOutput, error) {
	version := anyVersion
	if in.IfMatch.IfMatch != "" {
		var err error
		if version, err = in.version(); err != nil {
			return nil, err
		}
	}
	return s.decide(ctx, in.decision(ctx, version, in.Body.Comment),
		func(ctx context.Context, tx bun.Tx, d schema.Decision) (schema.Decided, error) {
			return schema.ReviewMapping(ctx, tx, d, in.Body.Decision)
		})
}

// bulkReviewInput is a request to review many mappings.
type bulkReviewInput struct {
	ReportPath
	Body BulkReviewBody
}

func (s *Server) reviewMappings(ctx context.Context, in *bulkReviewInput) (*oneOutput[Reviewed], error) {
	body := in.Body
	if err := body.check(); err != nil {
		return nil, err
	}
	review := schema.Review{
		CycleID: in.CycleID, ReportID: in.ReportID, Status: body.Decision, Author: callerOf(ctx).User,
		Comment: strings.TrimSpace(body.Comment), SkipOwn: body.SkipOwnEdits,
	}
	if body.DryRun {
		return s.countReview(ctx, in.ReportPath, body, review)
	}
	var (
		matched int64
		counts  schema.ReviewCounts
	)
	err := s.runInTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := schema.LockReport(ctx, tx, in.CycleID, in.ReportID); err != nil {
			return err
		}
		mappings, n, err := body.mappings(ctx, tx, in.ReportPath)
		if err == nil {
			err = body.checkMatches(n)
		}
		if err != nil {
			return err
		}
		matched = n
		counts, err = schema.ReviewMappings(ctx, tx, review, mappings)
		if errors.Is(err, schema.ErrVersion) {
			return errConcurrent // a mapping was changed after it was found
		}
		return err
	})
	if own, ok := errors.AsType[*schema.OwnEditError](err); ok {
		return nil, refuseOwnEdits(own, body.IDs)
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &oneOutput[Reviewed]{Body: newReviewed(body, matched, counts)}, nil
}

// countReview is the dry run of a review. It is no transaction, and locks nothing.
func (s *Server) countReview(
	ctx context.Context, in ReportPath, body BulkReviewBody, review schema.Review,
) (*oneOutput[Reviewed], error) {
	if err := s.requireReport(ctx, in); err != nil {
		return nil, err
	}
	mappings, matched, err := body.mappings(ctx, s.db, in)
	if err != nil {
		return nil, err
	}
	if body.Expected != nil && *body.Expected != matched {
		return nil, refuseCount(matched)
	}
	counts, err := schema.CountReview(ctx, s.db, review, mappings)
	if err != nil {
		return nil, err
	}
	return &oneOutput[Reviewed]{Body: newReviewed(body, matched, counts)}, nil
}

// check returns a [Problem] unless the body has either ids, or a filter with the expected number.
func (b BulkReviewBody) check() error {
	switch {
	case (b.IDs == nil) == (b.Filter == nil):
		return newFieldProblem("body", "needs ids or a filter, and not both")
	case b.IDs != nil && b.Expected != nil:
		return newFieldProblem("body.expected", "must be left out with ids; it is for a filter")
	case b.Filter != nil && b.Expected == nil && !b.DryRun:
		return newFieldProblem("body.expected",
			"must be the number of mappings that pass the filter; dry_run returns it as matched")
	default:
		return nil
	}
}

// mappings returns the mappings that the body selects, and their number. There are none if there are more than a
// review may have. An error is a [Problem] if the report does not have all that the body names.
func (b BulkReviewBody) mappings(
	ctx context.Context, db bun.IDB, in ReportPath,
) (found []schema.MappingVersion, matched int64, err error) {
	if b.Filter == nil {
		found, err = b.named(ctx, db, in)
		return found, int64(len(found)), err
	}
	filter, err := b.Filter.filter(in, "body.filter")
	if err != nil {
		return nil, 0, err
	}
	found, err = schema.ListMappingVersions(ctx, db, filter, schema.MaxReview+1)
	if err != nil || len(found) <= schema.MaxReview {
		return found, int64(len(found)), err
	}
	matched, err = schema.CountMappings(ctx, db, filter)
	return nil, matched, err
}

// checkMatches returns a [Problem] if this is not the expected number of mappings, or not one that a review may have.
func (b BulkReviewBody) checkMatches(matched int64) error {
	switch {
	case b.Expected != nil && *b.Expected != matched:
		return refuseCount(matched)
	case matched == 0:
		return newProblem(nothingMatches, "No mapping of the report passes the filter.")
	case matched > schema.MaxReview:
		return newFieldProblem("body.filter", fmt.Sprintf(
			"must match at most %d mappings, and matches %d; add conditions, or review by ids",
			schema.MaxReview, matched))
	default:
		return nil
	}
}

// refuseCount refuses a filter that matches another number of mappings than the caller has seen.
func refuseCount(matched int64) error {
	return newProblem(countChanged, fmt.Sprintf("The filter matches %d mappings now. Nothing was changed; "+
		"look at them and send the request again with expected %d.", matched, matched)).
		addError("body.expected", fmt.Sprintf("must be %d, the number of mappings that pass the filter", matched))
}

// named returns the mappings with the ids of the body.
func (b BulkReviewBody) named(ctx context.Context, db bun.IDB, in ReportPath) ([]schema.MappingVersion, error) {
	ids := unique(b.IDs)
	unknown, err := schema.ListUnknownMappings(ctx, db, in.CycleID, in.ReportID, b.IDs, schema.MaxProblems)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, refuseUnknown("body.ids", unknown)
	}
	mappings := make([]schema.MappingVersion, len(ids))
	for i, id := range ids {
		mappings[i].ID = id
	}
	return mappings, nil
}

// refuseOwnEdit refuses the review of a mapping that the caller was the last to edit.
func refuseOwnEdit() error {
	return newProblem(ownEdit, "You were the last to edit this mapping; another manager has to review it.")
}

// refuseOwnEdits refuses a review of many mappings of which the caller was the last to edit some. Ids are those of the
// request, if it has any.
func refuseOwnEdits(own *schema.OwnEditError, ids []string) error {
	p := newProblem(ownEdit, fmt.Sprintf("You were the last to edit %d of the mappings; another manager has to "+
		"review them. Nothing was changed; skip_own_edits leaves them out.", own.Count))
	for _, id := range own.IDs {
		for i := range ids {
			if ids[i] == id {
				p.addError("body.ids["+strconv.Itoa(i)+"]", "is your own edit")
			}
		}
	}
	return p
}

// newReviewed returns the response to a review, or to its dry run.
func newReviewed(b BulkReviewBody, matched int64, counts schema.ReviewCounts) Reviewed {
	r := Reviewed{
		Decision: b.Decision, Matched: matched, Decided: counts.Decided, Unchanged: counts.Unchanged,
		OwnEdits: counts.Own,
	}
	switch {
	case matched > schema.MaxReview:
		r.Message = fmt.Sprintf("The filter matches %d mappings. The request would be refused: a review may have at "+
			"most %d; add conditions, or review by ids.", matched, schema.MaxReview)
		return r
	case b.DryRun:
		r.Message = fmt.Sprintf("%d of %d mappings would get the decision %s.", r.Decided, matched, r.Decision)
	default:
		r.Message = fmt.Sprintf("%d of %d mappings got the decision %s.", r.Decided, matched, r.Decision)
	}
	if r.Unchanged > 0 {
		r.Message += fmt.Sprintf(" %d already had it.", r.Unchanged)
	}
	switch {
	case r.OwnEdits == 0:
	case !b.DryRun:
		r.Message += fmt.Sprintf(" %d were left out, because you edited them last.", r.OwnEdits)
	case b.SkipOwnEdits:
		r.Message += fmt.Sprintf(" %d would be left out, because you edited them last.", r.OwnEdits)
	default:
		r.Message += fmt.Sprintf(" You edited %d of them last: the request would be refused, unless skip_own_edits "+
			"leaves them out.", r.OwnEdits)
	}
	return r
}

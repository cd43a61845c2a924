package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// CarryOverBody names the earlier cycle of a carry-over.
type CarryOverBody struct {
	FromCycleID string `json:"from_cycle_id" minLength:"1" maxLength:"100" doc:"The earlier cycle. It does not change."`
	DryRun      bool   `json:"dry_run,omitempty" doc:"Only count and list, change nothing."`
}

// CarriedOver is the response to a carry-over. Carried, changed, kept and added are all attributes of the report.
type CarriedOver struct {
	CycleID     string      `json:"cycle_id"`
	ReportID    string      `json:"report_id"`
	FromCycleID string      `json:"from_cycle_id"`
	DryRun      bool        `json:"dry_run"`
	Carried     CarriedRows `json:"carried" doc:"They have the mapping of the earlier cycle with its decision."`
	Changed     CarriedRows `json:"changed" doc:"They have the mapping of the earlier cycle and need revision."`
	Kept        CarriedRows `json:"kept" doc:"They keep their own mapping: the earlier cycle has no decision about it."`
	Added       CarriedRows `json:"added" doc:"The earlier cycle does not have them."`
	Dropped     CarriedRows `json:"dropped" doc:"Only the earlier cycle has them."`
	// Copied counts the rows that the report did not have.
	Copied  Copied `json:"copied"`
	Message string `json:"message"`
}

// CarriedRows are attributes with the same result.
type CarriedRows struct {
	Count int64        `json:"count"`
	Items []CarriedRow `json:"items" nullable:"false" doc:"The first 100 of them."`
}

// CarriedRow is an attribute with its mapping: of the earlier cycle if it is dropped.
type CarriedRow struct {
	AttributeID   *string `json:"attribute_id" doc:"Null if dry_run would create it."`
	MappingID     *string `json:"mapping_id" doc:"Null if dry_run would create it."`
	AttributeName string  `json:"attribute_name"`
	Reason        *string `json:"reason" doc:"Why the mapping needs revision."`
}

// Copied counts rows that were copied from the earlier cycle.
type Copied struct {
	Attributes  int64 `json:"attributes"`
	DataSources int64 `json:"data_sources"`
	Columns     int64 `json:"columns"`
}

// registerCarryOver registers the carry-over of an earlier cycle.
func (s *Server) registerCarryOver() {
	route(s, Tester, huma.Operation{
		OperationID: "carry-over", Method: http.MethodPost, Path: reportPath + "/carry-over",
		Tags: []string{"planning"}, Errors: []int{http.StatusConflict},
		Summary: "Starts the cycle of a report with the decisions of an earlier one",
		Description: "Carries over attributes, data sources with their columns, and mappings with their " +
			"confirmations and reviews. Creates the report if it does not exist. A report without attributes gets " +
			"those of the earlier cycle, and likewise with data sources that have columns. Attributes are matched as " +
			"in an import, data sources and columns by name. If an attribute, its column and their types are " +
			"equal, its mapping keeps its decision, marked by carried_from; else the mapping needs revision, and its " +
			"history has the reason. Refused if the report already has confirmed or reviewed mappings.",
	}, s.carryOver)
}

// carryOverInput is a request to carry over an earlier cycle.
type carryOverInput struct {
	ReportPath
	Body CarryOverBody
}

func (s *Server) carryOver(ctx context.Context, in *carryOverInput) (*oneOutput[CarriedOver], error) {
	if err := refuseKeys(in.ReportPath); err != nil {
		return nil, err
	}
	if in.Body.FromCycleID == in.CycleID {
		return nil, newFieldProblem("body.from_cycle_id", "must be another cycle than that of the path")
	}
	carry := schema.CarryOver{
		CycleID: in.CycleID, ReportID: in.ReportID, FromCycleID: in.Body.FromCycleID, Author: callerOf(ctx).User,
	}
	var done schema.CarryResult
	var err error
	if in.Body.DryRun {
		done, err = carry.Preview(ctx, s.db)
	} else {
		err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
			done, err = carry.Run(ctx, tx)
			return err
		})
	}
	if decided, ok := errors.AsType[*schema.DecidedError](err); ok {
		return nil, newProblem(alreadyDecided, fmt.Sprintf("%d mappings of the report are confirmed or reviewed. "+
			"Nothing was changed; carry over before you decide in a cycle.", decided.Count))
	}
	if other, ok := errors.AsType[*schema.OtherCycleError](err); ok {
		return nil, otherCycleProblem("body.from_cycle_id", in.Body.FromCycleID, other)
	}
	if err != nil {
		return nil, planningError(err)
	}
	return &oneOutput[CarriedOver]{Body: newCarriedOver(carry, in.Body.DryRun, done)}, nil
}

func newCarriedOver(carry schema.CarryOver, dryRun bool, done schema.CarryResult) CarriedOver {
	c := CarriedOver{
		CycleID: carry.CycleID, ReportID: carry.ReportID, FromCycleID: carry.FromCycleID, DryRun: dryRun,
		Carried: newCarriedRows(done.Carried), Changed: newCarriedRows(done.Changed), Kept: newCarriedRows(done.Kept),
		Added: newCarriedRows(done.Added), Dropped: newCarriedRows(done.Dropped),
		Copied: Copied{Attributes: done.Attributes, DataSources: done.DataSources, Columns: done.Columns},
	}
	begin := "Carried over"
	if dryRun {
		begin = "Would be carried over"
	}
	c.Message = fmt.Sprintf("%s from cycle %s: %d with their decisions, %d that need revision. New: %d. Dropped: %d.",
		begin, c.FromCycleID, c.Carried.Count, c.Changed.Count, c.Added.Count, c.Dropped.Count)
	if c.Kept.Count > 0 {
		c.Message += fmt.Sprintf(" Left as they are: %d.", c.Kept.Count)
	}
	return c
}

func newCarriedRows(rows schema.CarriedRows) CarriedRows {
	carried := CarriedRows{Count: rows.Count, Items: make([]CarriedRow, len(rows.First))}
	for i, row := range rows.First {
		carried.Items[i] = CarriedRow{
			AttributeID: orNull(row.AttributeID), MappingID: orNull(row.MappingID), AttributeName: row.AttributeName,
			Reason: orNull(row.Reason),
		}
	}
	return carried
}

// otherCycleProblem returns the problem of a cycle that does not have the report. It names the most similar cycles that
// have it, or the last ones.
func otherCycleProblem(location, cycle string, other *schema.OtherCycleError) error {
	message := "no cycle has a report with this id"
	if len(other.Cycles) > 0 {
		cycles := schema.Similar(cycle, other.Cycles, maxSimilar)
		if len(cycles) == 0 {
			cycles = slices.Clip(other.Cycles[:min(len(other.Cycles), maxSimilar)])
		}
		message = "this cycle does not have the report; cycles that have it are " + strings.Join(cycles, ", ")
	}
	return newProblem(reportNotFound, location+": "+message).addError(location, message)
}

package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// registerRemovals registers the removal of planning data. Jobs, items, history and audit log stay.
func (s *Server) registerRemovals() {
	remove := func(id, path, summary, note string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodDelete, Path: reportPath + path, Tags: []string{"planning"},
			DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusConflict}, Summary: summary,
			Description: summary + ". Jobs, history and audit log stay. Refused if the report has an active " +
				"job." + note,
		}
	}
	const confirmedNote = " Only a manager can remove what a person has confirmed."
	route(s, Tester, remove("remove-attribute", "/attributes/{id}", "Removes an attribute with its "+
		"mapping", confirmedNote),
		s.removeAttribute)
	route(s, Tester, remove("remove-data-source", "/data-sources/{id}",
		"Removes a data source with its columns; mappings to them become unmapped", confirmedNote), s.removeDataSource)
	route(s, Tester, remove("remove-column", "/data-sources/{id}/columns/{column_id}",
		"Removes a column of a data source; mappings to it become unmapped", confirmedNote), s.removeColumn)
	route(s, Manager, remove("remove-report", "", "Removes a report with its attributes, mappings, data sources and "+
		"columns",
		""), s.removeReport)
}

func (s *Server) removeAttribute(ctx context.Context, in *struct {
	ReportPath
	ID string `path:"id"`
},
) (*struct{}, error) {
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return schema.DeleteAttribute(ctx, tx, removalBy(ctx, in.ReportPath), in.ID)
	})
	return nil, s.removalError(ctx, in.ReportPath, "attribute", err)
}

func (s *Server) removeDataSource(ctx context.Context, in *struct {
	ReportPath
	ID string `path:"id"`
},
) (*struct{}, error) {
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return schema.DeleteDataSource(ctx, tx, removalBy(ctx, in.ReportPath), in.ID)
	})
	return nil, s.removalError(ctx, in.ReportPath, "data source", err)
}

func (s *Server) removeColumn(ctx context.Context, in *struct {
	ReportPath
	ID       string `path:"id"`
	ColumnID string `path:"column_id"`
},
) (*struct{}, error) {
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return schema.DeleteColumn(ctx, tx, removalBy(ctx, in.ReportPath), in.ID, in.ColumnID)
	})
	return nil, s.removalError(ctx, in.ReportPath, "column in such a data source", err)
}

func (s *Server) removeReport(ctx context.Context, in *ReportPath) (*struct{}, error) {
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return schema.DeleteReport(ctx, tx, removalBy(ctx, *in))
	})
	return nil, s.removalError(ctx, *in, "report", err)
}

// removalBy returns the removal of planning data of the report by the caller.
func removalBy(ctx context.Context, in ReportPath) schema.Removal {
	caller := callerOf(ctx)
	return schema.Removal{
		CycleID: in.CycleID, ReportID: in.ReportID, Author: caller.User, Confirmed: caller.Role.Includes(Manager),
	}
}

// removalError returns the problem for an error of a removal. The noun completes "The report has no ... with this id".
func (s *Server) removalError(ctx context.Context, in ReportPath, noun string, err error) error {
	if _, ok := errors.AsType[*schema.ConfirmedError](err); ok {
		return newProblem(roleTooLow,
			"A person has confirmed it, or a mapping that depends on it. Removing it needs the role manager.")
	}
	if errors.Is(err, schema.ErrNotFound) {
		return s.missingError(ctx, in, noun, err)
	}
	return planningError(err)
}

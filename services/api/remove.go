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
	remove := func(id, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodDelete, Path: reportPath + path, Tags: []string{"planning"},
			DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusConflict}, Summary: summary,
			Description: summary + ". Jobs, history and audit log stay. Refused while a job works on the report.",
		}
	}
	const ofManagers = " What a person has confirmed can only be removed by a manager."
	attribute := remove("remove-attribute", "/attributes/{id}", "Removes an attribute with its mapping")
	attribute.Description += ofManagers
	route(s, Tester, attribute, func(ctx context.Context, in *struct {
		ReportPath
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		return s.remove(ctx, in.ReportPath, "attribute", func(ctx context.Context, tx bun.Tx, r schema.Removal) error {
			return schema.RemoveAttribute(ctx, tx, r, in.ID)
		})
	})
	source := remove("remove-data-source", "/data-sources/{id}", "Removes a data source with its columns; mappings to them become unmapped")
	source.Description += ofManagers
	route(s, Tester, source, func(ctx context.Context, in *struct {
		ReportPath
		ID string `path:"id"`
	},
	) (*struct{}, error) {
		return s.remove(ctx, in.ReportPath, "data source", func(ctx context.Context, tx bun.Tx, r schema.Removal) error {
			return schema.RemoveDataSource(ctx, tx, r, in.ID)
		})
	})
	column := remove("remove-column", "/data-sources/{id}/columns/{column_id}", "Removes a column of a data source; mappings to it become unmapped")
	column.Description += ofManagers
	route(s, Tester, column, func(ctx context.Context, in *struct {
		ReportPath
		ID       string `path:"id"`
		ColumnID string `path:"column_id"`
	},
	) (*struct{}, error) {
		return s.remove(ctx, in.ReportPath, "column in such a data source", func(ctx context.Context, tx bun.Tx, r schema.Removal) error {
			return schema.RemoveColumn(ctx, tx, r, in.ID, in.ColumnID)
		})
	})
	route(s, Manager, remove("remove-report", "", "Removes a report with its attributes, mappings, data sources and columns"),
		func(ctx context.Context, in *ReportPath) (*struct{}, error) {
			return s.remove(ctx, *in, "report", schema.RemoveReport)
		})
}

// remove removes something of the report, which is named as in "no such attribute".
func (s *Server) remove(ctx context.Context, in ReportPath, what string, remove func(context.Context, bun.Tx, schema.Removal) error) (*struct{}, error) {
	caller := callerOf(ctx)
	removal := schema.Removal{CycleID: in.CycleID, ReportID: in.ReportID, Author: caller.User, Confirmed: caller.Role.Includes(Manager)}
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return remove(ctx, tx, removal) })
	if _, held := errors.AsType[*schema.ConfirmedError](err); held {
		return nil, refuse(roleTooLow, "A person has confirmed it, or a mapping that needs it. Removing it needs the role manager.")
	}
	if errors.Is(err, schema.ErrNotFound) {
		return nil, s.refuseMissing(ctx, in, what, err)
	}
	return nil, planningError(err)
}

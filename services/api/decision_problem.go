package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// decisionError returns the problem for an error of a decision.
func (s *Server) decisionError(ctx context.Context, d schema.Decision, err error) error {
	path := ReportPath{d.CycleID, d.ReportID}
	if stale, ok := errors.AsType[*schema.VersionError](err); ok {
		return s.staleProblem(ctx, d, stale.Current)
	}
	if wrong, ok := errors.AsType[schema.EditErrors](err); ok {
		return s.editProblem(ctx, path, wrong)
	}
	if _, ok := errors.AsType[*schema.OwnEditError](err); ok {
		return refuseOwnEdit()
	}
	switch {
	case errors.Is(err, schema.ErrNoSuggestion):
		return newProblem(nothingSuggested, "The last job agrees with every confirmed value, or none has run.")
	case errors.Is(err, schema.ErrNothingToUndo):
		return newProblem(nothingToUndo, "You can undo only your own edit or review, and only until another user "+
			"or a job has changed the mapping. The history lists the changes.")
	}
	return s.missingError(ctx, path, "mapping", err)
}

// maxChangesSince is the number of changes that a 412 lists.
const maxChangesSince = 20

// ChangeSince is a change of a mapping that the caller has not seen.
type ChangeSince struct {
	Version   int64         `json:"version" doc:"The version after the change."`
	ChangedBy string        `json:"changed_by"`
	ChangedAt time.Time     `json:"changed_at"`
	Comment   *string       `json:"comment"`
	Fields    []FieldChange `json:"fields" nullable:"false"`
}

// FieldChange is a field of a mapping before and after a change.
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// staleProblem lists what has changed since the version that the caller has seen.
func (s *Server) staleProblem(ctx context.Context, d schema.Decision, current int64) error {
	rows, err := schema.ListChangesSince(ctx, s.db, d.MappingID, d.Version, maxChangesSince)
	if err != nil {
		return err
	}
	p := newProblem(
		versionChanged,
		fmt.Sprintf("The mapping has version %d now. Nothing was changed; look at the changes, "+
			"and send the request again with If-Match: %s.", current, versionTag(current)),
	)
	var people []string
	for _, row := range rows {
		since, err := newChangeSince(row)
		if err != nil {
			return err
		}
		p.Changes = append(p.Changes, since)
		people = append(people, since.ChangedBy)
	}
	if len(people) > 0 {
		slices.Sort(people)
		p.Detail = "Changed by " + strings.Join(slices.Compact(people), ", ") + ". " + p.Detail
	}
	return p.addHeader("ETag", versionTag(current))
}

func newChangeSince(h schema.History) (ChangeSince, error) {
	entry, err := newHistoryEntry(h)
	if err != nil {
		return ChangeSince{}, err
	}
	return ChangeSince{
		Version: entry.After.Version, ChangedBy: entry.ChangedBy, ChangedAt: entry.ChangedAt, Comment: entry.Comment,
		Fields: fieldChanges(entry.Before, entry.After),
	}, nil
}

func fieldChanges(before, after schema.Image) []FieldChange {
	changes := []FieldChange{}
	for _, c := range before.Changes(after) {
		changes = append(changes, FieldChange{Field: c.Field, Before: c.Before, After: c.After})
	}
	return changes
}

// refuseSuggestion refuses a suggested column that the mapping cannot have. The request names no column, so the problem
// names none of its fields.
func refuseSuggestion(wrong *schema.EditError) error {
	if wrong.Reason == schema.EditReasonAmbiguous {
		return newProblem(nothingSuggested, "Several data sources have the suggested column: "+
			strings.Join(wrong.Names, ", ")+". Edit the mapping, with source_field and data_source_id.")
	}
	return newProblem(nothingSuggested, "The suggested column is not in a data source of the report any more. Start a "+
		"job, which suggests another one.")
}

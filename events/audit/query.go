package audit

import (
	"encoding/json"

	"github.com/pdeflow/pdeflow/events"
)

// Query names the rows that prove events. [Query.Add] fills it.
type Query struct {
	// Jobs are the ids of jobs, whose rows and intents prove requests, starts, lists, pauses, resumptions,
	// cancellations and ends.
	Jobs []string
	// Items are items of work lists, which prove outcomes.
	Items []ItemKey
	// Changes are rows of the history that belong to no job, which prove changes of mappings.
	Changes []ChangeKey
	// Planning are the ids of changes of planning data.
	Planning []string
}

// ItemKey is the key of an item of a work list.
type ItemKey struct{ JobID, MappingID string }

// ChangeKey is the key of a change of a mapping: the version that the mapping has since then.
type ChangeKey struct {
	MappingID string
	Version   int64
}

// Add adds the rows that prove the event, if there can be any. The fact that [ListFacts] then finds has the event's id.
func (q *Query) Add(event events.Event) {
	switch e := event.(type) {
	case events.RegenerateRequested:
		q.Jobs = append(q.Jobs, e.JobID)
	case events.JobFinished:
		q.Jobs = append(q.Jobs, e.JobID)
	case events.MappingChanged:
		q.Changes = append(q.Changes, ChangeKey{MappingID: e.MappingID, Version: e.Version})
	case events.PlanningChanged:
		q.Planning = append(q.Planning, e.ChangeID)
	case events.JobProgress:
		switch {
		case e.Kind == events.KindItem && e.Item != nil:
			q.Items = append(q.Items, ItemKey{JobID: e.JobID, MappingID: e.Item.MappingID})
		case e.Kind != events.KindBell:
			q.Jobs = append(q.Jobs, e.JobID)
		}
	}
}

// addRow adds the rows that a verified row of the log was built from.
func (q *Query) addRow(row Row) {
	switch row.Type {
	case events.TopicMappingChanged.Type():
		var e events.MappingChanged
		if json.Unmarshal(row.Data, &e) == nil {
			q.Add(e)
		}
	case events.TopicPlanningChanged.Type():
		var e events.PlanningChanged
		if json.Unmarshal(row.Data, &e) == nil {
			q.Add(e)
		}
	default:
		if row.MappingID != "" {
			q.Items = append(q.Items, ItemKey{JobID: row.JobID, MappingID: row.MappingID})
		} else {
			q.Jobs = append(q.Jobs, row.JobID)
		}
	}
}

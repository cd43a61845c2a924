package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// Fact is something that happened according to the rows: the event that reports it, rebuilt from them, and what
// the event does not carry.
type Fact struct {
	Event events.Event
	// Service gives the ce-source of the entry: the service that publishes such events.
	Service    schema.Service
	OccurredAt time.Time
	// Actor is the person, the job or the service that did it.
	Actor string
	// CycleID and ReportID are empty for a change of a mapping that was removed and of which no row has the report.
	CycleID, ReportID string
	// JobID and MappingID are empty if the event has none.
	JobID, MappingID string
	Traceparent      string

	// details is a struct with the fields that the log adds to the body of the event; nil if there are none.
	details any
}

// requestDetails are the columns of a job that its request does not report.
type requestDetails struct {
	Scope          schema.Scope     `json:"scope"`
	RetryErrorCode schema.ErrorCode `json:"retry_error_code"`
	Force          bool             `json:"force"`
}

// itemDetails are what the rows have of an item and its event does not report.
type itemDetails struct {
	InformationSecurityClassification *string        `json:"information_security_classification"`
	History                           *historyDigest `json:"history"`
}

// historyDigest ties a row of the history to the log without a copy of it. Decision 3 defines the digest.
type historyDigest struct {
	ID     string `json:"id"`
	SHA256 string `json:"sha256"`
}

// Entry returns the verified entry that records the fact. Its data is the body of the event as [events.Encode]
// writes it, followed by the details.
func (f Fact) Entry(origin Origin) (Entry, error) {
	data, err := events.EncodeBody(f.Event)
	if err != nil {
		return Entry{}, err
	}
	if f.details != nil {
		details, err := json.Marshal(f.details)
		if err != nil {
			return Entry{}, fmt.Errorf("details of event %s: %w", f.Event.ID(), err)
		}
		data = append(data[:len(data)-1], ',')
		data = append(data, details[1:]...)
	}
	subject := f.Event.Subject()
	return Entry{
		EventID: f.Event.ID(), OccurredAt: f.OccurredAt,
		Source: events.Source(f.Service), Type: subject.Topic.Type(), Subject: subject.String(),
		Actor: f.Actor, CycleID: f.CycleID, ReportID: f.ReportID, JobID: f.JobID, MappingID: f.MappingID,
		Traceparent: f.Traceparent, Data: data, Origin: origin, Verified: true,
	}, nil
}

// Confirms reports whether the fact is what the event with the same id claims. It compares the fields that name
// the actor, the outcome or the status: a publisher may know less than the rows about the rest.
func (f Fact) Confirms(event events.Event) bool {
	switch claimed := event.(type) {
	case events.RegenerateRequested:
		e, ok := f.Event.(events.RegenerateRequested)
		return ok && e.RequestedBy == claimed.RequestedBy && e.JobType == claimed.JobType &&
			e.CycleID == claimed.CycleID && e.ReportID == claimed.ReportID
	case events.JobFinished:
		e, ok := f.Event.(events.JobFinished)
		return ok && e.Status == claimed.Status
	case events.MappingChanged:
		e, ok := f.Event.(events.MappingChanged)
		return ok && e.ChangedBy == claimed.ChangedBy
	case events.PlanningChanged:
		e, ok := f.Event.(events.PlanningChanged)
		return ok && reflect.DeepEqual(e, claimed)
	case events.JobProgress:
		e, ok := f.Event.(events.JobProgress)
		return ok && confirmsProgress(e, claimed)
	default:
		return false
	}
}

func confirmsProgress(e, claimed events.JobProgress) bool {
	switch claimed.Kind {
	case events.KindListed:
		return e.Listed != nil && claimed.Listed != nil && e.Listed.TotalSteps == claimed.Listed.TotalSteps
	case events.KindItem:
		return e.Item != nil && claimed.Item != nil && e.Item.Outcome == claimed.Item.Outcome
	default:
		return true // the id contains everything that the event claims
	}
}

// lacksHistory reports whether the fact is an item for which the job has written the mapping, but no row of the
// history.
func (f Fact) lacksHistory() bool {
	details, ok := f.details.(itemDetails)
	if !ok || details.History != nil {
		return false
	}
	progress, ok := f.Event.(events.JobProgress)
	return ok && progress.Item != nil && !isUnchanged(progress.Item) &&
		(progress.Item.Outcome == schema.OutcomeSucceeded || progress.Item.Outcome == schema.OutcomeSkipped)
}

// isRecordedBy reports whether the row of the log is the entry of the fact.
func (f Fact) isRecordedBy(row Row) (bool, error) {
	entry, err := f.worded(row).Entry(row.Origin)
	if err != nil {
		return false, err
	}
	if entry.MappingID != "" && entry.CycleID == "" {
		entry.CycleID, entry.ReportID = row.CycleID, row.ReportID // no row has the report of this removed mapping
	}
	logged := row.Entry
	equal := entry.OccurredAt.Equal(logged.OccurredAt) && bytes.Equal(entry.Data, logged.Data)
	entry.OccurredAt, entry.Data, logged.OccurredAt, logged.Data = time.Time{}, nil, time.Time{}, nil
	return equal && reflect.DeepEqual(entry, logged), nil
}

// worded returns the fact with the sentences of the final status that the row has. They follow from the numbers
// and are worded by the version of pdeflow that published them.
func (f Fact) worded(row Row) Fact {
	finished, ok := f.Event.(events.JobFinished)
	if !ok {
		return f
	}
	var logged events.JobFinished
	if err := json.Unmarshal(row.Data, &logged); err != nil {
		return f
	}
	finished.CurrentStep, finished.Message = logged.CurrentStep, logged.Message
	if finished.Error != nil && logged.Error != nil {
		finished.Error = logged.Error
	}
	f.Event = finished
	return f
}

// isUnchanged reports whether the job has not written the mapping, because nothing had changed.
func isUnchanged(item *events.Item) bool {
	return item.ErrorCode != nil && *item.ErrorCode == schema.ErrorCodeUnchanged
}

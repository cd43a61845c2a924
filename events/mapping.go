package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
)

// MappingRequested is a work message: a classifier should process this mapping for this job. It carries only
// ids, because the classifier reads the current rows.
type MappingRequested struct {
	// Lane is part of the subject, not of the body.
	Lane      schema.Lane `json:"-"`
	JobID     string      `json:"job_id"`
	MappingID string      `json:"mapping_id"`
}

// Subject is mapping.requested.<lane>.<job>.<mapping>.
func (e MappingRequested) Subject() Subject {
	return MappingRequestedSubject(e.Lane, e.JobID, e.MappingID)
}

// ID is work/<job>/<mapping>, the same for every attempt.
func (e MappingRequested) ID() string { return "work/" + e.JobID + "/" + e.MappingID }

func (e *MappingRequested) complete(subject Subject) { e.Lane = subject.Lane }

func (e MappingRequested) check() error {
	return errors.Join(
		oneOf("lane", e.Lane, schema.Lanes()),
		checkID("job_id", e.JobID),
		checkID("mapping_id", e.MappingID),
	)
}

// MappingChanged reports that a person edited or reviewed a mapping, that it was carried over from an earlier cycle,
// that a refresh of a data source removed one of its columns, or that the rule of a report approved it outside of a
// job. No event is published for the mappings that an import or a
// removal changes; the auditor records those from the history.
type MappingChanged struct {
	MappingID string `json:"mapping_id"`
	// Version is the mapping's version after the change.
	Version   int64  `json:"version"`
	ChangedBy string `json:"changed_by"`
	// Before and After are the images of the mapping in its history, in the format of the API.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	// Comment is the comment of the person; null if there is none.
	Comment *string `json:"comment"`
	// EditedBy is the last editor of a mapping that was carried over, in the earlier cycle; null for other changes.
	EditedBy *string `json:"edited_by"`
}

// MappingChangedOf returns the event of a change. It returns an error if the images of the change are damaged, so
// that no event can have them.
func MappingChangedOf(change schema.History) (MappingChanged, error) {
	after, err := schema.DecodeImage(change.After)
	if err != nil {
		return MappingChanged{}, fmt.Errorf("change %s: %w", change.ID, err)
	}
	event := MappingChanged{
		MappingID: change.MappingID, Version: after.Version, ChangedBy: change.ChangedBy,
		Before: change.Before, After: change.After, Comment: orNull(change.Comment),
		EditedBy: orNull(change.EditedBy),
	}
	if err := event.check(); err != nil {
		return MappingChanged{}, fmt.Errorf("change %s: %w", change.ID, err)
	}
	return event, nil
}

// Subject is mapping.changed.<mapping>.
func (e MappingChanged) Subject() Subject { return MappingChangedSubject(e.MappingID) }

// ID is changed/<mapping>/<version>.
func (e MappingChanged) ID() string { return fmt.Sprintf("changed/%s/%d", e.MappingID, e.Version) }

func (e MappingChanged) check() error {
	return errors.Join(
		checkID("mapping_id", e.MappingID),
		positive("version", e.Version),
		required("changed_by", e.ChangedBy),
		isObject("before", e.Before),
		isObject("after", e.After),
	)
}

// MappingRejected is a copy of a work message that was rejected; see [Reject].
type MappingRejected struct {
	// RejectedSubject, Headers and Data are those of the message. Data is base64 in JSON.
	RejectedSubject string              `json:"subject"`
	Headers         map[string][]string `json:"headers"`
	Data            []byte              `json:"data"`
	Reason          Reason              `json:"reason"`
	// Error describes the problem.
	Error string `json:"error"`
}

// Subject is mapping.rejected.<reason>.
func (e MappingRejected) Subject() Subject { return MappingRejectedSubject(e.Reason) }

// ID is rejected/<digest of the message>, so that a message that is rejected twice gives one event.
func (e MappingRejected) ID() string {
	digest := sha256.New()
	part := func(p []byte) { fmt.Fprintf(digest, "%d:%s", len(p), p) }
	part([]byte(e.RejectedSubject))
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		part([]byte(name))
		for _, value := range e.Headers[name] {
			part([]byte(value))
		}
	}
	part(e.Data)
	return "rejected/" + hex.EncodeToString(digest.Sum(nil)[:16])
}

func (e MappingRejected) check() error {
	return errors.Join(
		required("subject", e.RejectedSubject),
		checkID("reason", string(e.Reason)),
		required("error", e.Error),
	)
}

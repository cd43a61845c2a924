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

// MappingRequested is a work message: classify this mapping. It carries ids only, because whoever works on it reads the current rows.
type MappingRequested struct {
	// Lane stands in the subject, not in the body.
	Lane      schema.Lane `json:"-"`
	JobID     string      `json:"job_id"`
	MappingID string      `json:"mapping_id"`
}

// Subject is where it waits.
func (e MappingRequested) Subject() Subject {
	return MappingRequestedSubject(e.Lane, e.JobID, e.MappingID)
}

// ID is work/<job>/<mapping>. Every attempt at the mapping has the same: it is one piece of work.
func (e MappingRequested) ID() string { return "work/" + e.JobID + "/" + e.MappingID }

func (e *MappingRequested) complete(subject Subject) { e.Lane = subject.Lane }

func (e MappingRequested) check() error {
	return errors.Join(
		oneOf("lane", e.Lane, schema.Lanes()),
		checkID("job_id", e.JobID),
		checkID("mapping_id", e.MappingID),
	)
}

// MappingChanged says that a person edited or reviewed a mapping.
type MappingChanged struct {
	MappingID string `json:"mapping_id"`
	// Version is the mapping's version after the change.
	Version   int64  `json:"version"`
	ChangedBy string `json:"changed_by"`
	// Before and After are what the history keeps of the mapping, as over HTTP.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	// Comment is what the person said about it; null where nothing.
	Comment *string `json:"comment"`
}

// Subject is where it is said.
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

// MappingRejected holds a work message that could not be understood, whole, so that somebody can look into it.
type MappingRejected struct {
	// RejectedSubject, Headers and Data are the message; Data travels as base64.
	RejectedSubject string              `json:"subject"`
	Headers         map[string][]string `json:"headers"`
	Data            []byte              `json:"data"`
	Reason          Reason              `json:"reason"`
	// Error says in words what is wrong with it.
	Error string `json:"error"`
}

// Subject is where it is said.
func (e MappingRejected) Subject() Subject { return MappingRejectedSubject(e.Reason) }

// ID is rejected/<digest of the message>: the same message rejected twice is the same event.
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

package auditor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
)

// rejectionClaim is the part of a mapping.rejected event that the log keeps. The quoted message and the error may
// contain anything.
type rejectionClaim struct {
	Subject string        `json:"subject"`
	Reason  events.Reason `json:"reason"`
	Size    int           `json:"size"`
	SHA256  string        `json:"sha256"`
}

func (r receivedEvent) rejection(e events.MappingRejected) (audit.Entry, error) {
	entry, err := r.claim(e.ID(), rejectionClaim{
		Subject: truncate(e.RejectedSubject), Reason: e.Reason, Size: len(e.Data), SHA256: digest(e.Data),
	})
	if subject, parseErr := events.ParseSubject(e.RejectedSubject); parseErr == nil {
		entry.JobID, entry.MappingID = subject.JobID, subject.MappingID
	}
	return entry, err
}

// waitClaim is the part of a waiting event that the log keeps.
type waitClaim struct {
	JobID string              `json:"job_id"`
	Kind  events.ProgressKind `json:"kind"`
	// Since and Until are times in RFC 3339. Until is empty if the wait is over or its end is not known.
	Since string `json:"since"`
	Until string `json:"until"`
}

func (r receivedEvent) wait(e events.JobProgress) (audit.Entry, error) {
	claim := waitClaim{JobID: e.JobID, Kind: e.Kind, Since: e.Waiting.Since.UTC().Format(time.RFC3339Nano)}
	if e.Waiting.Until != nil {
		claim.Until = e.Waiting.Until.UTC().Format(time.RFC3339Nano)
	}
	return r.claim(e.ID(), claim)
}

// unconfirmedPrefix begins the id of an event that no row confirms. The digest of the message follows.
const unconfirmedPrefix = "unverified/"

func isUnconfirmed(entry audit.Entry) bool {
	return strings.HasPrefix(entry.EventID, unconfirmedPrefix)
}

// unconfirmedClaim is what the log keeps of an event that no row confirms: which event it claims to be, but
// nothing of its content, because anyone may have published it.
type unconfirmedClaim struct {
	// Claims is the ce-id, or empty if the message cannot be decoded.
	Claims string `json:"claims"`
	Reason string `json:"reason"`
	// Size and SHA256 are those of the body.
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

func (r receivedEvent) unconfirmed() (audit.Entry, error) {
	reason := "no row confirms it"
	if r.event == nil {
		reason = "not understood: " + string(r.reason)
	}
	data := r.message.Body.Data
	entry, err := r.claim(unconfirmedPrefix+r.digest(), unconfirmedClaim{
		Claims: r.id(), Reason: reason, Size: len(data), SHA256: digest(data),
	})
	if progress, ok := r.event.(events.JobProgress); ok && progress.Item != nil {
		entry.MappingID = progress.Item.MappingID
	}
	return entry, err
}

// claim returns an entry that is not verified, with the id and the data.
func (r receivedEvent) claim(id string, data any) (audit.Entry, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("claim %s: %w", id, err)
	}
	entry := audit.Entry{
		EventID: id, Source: truncate(r.message.Source), Type: truncate(r.message.Type),
		Subject:     truncate(r.message.Subject),
		Traceparent: r.message.Traceparent.String(), Data: text, Origin: audit.OriginEvent,
	}
	if subject, err := events.ParseSubject(r.message.Subject); err == nil {
		entry.JobID, entry.MappingID = subject.JobID, subject.MappingID
	}
	return entry, nil
}

// digest identifies the whole message, so that a message that is delivered twice is recorded once.
func (r receivedEvent) digest() string {
	sum := sha256.New()
	part := func(p string) { fmt.Fprintf(sum, "%d:%s,", len(p), p) }
	part(r.message.Body.Subject)
	for _, name := range slices.Sorted(maps.Keys(r.message.Body.Header)) {
		part(name)
		for _, value := range r.message.Body.Header[name] {
			part(value)
		}
	}
	part(string(r.message.Body.Data))
	return hex.EncodeToString(sum.Sum(nil))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// maxText is the largest size in bytes of a text from a message in the log.
const maxText = 300

// truncate returns a text that fits into a row: at most maxText bytes of valid UTF-8 without zero bytes.
func truncate(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

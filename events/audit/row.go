package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// Origin is how the auditor learned of an entry.
type Origin string

const (
	// OriginEvent means that an event reported it.
	OriginEvent Origin = "event"
	// OriginRows means that it was read from the rows, because no event had reported it.
	OriginRows Origin = "rows"
)

// Origins returns all origins.
func Origins() []Origin { return []Origin{OriginEvent, OriginRows} }

// Entry is the content of a row of the log, before [Append] gives it a place in the chain. An entry is identified
// by EventID.
type Entry struct {
	// EventID is the ce-id of the event.
	EventID string `bun:"event_id"`
	// OccurredAt is when it happened; zero if no row has the time.
	OccurredAt time.Time `bun:"occurred_at,nullzero"`
	// Source, Type and Subject are the ce-source, the ce-type and the subject of the event.
	Source  string `bun:"source,nullzero"`
	Type    string `bun:"type,nullzero"`
	Subject string `bun:"subject"`
	// Actor is the person, the job or the service that did it; empty if the entry is not verified.
	Actor       string `bun:"actor,nullzero"`
	CycleID     string `bun:"cycle_id,nullzero"`
	ReportID    string `bun:"report_id,nullzero"`
	JobID       string `bun:"job_id,nullzero"`
	MappingID   string `bun:"mapping_id,nullzero"`
	Traceparent string `bun:"traceparent,nullzero"`
	// Data is the body of the event with the details that the log adds, or what the log keeps of an event that is
	// not verified. It is hashed and stored byte for byte.
	Data   json.RawMessage `bun:"data"`
	Origin Origin          `bun:"origin"`
	// Verified reports whether the entry was built from the rows. Otherwise it only repeats what a message claims.
	Verified bool `bun:"verified"`
}

// Row is a row of the audit log. Rows are only added, and each has the hash of the one before it.
type Row struct {
	bun.BaseModel `bun:"table:audit_log,alias:al"`

	// Seq counts the rows from 1 without a gap.
	Seq        int64 `bun:"seq,pk"`
	Entry      `bun:"embed:"`
	RecordedAt time.Time `bun:"recorded_at"`
	PrevHash   string    `bun:"prev_hash"`
	// Hash is the SHA-256, in hexadecimal, of all other columns; see [Row.Sum].
	Hash      string    `bun:"hash"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Head is the end of the audit log. Keep one where the owner of the database cannot write: it shows later whether
// the rows up to it are still the same. An empty log has Seq 0.
type Head struct {
	Seq  int64  `bun:"seq"`
	Hash string `bun:"hash"`
}

// emptyHead is the head of an empty log.
func emptyHead() Head { return Head{Hash: strings.Repeat("0", 2*sha256.Size)} }

// Sum computes the hash of the row: the SHA-256, in hexadecimal, of all columns but the hash, in the order and the
// notation that the package documentation defines.
func (r Row) Sum() string {
	var s []byte
	for _, column := range []string{
		strconv.FormatInt(r.Seq, 10), r.EventID, hashedTime(r.RecordedAt), hashedTime(r.OccurredAt),
		r.Source, r.Type, r.Subject, r.Actor, r.CycleID, r.ReportID, r.JobID, r.MappingID, string(r.Data),
		string(r.Origin),
		strconv.FormatBool(r.Verified),
		r.Traceparent, hashedTime(r.CreatedAt), r.CreatedBy, hashedTime(r.UpdatedAt), r.UpdatedBy, r.PrevHash,
	} {
		s = appendNetstring(s, column)
	}
	sum := sha256.Sum256(s)
	return hex.EncodeToString(sum[:])
}

// appendNetstring appends the length of the text in bytes, a colon, the text and a comma.
func appendNetstring(s []byte, text string) []byte {
	s = strconv.AppendInt(s, int64(len(text)), 10)
	s = append(s, ':')
	s = append(s, text...)
	return append(s, ',')
}

func hashedTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

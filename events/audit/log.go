package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// auditor signs what the auditor writes.
const auditor = "auditor"

// auditLock is the advisory lock behind which the chain grows, because each link needs the hash of the one before.
const auditLock = 0x7064656175646974 // "pdeaudit"

// noHash stands where the first row of the log has the hash of the row before.
var noHash = strings.Repeat("0", 2*sha256.Size)

// Origin says what brought something into the audit log.
type Origin string

// The origins.
const (
	// OriginEvent means that an event said it.
	OriginEvent Origin = "event"
	// OriginRows means that it was found in the rows, and no event had said it until then.
	OriginRows Origin = "rows"
)

// Origins lists every origin.
func Origins() []Origin { return []Origin{OriginEvent, OriginRows} }

// Entry is what is to be written into the audit log, unless it has an entry with this id already.
type Entry struct {
	Fact   `bun:"embed:"`
	Origin Origin `bun:"origin"`
	// Verified says that the rows bear the entry out: then it tells what they say. Otherwise it tells what somebody claims.
	Verified bool `bun:"verified"`
}

// Row is a row of the audit log. Rows are only ever added, each with the hash of the one before.
type Row struct {
	bun.BaseModel `bun:"table:audit_log,alias:al"`

	// Seq counts the rows from 1 without a gap.
	Seq   int64 `bun:"seq,pk"`
	Entry `bun:"embed:"`
	// RecordedAt is when the row was added.
	RecordedAt time.Time `bun:"recorded_at"`
	PrevHash   string    `bun:"prev_hash"`
	// Hash is the SHA-256, in hexadecimal, of everything else in the row; see [Row.Sum].
	Hash      string    `bun:"hash"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// Sum computes the row's hash from everything else in it. It is the SHA-256 of the columns as netstrings, one behind the other in this
// order: each is the length of its text in bytes, in decimal, a colon, the text in UTF-8, and a comma. Times are in UTC with six digits
// of the second, 2006-01-02T15:04:05.000000Z; a truth value is true or false; data is its text as it is stored; null is the empty text.
func (r Row) Sum() string {
	var s []byte
	add := func(column string) {
		s = strconv.AppendInt(s, int64(len(column)), 10)
		s = append(s, ':')
		s = append(s, column...)
		s = append(s, ',')
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	for _, column := range []string{
		strconv.FormatInt(r.Seq, 10), r.EventID, at(r.RecordedAt), at(r.OccurredAt), r.Source, r.Type, r.Subject, r.Actor,
		r.CycleID, r.ReportID, r.JobID, r.MappingID, string(r.Data), string(r.Origin), strconv.FormatBool(r.Verified), r.Traceparent,
		at(r.CreatedAt), r.CreatedBy, at(r.UpdatedAt), r.UpdatedBy, r.PrevHash,
	} {
		add(column)
	}
	sum := sha256.Sum256(s)
	return hex.EncodeToString(sum[:])
}

// Head is the end of the audit log: whoever notes it elsewhere can tell later whether what was there then is there still. The zero
// value but for the hash is that of an empty log.
type Head struct {
	Seq  int64  `bun:"seq"`
	Hash string `bun:"hash"`
}

// GetHead reads the end of the audit log.
func GetHead(ctx context.Context, db bun.IDB) (Head, error) {
	head := Head{Hash: noHash}
	err := db.NewRaw("select seq, hash from audit_log order by seq desc limit 1").Scan(ctx, &head)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return head, fmt.Errorf("end of the audit log: %w", err)
	}
	return head, nil
}

// Append adds those of the entries to the audit log that it does not have yet, in their order, and returns how many these were.
// Others who append wait until the transaction ends.
func Append(ctx context.Context, tx bun.Tx, entries []Entry) (int, error) {
	if len(entries) == 0 {
		return 0, nil
	}
	if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?)", int64(auditLock)); err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	ids := make([]string, len(entries))
	for i, entry := range entries {
		ids[i] = entry.EventID
	}
	logged, err := loggedEvents(ctx, tx, ids)
	if err != nil {
		return 0, err
	}
	head, err := GetHead(ctx, tx)
	if err != nil {
		return 0, err
	}
	now, err := schema.Now(ctx, tx)
	if err != nil {
		return 0, err
	}
	rows := make([]Row, 0, len(entries))
	for _, entry := range entries {
		if logged[entry.EventID] {
			continue
		}
		logged[entry.EventID] = true
		row := Row{
			Seq: head.Seq + 1, Entry: entry, RecordedAt: now, PrevHash: head.Hash,
			CreatedAt: now, CreatedBy: auditor, UpdatedAt: now, UpdatedBy: auditor,
		}
		row.Hash = row.Sum()
		head = Head{Seq: row.Seq, Hash: row.Hash}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return len(rows), insertAudit(ctx, tx, rows)
}

// insertAudit writes rows of the log in one statement that is prepared once: written out, their values take the server three times as
// long to parse as to store.
func insertAudit(ctx context.Context, tx bun.Tx, rows []Row) error {
	text := func(of func(Row) string) []string { return each(rows, of) }
	_, err := tx.Tx.ExecContext(ctx, `insert into audit_log
		(seq, event_id, recorded_at, occurred_at, source, type, subject, actor, cycle_id, report_id, job_id, mapping_id, data, origin, verified,
			traceparent, prev_hash, hash, created_at, created_by, updated_at, updated_by)
		select seq, event_id, recorded_at, occurred_at, nullif(source, ''), nullif(type, ''), subject, nullif(actor, ''), nullif(cycle_id, ''),
			nullif(report_id, ''), nullif(job_id, ''), nullif(mapping_id, ''), data::json, origin, verified, nullif(traceparent, ''),
			prev_hash, hash, recorded_at, $1::text, recorded_at, $1
		from unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[],
			$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[], $17::text[], $18::text[], $19::text[])
			as r (seq, event_id, recorded_at, occurred_at, source, type, subject, actor, cycle_id, report_id, job_id, mapping_id, data, origin,
				verified, traceparent, prev_hash, hash)`,
		pgx.QueryExecModeCacheStatement, auditor,
		each(rows, func(r Row) int64 { return r.Seq }),
		text(func(r Row) string { return r.EventID }),
		each(rows, func(r Row) time.Time { return r.RecordedAt }),
		each(rows, func(r Row) sql.NullTime { return sql.NullTime{Time: r.OccurredAt, Valid: !r.OccurredAt.IsZero()} }),
		text(func(r Row) string { return r.Source }),
		text(func(r Row) string { return r.Type }),
		text(func(r Row) string { return r.Subject }),
		text(func(r Row) string { return r.Actor }),
		text(func(r Row) string { return r.CycleID }),
		text(func(r Row) string { return r.ReportID }),
		text(func(r Row) string { return r.JobID }),
		text(func(r Row) string { return r.MappingID }),
		text(func(r Row) string { return string(r.Data) }),
		text(func(r Row) string { return string(r.Origin) }),
		each(rows, func(r Row) bool { return r.Verified }),
		text(func(r Row) string { return r.Traceparent }),
		text(func(r Row) string { return r.PrevHash }),
		text(func(r Row) string { return r.Hash }),
	)
	if err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	return nil
}

// loggedEvents returns which of the events are in the log.
func loggedEvents(ctx context.Context, db bun.IDB, ids []string) (map[string]bool, error) {
	return findEvents(ctx, db, "select event_id from audit_log where event_id in (?)", ids)
}

// verifiedEvents returns which of the events are in the log as verified.
func verifiedEvents(ctx context.Context, db bun.IDB, ids []string) (map[string]bool, error) {
	return findEvents(ctx, db, "select event_id from audit_log where event_id in (?) and verified", ids)
}

func findEvents(ctx context.Context, db bun.IDB, query string, ids []string) (map[string]bool, error) {
	logged := make(map[string]bool, len(ids))
	if len(ids) == 0 {
		return logged, nil
	}
	var found []string
	if err := db.NewRaw(query, bun.List(ids)).Scan(ctx, &found); err != nil {
		return nil, fmt.Errorf("known events of the audit log: %w", err)
	}
	for _, id := range found {
		logged[id] = true
	}
	return logged, nil
}

// Filter says which rows of the audit log are asked for; what is empty does not matter.
type Filter struct {
	JobID, MappingID  string
	CycleID, ReportID string
	Actor             string
	Origin            Origin
	// Unverified leaves only what no row bears out.
	Unverified bool
}

// List lists at most limit rows of the audit log behind the one with the number after, the oldest first.
func List(ctx context.Context, db bun.IDB, filter Filter, after int64, limit int) ([]Row, error) {
	var rows []Row
	query := db.NewSelect().Model(&rows).Where("seq > ?", after).Order("seq").Limit(int64(limit))
	if err := filter.apply(query).Scan(ctx); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return rows, nil
}

// ListLast lists the last rows of the audit log, at most limit, the oldest of them first.
func ListLast(ctx context.Context, db bun.IDB, filter Filter, limit int) ([]Row, error) {
	var rows []Row
	query := db.NewSelect().Model(&rows).OrderExpr("seq desc").Limit(int64(limit))
	if err := filter.apply(query).Scan(ctx); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	slices.Reverse(rows)
	return rows, nil
}

func (f Filter) apply(query *bun.SelectQuery) *bun.SelectQuery {
	for _, wanted := range []struct{ column, value string }{
		{"job_id", f.JobID},
		{"mapping_id", f.MappingID},
		{"cycle_id", f.CycleID},
		{"report_id", f.ReportID},
		{"actor", f.Actor},
		{"origin", string(f.Origin)},
	} {
		if wanted.value != "" {
			query = query.Where("? = ?", bun.Ident(wanted.column), wanted.value)
		}
	}
	if f.Unverified {
		query = query.Where("not verified")
	}
	return query
}

func each[R, V any](rows []R, of func(R) V) []V {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = of(row)
	}
	return values
}

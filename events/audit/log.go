package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// auditor is written to created_by and updated_by.
const auditor = string(schema.ServiceAuditor)

// lockKey is the advisory lock that serializes appends, since each row needs the hash of the one before it.
const lockKey = 0x7064656175646974 // "pdeaudit"

// GetHead returns the end of the log.
func GetHead(ctx context.Context, db bun.IDB) (Head, error) {
	head := emptyHead()
	err := db.NewRaw("select seq, hash from audit_log order by seq desc limit 1").Scan(ctx, &head)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return head, fmt.Errorf("end of the audit log: %w", err)
	}
	return head, nil
}

// GetLastEventTime returns when the last entry with the origin event happened, or was recorded if no row has that
// time. It returns the zero time if there is no such entry.
func GetLastEventTime(ctx context.Context, db bun.IDB) (time.Time, error) {
	var at time.Time
	err := db.NewRaw(`select coalesce(occurred_at, recorded_at) from audit_log
		where origin = ? order by seq desc limit 1`, OriginEvent).Scan(ctx, &at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, fmt.Errorf("last event of the audit log: %w", err)
	}
	return at, nil
}

// Append appends the entries whose events the log does not have, in their order, and returns how many it appended.
// Other transactions that append wait until this one ends.
func Append(ctx context.Context, tx bun.Tx, entries []Entry) (int, error) {
	if len(entries) == 0 {
		return 0, nil
	}
	if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?)", int64(lockKey)); err != nil {
		return 0, fmt.Errorf("lock the audit log: %w", err)
	}
	logged, err := listLogged(ctx, tx, each(entries, func(e Entry) string { return e.EventID }))
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
	return len(rows), insertRows(ctx, tx, rows)
}

// insertRows inserts rows with one prepared statement. If the values were part of the statement's text, parsing
// them would take the server three times as long as storing them.
func insertRows(ctx context.Context, tx bun.Tx, rows []Row) error {
	text := func(column func(Row) string) []string { return each(rows, column) }
	_, err := tx.Tx.ExecContext(ctx, `insert into audit_log
		(seq, event_id, recorded_at, occurred_at, source, type, subject, actor, cycle_id, report_id, job_id, mapping_id,
			data, origin, verified, traceparent, prev_hash, hash, created_at, created_by, updated_at, updated_by)
		select seq, event_id, recorded_at, occurred_at, nullif(source, ''), nullif(type, ''), subject,
			nullif(actor, ''), nullif(cycle_id, ''), nullif(report_id, ''), nullif(job_id, ''), nullif(mapping_id, ''),
			data::json, origin, verified,
			nullif(traceparent, ''), prev_hash, hash, recorded_at, $1::text, recorded_at, $1
		from unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
			$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[],
			$17::text[], $18::text[], $19::text[])
			as r (seq, event_id, recorded_at, occurred_at, source, type, subject, actor, cycle_id, report_id, job_id,
				mapping_id, data, origin, verified, traceparent, prev_hash, hash)`,
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

// listLogged returns which of the events are in the log.
func listLogged(ctx context.Context, db bun.IDB, eventIDs []string) (map[string]bool, error) {
	return listEvents(ctx, db, "select event_id from audit_log where event_id in (?)", eventIDs)
}

// listVerified returns which of the events are in the log as verified.
func listVerified(ctx context.Context, db bun.IDB, eventIDs []string) (map[string]bool, error) {
	return listEvents(ctx, db, "select event_id from audit_log where event_id in (?) and verified", eventIDs)
}

func listEvents(ctx context.Context, db bun.IDB, query string, eventIDs []string) (map[string]bool, error) {
	found := make(map[string]bool, len(eventIDs))
	if len(eventIDs) == 0 {
		return found, nil
	}
	var ids []string
	if err := db.NewRaw(query, bun.List(eventIDs)).Scan(ctx, &ids); err != nil {
		return nil, fmt.Errorf("events of the audit log: %w", err)
	}
	for _, id := range ids {
		found[id] = true
	}
	return found, nil
}

func each[R, V any](rows []R, value func(R) V) []V {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = value(row)
	}
	return values
}

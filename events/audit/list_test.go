package audit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// The rows of logRows were recorded one second after the other since logStart.
const logRows = 20_000

func logStart() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// longLog fills the log with rows whose hashes are not right. The first 100 are by ada, about the report r0 and
// unverified; then every second row is about the item of a job, and every other one the decision of a person. The
// last 100 are as before, but imports.
func (f *fixture) longLog() {
	f.t.Helper()
	_, err := f.db.ExecContext(f.t.Context(), `insert into audit_log (seq, event_id, recorded_at, type, subject, actor,
			cycle_id, report_id, job_id, mapping_id, data, origin, verified, prev_hash, hash, created_at, created_by,
			updated_at, updated_by)
		select n, n, ?0::timestamptz + n * interval '1 second', case when n <= 100 or n > ?1 - 100 then ?2
				when item then ?3 else ?4 end, 's',
			case when n <= 100 then 'ada' when item then 'job:j' || n % 7 else 'grace' end, 'c',
			case when n <= 100 then 'r0' else 'r1' end, case when item then 'j' || n % 7 end,
			case when n > 100 then 'm' || n % 500 end, '{}', 'event', n > 100, repeat('0', 64), repeat('0', 64),
			now(), 'test', now(), 'test'
		from (select n, n > 100 and n % 2 = 0 as item from generate_series(1, ?1) n) rows`,
		logStart(), logRows, events.TopicPlanningChanged.Type(), events.TopicJobProgress.Type(),
		events.TopicMappingChanged.Type())
	if err != nil {
		f.t.Fatal(err)
	}
}

// A page must be found without reading the log, also if what it shows is rare and old, or frequent but not recent.
func TestList_ReadsOnlyThePage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.longLog()
	types := []string{events.TopicPlanningChanged.Type(), "x"}
	minute := func(n int) time.Time { return logStart().Add(time.Duration(n) * time.Minute) }
	if _, err := f.db.ExecContext(t.Context(), "analyze audit_log"); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		filter audit.Filter
		// newest is the expected first row, and rows their number.
		newest int64
		rows   int
	}{
		"all":                 {audit.Filter{}, logRows, 50},
		"actions":             {audit.Filter{Actions: true}, logRows - 1, 50},
		"a rare actor":        {audit.Filter{Actor: "ada"}, 100, 50},
		"a frequent actor":    {audit.Filter{Actor: "grace", Actions: true}, logRows - 1, 50},
		"nobody":              {audit.Filter{Actor: "nobody"}, 0, 0},
		"a job as actor":      {audit.Filter{Actor: "job:j3"}, logRows - 12, 50},
		"a job":               {audit.Filter{JobID: "j3"}, logRows - 12, 50},
		"a mapping":           {audit.Filter{MappingID: "m7"}, logRows - 493, 39},
		"an old report":       {audit.Filter{ReportID: "r0", Actions: true}, 100, 50},
		"types":               {audit.Filter{Types: types, Actions: true}, logRows - 1, 50},
		"unverified":          {audit.Filter{Unverified: true}, 100, 50},
		"a minute":            {audit.Filter{From: minute(10), To: minute(11)}, 659, 50},
		"an actor since":      {audit.Filter{Actor: "ada", From: minute(1)}, 100, 41},
		"before the first":    {audit.Filter{To: minute(0)}, 0, 0},
		"after the last":      {audit.Filter{From: minute(logRows)}, 0, 0},
		"an actor until then": {audit.Filter{Actor: "grace", To: minute(100)}, 5999, 50},
	} {
		t.Run(name, func(t *testing.T) {
			err := f.db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				before, err := schematest.EntriesRead(ctx, tx, "audit_log")
				if err != nil {
					return err
				}
				rows, err := audit.ListBefore(ctx, tx, tt.filter, 0, 50)
				if err != nil {
					return err
				}
				if len(rows) != tt.rows || len(rows) > 0 && rows[0].Seq != tt.newest {
					t.Errorf("ListBefore: got %d rows from %+v, want %d from %d", len(rows), rows[:min(1, len(rows))],
						tt.rows, tt.newest)
				}
				read, err := schematest.EntriesRead(ctx, tx, "audit_log")
				if err != nil {
					return err
				}
				if read-before > 250 { // with the rows that halving the log reads
					t.Errorf("ListBefore: read %d rows and entries, want at most 250", read-before)
				}
				if len(rows) == 0 {
					return nil
				}
				again, err := audit.List(ctx, tx, tt.filter, rows[len(rows)-1].Seq-1, 50)
				if err != nil {
					return err
				}
				slices.Reverse(rows)
				if !slices.EqualFunc(again, rows, func(a, b audit.Row) bool { return a.Seq == b.Seq }) {
					t.Errorf("List: got %d rows, want the same %d in the other order", len(again), len(rows))
				}
				all, err := schematest.EntriesRead(ctx, tx, "audit_log")
				if all-read > 250 {
					t.Errorf("List: read %d rows and entries, want at most 250", all-read)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestList_ReturnsTheRowsOfATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.longLog()
	filter := audit.Filter{From: logStart().Add(500 * time.Millisecond), To: logStart().Add(3 * time.Second)}
	for after, want := range map[int64]string{0: "[1 2]", 1: "[2]", 2: "[]"} {
		rows, err := audit.List(t.Context(), f.db, filter, after, 10)
		got := []int64{}
		for _, row := range rows {
			got = append(got, row.Seq)
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("List after %d: got %v, %v, want %s", after, got, err, want)
		}
	}
}

package classifier

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

func TestAPanicCountsAndTheFifthFailsTheItem(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, judged := f.classifier(func(schema.Work) { panic("broken beyond repair") })
	for attempt := 1; attempt <= maxAttempts; attempt++ {
		f.makeDue()
		f.handle(c, f.ids[0])
		want := outcome{Attempt: attempt, Code: schema.ErrorCodePanic}
		if attempt == maxAttempts {
			want.Outcome = schema.OutcomeFailed
		}
		f.wantItem(f.ids[0], want)
		item := f.item(f.ids[0])
		if want := "panic: broken beyond repair"; item.Error != want {
			t.Errorf("error of attempt %d: got %q, want %q", attempt, item.Error, want)
		}
		exact := firstBackoff << (2 * (attempt - 1))
		if wait := item.DueAt.Sub(item.UpdatedAt); attempt < maxAttempts && (wait < exact*3/4 || wait > exact*5/4) {
			t.Errorf("wait after attempt %d: got %v, want about %v", attempt, wait, exact)
		}
	}
	f.wantUnchanged(f.ids[0])
	f.wantJudged(judged, maxAttempts)
	if !strings.Contains(f.Log.String(), "failure_test.go") {
		t.Error("the log does not have the stack of the panic")
	}
}

func TestAPanicWhileIndexingCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, _ := f.classifier(nil)
	c.candidates = newCandidateCache(nil, nil)
	f.handle(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{Attempt: 1, Code: schema.ErrorCodePanic})
}

func TestAPanicTextThatCannotBeStoredIsCleaned(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"NUL": "a\x00b", "invalid UTF-8": "a\xffb", "long": strings.Repeat("x", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			c, _ := f.classifier(func(schema.Work) { panic(text) })
			for range maxAttempts {
				f.makeDue()
				f.handle(c, f.ids[0])
			}
			f.wantItem(
				f.ids[0], outcome{Outcome: schema.OutcomeFailed, Attempt: maxAttempts, Code: schema.ErrorCodePanic},
			)
			if got := len(f.item(f.ids[0]).Error); got > schema.MaxErrorText {
				t.Errorf("length of the error: got %d, want at most %d", got, schema.MaxErrorText)
			}
			if n := f.Log.Count("classifier panicked"); n != 1 {
				t.Errorf("log lines: got %d, want 1", n)
			}
		})
	}
}

func TestADatabaseErrorThatWouldRecurCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.Exec(`create function damaged() returns trigger language plpgsql as $$ begin
		raise exception 'broken' using errcode =
			(array['XX001', '54000', '42601'])[(select count(*) from pde_mappings where id <= old.id)]; end $$`)
	f.Exec("create trigger damaged before update on pde_mappings for each row execute function damaged()")
	c, _ := f.classifier(nil)
	for _, id := range f.ids {
		f.handle(c, id)
		f.wantItem(id, outcome{Attempt: 1, Code: schema.ErrorCodeClassifier})
	}
}

func TestAnItemWhoseRowsCannotBeReadFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.Exec(`update pde_mappings set alternative_mappings = '"no list"' where id = ?`, f.ids[0])
	c, _ := f.classifier(nil)
	for range maxAttempts {
		f.makeDue()
		f.handle(c, f.ids[0])
	}
	item, err := schema.GetItem(t.Context(), f.DB, f.job.ID, f.ids[0])
	if err != nil {
		t.Fatal(err)
	}
	want := outcome{Outcome: schema.OutcomeFailed, Attempt: maxAttempts, Code: schema.ErrorCodeClassifier}
	if got := (outcome{item.Outcome, item.Attempt, item.ErrorCode, item.Starts}); got != want {
		t.Errorf("item: got %+v, want %+v (error %q)", got, want, item.Error)
	}
	f.handle(c, f.ids[1])
}

func TestAValueThatTheDatabaseRefusesCounts(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*schema.Mapping){
		"constraint":      func(m *schema.Mapping) { m.ConfidenceScore = new(101) },
		"enum":            func(m *schema.Mapping) { m.RiskLevel = "Extreme" },
		"NUL in a text":   func(m *schema.Mapping) { m.MappingRationale = "a\x00b" },
		"NUL in JSON":     func(m *schema.Mapping) { m.RegulatoryReferences = []string{"a\x00b"} },
		"number too wide": func(m *schema.Mapping) { m.ConfidenceScore = new(1 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			c, _ := f.classifier(nil)
			judge := c.evaluate
			c.evaluate = func(from *candidates, work schema.Work) (schema.Mapping, schema.ItemResult) {
				after, saved := judge(from, work)
				spoil(&after)
				return after, saved
			}
			f.handle(c, f.ids[0])
			f.wantUnchanged(f.ids[0])
			f.wantItem(f.ids[0], outcome{Attempt: 1, Code: schema.ErrorCodeClassifier})
			if f.item(f.ids[0]).Error == "" {
				t.Error("the item has no error text")
			}
		})
	}
}

func TestAnUnreachableDatabaseCountsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		delivery uint64
		before   bool
	}{
		"before the read":                {delivery: 1, before: true},
		"during the judgement":           {delivery: 1},
		"during the judgement, a marked": {delivery: markedDelivery},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1)
			db, disconnect := f.disconnected()
			c, _ := f.classifier(func(schema.Work) { disconnect() })
			c.db = db
			if test.before {
				disconnect()
			}
			if err := f.handleDelivery(c, test.delivery, f.ids[0]); err == nil {
				t.Error("handle: got nil, want an error")
			}
			f.wantUnchanged(f.ids[0])
			if item := f.item(f.ids[0]); item.Attempt != 0 || item.Outcome != "" {
				t.Errorf("item: got outcome %q, attempt %d, want none", item.Outcome, item.Attempt)
			}
		})
	}
}

func TestAFullDiskCountsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.Exec(`create function full_disk() returns trigger language plpgsql as $$
		begin raise exception 'no space' using errcode = 'disk_full'; end $$`)
	f.Exec("create trigger full_disk before update on pde_mappings for each row execute function full_disk()")
	c, _ := f.classifier(nil)
	for range maxStarts + 2 {
		if err := f.handleDelivery(c, markedDelivery, f.ids[0]); err == nil {
			t.Error("handle: got nil, want an error")
		}
	}
	f.wantItem(f.ids[0], outcome{})
	f.Exec("drop trigger full_disk on pde_mappings")
	f.handle(c, f.ids[0])
}

func TestABellIsPublishedForEveryMessageOfAPostponedItem(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, judged := f.classifier(func(schema.Work) { panic("broken") })
	f.handle(c, f.ids[0])
	f.Exec("update job_items set due_at = due_at + interval '1 minute'")
	f.handle(c, f.ids[0]) // the first bell may have been lost
	f.wantJudged(judged, 1)
	published, want := f.Messages(events.StreamEvents), "bell/"+f.job.ID
	if len(published) != 2 {
		t.Fatalf("events: got %d, want 2", len(published))
	}
	for _, m := range published {
		if id := m.Header.Get("ce-id"); id != want {
			t.Errorf("event: got %s, want %s", id, want)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"a changed row": {errChanged, false},
		"a shutdown":    {context.Canceled, false},
		"a judgement":   {&judgeError{code: schema.ErrorCodePanic, err: errChanged}, true},
		"several errors": {
			errors.Join(&judgeError{code: schema.ErrorCodePanic, err: errChanged}, context.Canceled), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := counts(test.err); got != test.want {
				t.Errorf("counts(%v): got %t, want %t", test.err, got, test.want)
			}
		})
	}
	if !errors.Is(&judgeError{code: schema.ErrorCodePanic, err: errChanged}, errChanged) {
		t.Error("a judgeError does not wrap its cause")
	}
}

func TestBackoff_IsFourTimesAsLongEachTime(t *testing.T) {
	t.Parallel()
	for attempt := 1; attempt < maxAttempts; attempt++ {
		exact := firstBackoff << (2 * (attempt - 1))
		for range 100 {
			if got := backoff(attempt); got < exact*3/4 || got > exact*5/4 {
				t.Fatalf("backoff(%d): got %v, want %v with a quarter of jitter", attempt, got, exact)
			}
		}
	}
	if longest := firstBackoff << (2 * (maxAttempts - 2)) * 5 / 4; longest > schema.LongestWait {
		t.Errorf("longest backoff: got %v, want at most %v", longest, schema.LongestWait)
	}
	if got := jitter(time.Second); got < 750*time.Millisecond || got > 1250*time.Millisecond {
		t.Errorf("jitter(1s): got %v, want within a quarter", got)
	}
}

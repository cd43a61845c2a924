package classifier

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAMappingIsSavedSaidAndAcknowledged(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 5)
	c, _ := b.classifier(nil)
	b.run(c)
	for _, id := range b.ids {
		b.send(b.message(id))
	}
	b.workDone()
	if said := b.Messages(events.StreamEvents); len(said) != 5 {
		t.Errorf("%d events when all is acknowledged", len(said))
	}
	for _, id := range b.ids {
		work := b.work(id)
		if work.Item.Outcome != schema.Succeeded || work.Item.Attempt != 1 || work.Mapping.ClassifiedBy == "" || work.Mapping.UpdatedBy != b.job.Author() {
			t.Errorf("item %s at attempt %d, mapping %+v", work.Item.Outcome, work.Item.Attempt, work.Mapping.Image())
		}
	}
}

func TestNoTransactionIsOpenWhileAMappingIsJudged(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, judged := b.classifier(func(schema.Work) {
		// The one that asks is in a transaction, of this statement.
		if n := b.Count(`select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
			and backend_type = 'client backend' and xact_start is not null`); n != 0 {
			t.Errorf("%d transactions are open", n)
		}
	})
	b.handle(c, b.ids[0])
	if judged.Load() != 1 {
		t.Errorf("judged %d times", judged.Load())
	}
}

func TestARowThatChangesWhileItIsJudgedIsReadAndJudgedAgain(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	first := true
	c, judged := b.classifier(func(work schema.Work) {
		if first {
			first = false
			b.Exec(`update pde_mappings set source_field = 'svc.LN_MSTR.VIN', mapping_confirmed_by_user = true, business_owner = 'Olga',
				version = version + 1, updated_at = clock_timestamp(), updated_by = 'olga'`)
		} else if !work.Mapping.MappingConfirmedByUser {
			t.Error("it is judged again as it was before")
		}
	})
	b.handle(c, b.ids[0])
	work := b.work(b.ids[0])
	if judged.Load() != 2 || work.Mapping.SourceField != "svc.LN_MSTR.VIN" || work.Mapping.BusinessOwner != "Olga" || work.Item.Outcome != schema.Succeeded {
		t.Errorf("judged %d times, %s, %+v", judged.Load(), work.Item.Outcome, work.Mapping.Image())
	}
	if n := b.Count("select count(*) from classification_history"); n != 1 {
		t.Errorf("%d history rows", n)
	}
}

func TestACancellationDuringTheJudgementWinsAtTheRow(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, _ := b.classifier(func(schema.Work) {
		b.Intend(b.job.ID, schema.IntentCancel)
		if n, _, err := schema.CancelItems(t.Context(), b.DB, b.job.ID, "", 10); err != nil || n != 1 {
			t.Errorf("cancelled %d, %v", n, err)
		}
	})
	b.handle(c, b.ids[0])
	b.untouched(b.ids[0])
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.ItemCancelled || item.Attempt != 0 {
		t.Errorf("item %s at attempt %d", item.Outcome, item.Attempt)
	}
	if said := b.Messages(events.StreamEvents); len(said) != 0 {
		t.Errorf("said %s", said[0].Header.Get("ce-id"))
	}
}

func TestAPauseLetsFinishWhatIsJudged(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, _ := b.classifier(func(schema.Work) { b.Intend(b.job.ID, schema.IntentPause) })
	b.handle(c, b.ids[0])
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.Succeeded {
		t.Errorf("item %q", item.Outcome)
	}
}

func TestASavedMappingThatCouldNotBeSaidIsSaidWhenItsMessageComesAgain(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, judged := b.classifier(func(schema.Work) { b.Bus.Stop() })
	if err := c.handle(t.Context(), events.Delivery{Deliveries: 1}, b.message(b.ids[0])); err == nil {
		t.Fatal("the message is acknowledged although nobody has heard of it")
	}
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.Succeeded {
		t.Fatalf("item %q", item.Outcome)
	}
	b.Bus.Restart()
	b.Eventually("it is said", func() bool {
		return c.handle(t.Context(), events.Delivery{Deliveries: 2}, b.message(b.ids[0])) == nil
	})
	b.Eventually("the test is connected", b.NC.IsConnected)
	if judged.Load() != 1 || b.Count("select count(*) from classification_history") != 1 {
		t.Errorf("judged %d times", judged.Load())
	}
	if said := b.Messages(events.StreamEvents); len(said) == 0 || said[0].Header.Get("ce-id") != "item/"+b.job.ID+"/"+b.ids[0] {
		t.Errorf("said %d events", len(said))
	}
}

func TestWhatIsSaidOfAnItemIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 3)
	c, judged := b.classifier(nil)
	broken, _ := b.classifier(func(schema.Work) { panic("broken") })
	// One that succeeds after it has failed, one that is skipped, and one that has failed.
	b.handle(broken, b.ids[0])
	b.Exec("update job_items set attempt = 4 where mapping_id = ?", b.ids[2])
	b.handle(broken, b.ids[2])
	b.dueNow()
	b.handle(c, b.ids[0])
	b.handle(c, b.ids[1])
	b.Exec("update pde_mappings set mapping_confirmed_by_user = true")
	b.Exec("update job_items set outcome = null, ended_at = null where mapping_id = ?", b.ids[1])
	b.Exec("delete from classification_history where mapping_id = ?", b.ids[1])
	b.handle(c, b.ids[1])

	first := map[string]string{}
	for _, m := range b.Messages(events.StreamEvents) {
		first[m.Header.Get("ce-id")] = string(m.Data)
	}
	before, n := judged.Load(), len(b.Messages(events.StreamEvents))
	for i, outcome := range []schema.Outcome{schema.Succeeded, schema.Skipped, schema.ItemFailed} {
		if item := b.work(b.ids[i]).Item; item.Outcome != outcome {
			t.Errorf("item %d is %q, not %s", i, item.Outcome, outcome)
		}
		b.handle(c, b.ids[i])
	}
	again := b.Messages(events.StreamEvents)[n:]
	if len(again) != 3 || judged.Load() != before {
		t.Errorf("%d events are said again, judged %d times more", len(again), judged.Load()-before)
	}
	for _, m := range again {
		if diff := cmp.Diff(first[m.Header.Get("ce-id")], string(m.Data)); diff != "" {
			t.Errorf("%s (-first +again):\n%s", m.Header.Get("ce-id"), diff)
		}
	}
}

func TestASuccessForgetsTheErrorsBefore(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	broken, _ := b.classifier(func(schema.Work) { panic("broken") })
	b.handle(broken, b.ids[0])
	b.dueNow()
	c, _ := b.classifier(nil)
	b.handle(c, b.ids[0])
	if item := b.work(b.ids[0]).Item; item.Outcome != schema.Succeeded || item.Attempt != 2 || item.ErrorCode != "" || item.Error != "" {
		t.Errorf("item %s at attempt %d with %q: %q", item.Outcome, item.Attempt, item.ErrorCode, item.Error)
	}
}

func TestAPanicCountsAndTheFifthFails(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, judged := b.classifier(func(schema.Work) { panic("broken beyond repair") })
	for attempt := 1; attempt <= maxAttempts; attempt++ {
		b.dueNow()
		b.handle(c, b.ids[0])
		item := b.work(b.ids[0]).Item
		if item.Attempt != attempt || item.ErrorCode != schema.CodePanic || item.Error != "panic: broken beyond repair" {
			t.Errorf("attempt %d: %+v", attempt, item)
		}
		if wait := item.DueAt.Sub(item.UpdatedAt); attempt < maxAttempts {
			exact := firstWait << (2 * (attempt - 1))
			if item.Outcome != "" || wait < exact*3/4 || wait > exact*5/4 {
				t.Errorf("attempt %d: %q, waits %v, not about %v", attempt, item.Outcome, wait, exact)
			}
		} else if item.Outcome != schema.ItemFailed {
			t.Errorf("attempt %d: %q", attempt, item.Outcome)
		}
	}
	b.untouched(b.ids[0])
	if judged.Load() != maxAttempts || !strings.Contains(b.Log.String(), "work_test.go") {
		t.Errorf("judged %d times; the log must have the stack", judged.Load())
	}
}

func TestAPanicOfTheIndexCountsToo(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, _ := b.classifier(nil)
	c.indexes = newIndexes(nil)
	b.handle(c, b.ids[0])
	if item := b.work(b.ids[0]).Item; item.Attempt != 1 || item.ErrorCode != schema.CodePanic {
		t.Errorf("attempt %d, code %q", item.Attempt, item.ErrorCode)
	}
}

func TestAPanicWhoseTextCannotBeStoredEndsTheItemToo(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"NUL": "a\x00b", "invalid UTF-8": "a\xffb", "long": strings.Repeat("x", 2<<20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 1)
			c, _ := b.classifier(func(schema.Work) { panic(text) })
			for range maxAttempts {
				b.dueNow()
				b.handle(c, b.ids[0])
			}
			if item := b.work(b.ids[0]).Item; item.Outcome != schema.ItemFailed || item.ErrorCode != schema.CodePanic || len(item.Error) > schema.MaxErrorText {
				t.Errorf("item %q with code %q and an error of %d bytes", item.Outcome, item.ErrorCode, len(item.Error))
			}
			if n := b.Log.Count("classifier panicked"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

func TestAnErrorOfTheDatabaseThatWouldComeBackCounts(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 3)
	b.Exec(`create function damaged() returns trigger language plpgsql as $$ begin
		raise exception 'broken' using errcode = (array['XX001', '54000', '42601'])[(select count(*) from pde_mappings where id <= old.id)]; end $$`)
	b.Exec("create trigger damaged before update on pde_mappings for each row execute function damaged()")
	c, _ := b.classifier(nil)
	for _, id := range b.ids {
		b.handle(c, id)
		if item := b.work(id).Item; item.Attempt != 1 || item.ErrorCode != schema.CodeClassifier {
			t.Errorf("attempt %d, code %q", item.Attempt, item.ErrorCode)
		}
	}
}

func TestAnItemThatCannotBeReadEndsFailed(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 2)
	b.Exec(`update pde_mappings set alternative_mappings = '"no list"' where id = ?`, b.ids[0])
	c, _ := b.classifier(nil)
	for attempt := 1; attempt <= maxAttempts; attempt++ {
		b.dueNow()
		b.handle(c, b.ids[0])
	}
	item, err := schema.ReadItem(t.Context(), b.DB, b.job.ID, b.ids[0])
	if err != nil || item.Outcome != schema.ItemFailed || item.ErrorCode != schema.CodeClassifier || item.Attempt != maxAttempts {
		t.Errorf("item %q with code %q at attempt %d: %s, %v", item.Outcome, item.ErrorCode, item.Attempt, item.Error, err)
	}
	b.handle(c, b.ids[1])
}

func TestWhatTheDatabaseRefusesCounts(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*schema.Mapping){
		"a constraint":    func(m *schema.Mapping) { m.ConfidenceScore = ptr(101) },
		"a value":         func(m *schema.Mapping) { m.RiskLevel = "Extreme" },
		"a text":          func(m *schema.Mapping) { m.MappingRationale = "a\x00b" },
		"a text in JSON":  func(m *schema.Mapping) { m.RegulatoryReferences = []string{"a\x00b"} },
		"a number's size": func(m *schema.Mapping) { m.ConfidenceScore = ptr(1 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 1)
			c, _ := b.classifier(nil)
			judge := c.evaluate
			c.evaluate = func(from *candidates, work schema.Work) (schema.Mapping, schema.Saved) {
				after, saved := judge(from, work)
				spoil(&after)
				return after, saved
			}
			b.handle(c, b.ids[0])
			b.untouched(b.ids[0])
			if item := b.work(b.ids[0]).Item; item.Attempt != 1 || item.ErrorCode != schema.CodeClassifier || item.Error == "" {
				t.Errorf("attempt %d, code %q: %q", item.Attempt, item.ErrorCode, item.Error)
			}
		})
	}
}

func TestADatabaseThatIsAwayCountsNothing(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "during", "in a suspect"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, 1)
			away, err := schema.Open(t.Context(), schematest.URL(t), schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			goAway := func() { _ = away.Close() }
			c, _ := b.classifier(func(schema.Work) { goAway() })
			c.db = away
			delivery := events.Delivery{Deliveries: 1}
			switch when {
			case "before":
				goAway()
			case "in a suspect":
				delivery.Deliveries = markedDelivery
			}
			err = c.handle(t.Context(), delivery, b.message(b.ids[0]))
			if err == nil {
				t.Error("the message is acknowledged")
			}
			b.untouched(b.ids[0])
			if item := b.work(b.ids[0]).Item; item.Attempt != 0 || item.Outcome != "" {
				t.Errorf("item %q at attempt %d", item.Outcome, item.Attempt)
			}
		})
	}
}

func TestADatabaseThatCannotWriteAtTheMomentCountsNothing(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	b.Exec(`create function full_disk() returns trigger language plpgsql as $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$`)
	b.Exec("create trigger full_disk before update on pde_mappings for each row execute function full_disk()")
	c, _ := b.classifier(nil)
	for range maxStarts + 2 {
		if err := c.handle(t.Context(), events.Delivery{Deliveries: markedDelivery}, b.message(b.ids[0])); err == nil {
			t.Error("the message is acknowledged")
		}
	}
	if item := b.work(b.ids[0]).Item; item.Outcome != "" || item.Attempt != 0 || item.Starts != 0 {
		t.Errorf("item %q at attempt %d with %d starts", item.Outcome, item.Attempt, item.Starts)
	}
	b.Exec("drop trigger full_disk on pde_mappings")
	b.handle(c, b.ids[0])
}

func TestTheBellRingsForAJobWhoseItemIsPostponed(t *testing.T) {
	t.Parallel()
	b := newFixture(t, 1)
	c, judged := b.classifier(func(schema.Work) { panic("broken") })
	b.handle(c, b.ids[0])
	b.Exec("update job_items set due_at = due_at + interval '1 minute'")
	b.handle(c, b.ids[0]) // whose news may have been lost
	said := b.Messages(events.StreamEvents)
	if len(said) != 2 || judged.Load() != 1 {
		t.Fatalf("said %d events, judged %d times", len(said), judged.Load())
	}
	for _, m := range said {
		if id := m.Header.Get("ce-id"); id != "bell/"+b.job.ID {
			t.Errorf("said %s", id)
		}
	}
}

func TestAnErrorThatIsNobodysFaultIsNotTakenForTheMappings(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		errChanged:       false,
		context.Canceled: false,
		&judgeError{code: schema.CodePanic, err: errChanged}: true,
	} {
		if counts(err) != want {
			t.Errorf("%v counts: %v", err, !want)
		}
	}
	if !errors.Is(&judgeError{code: schema.CodePanic, err: errChanged}, errChanged) {
		t.Error("the cause of what counts is lost")
	}
	if wait(1) > 2*time.Second {
		t.Error("the first wait is long")
	}
	if most := firstWait << (2 * (maxAttempts - 2)) * 5 / 4; most > schema.LongestWait {
		t.Errorf("the last wait may take %v, more than the longest wait, %v", most, schema.LongestWait)
	}
}

package classifier

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
)

func TestAPauseLetsARunningCallFinish(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, server := f.withModel(llmtest.Options{Latency: llmtest.Latency{Median: 3 * time.Second}})
	ended := f.startLLM(c)
	f.Eventually("the call is sent", func() bool { return server.Counts().Calls == 1 })
	f.Exec("update jobs set intent = 'pause'")
	ended("the call has ended")
	f.wantItem(f.ids[0], outcome{schema.OutcomeSucceeded, 1, "", 0})
	if counts := server.Counts(); counts.Aborted != 0 || counts.Answered != 1 {
		t.Errorf("calls: got %+v, want one with an answer", counts)
	}
}

// The calls together cost less than the limit, and their reservations more. So they have to take longer than the start
// of all of them.
func TestConcurrentCallsNeverExceedTheLimitOfCost(t *testing.T) {
	t.Parallel()
	const mappings = 16
	f := newFixture(t, mappings)
	c, server := f.withModel(llmtest.Options{Latency: llmtest.Latency{Median: 5 * time.Second}})
	limit := schema.USDOf(0.1)
	f.Exec("update jobs set max_cost_usd = 0.1")
	var work sync.WaitGroup
	for _, id := range f.ids {
		work.Go(func() {
			// A message is delivered again while the columns are being read, and, on a slow machine, while its call
			// waits for a lock on the costs of the job.
			for f.Count(`select count(*) from job_items i join jobs j on j.id = i.job_id
					where i.mapping_id = ? and i.outcome is null and j.intent = 'run'`, id) > 0 {
				if err := f.deliverLLM(c, id); err != nil {
					<-time.After(50 * time.Millisecond)
				}
			}
		})
	}
	work.Wait()
	reserved := f.Count("select (max(reserved_usd) * 1000000)::bigint from model_calls")
	counts, status := server.Counts(), f.status()
	most := int(0.1 * 1e6 / float64(reserved))
	if counts.MaxInFlight > most || counts.Calls == 0 || counts.Calls == mappings {
		t.Errorf("calls: got %d, %d at once, want some, at most %d at once", counts.Calls, counts.MaxInFlight, most)
	}
	if status.Status != schema.StatusPaused || status.CostUSD > limit || status.CostUSD == 0 {
		t.Errorf("status: got %s after %v USD, want paused after at most %v", status.Status, status.CostUSD, limit)
	}
	if n := f.Count("select count(*) from job_costs where reserved_usd = 0"); n != 1 {
		t.Error("a reservation remains after the calls")
	}
}

// The calls of the llm lane never end, and there are more of them than workers.
func TestTheLLMLaneNeverDelaysTheRulesLane(t *testing.T) {
	t.Parallel()
	const mappings = 40
	f := newFixture(t, mappings)
	c, server := f.withModel(llmtest.Options{Script: llmtest.Always(llmtest.SlowBody)})
	asked := f.job
	f.Exec("update jobs set ended_at = now() where id = ?", asked.ID) // a report has one active job
	f.job = schematest.ListedJob(t, f.DB, mappings)
	var model, byRules []events.MappingRequested
	for _, id := range f.ids {
		model = append(model, events.MappingRequested{Lane: schema.LaneLLM, JobID: asked.ID, MappingID: id})
		byRules = append(byRules, f.message(id))
	}
	stop := f.run(c)
	f.send(model...)
	f.Eventually("all turns are taken", func() bool { return server.Counts().Calls == defaultCalls })
	f.send(byRules...)
	f.Eventually("the rules have classified all", func() bool {
		return mappings == f.Count("select count(*) from job_items where job_id = ? and outcome = 'succeeded'",
			f.job.ID)
	})
	if n := f.Count("select count(*) from job_items where job_id = ? and outcome is not null", asked.ID); n != 0 {
		t.Errorf("items of the llm lane: got %d with an outcome, want none", n)
	}
	stop()
}

// A call that is recorded and whose job is cancelled before its turn has sent nothing.
func TestACallThatIsNotSentCostsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, server := f.withModel(llmtest.Options{})
	f.Exec("update jobs set max_cost_usd = 1")
	turn := make(chan struct{})
	var taken, others sync.WaitGroup
	taken.Add(defaultCalls)
	for range defaultCalls {
		others.Go(func() {
			_ = c.limiter.Do(t.Context(), func(ctx context.Context) error {
				taken.Done()
				select {
				case <-turn:
				case <-ctx.Done():
				}
				return nil
			})
		})
	}
	taken.Wait()
	ended := f.startLLM(c)
	f.Eventually("the call is recorded", func() bool { return f.Count("select count(*) from model_calls") == 1 })
	f.Exec("update jobs set intent = 'cancel'")
	ended("the wait has ended")
	close(turn)
	others.Wait()
	if n := f.Count("select count(*) from model_calls where state = 'failed'"); n != 1 || server.Counts().Calls != 0 {
		t.Errorf("got %d failed records and %d calls, want 1 and none", n, server.Counts().Calls)
	}
	if n := f.Count("select count(*) from job_costs where spent_usd = 0 and reserved_usd = 0"); n != 1 {
		t.Error("the call that was not sent is charged")
	}
	if status := f.status(); strings.Contains(status.Message, "model calls were sent") {
		t.Errorf("message: got %q, want no lost call", status.Message)
	}
}

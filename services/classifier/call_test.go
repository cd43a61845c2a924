package classifier

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/llm/throttle"
)

// withModel makes the job one of the llm lane, and returns a classifier with the model of a test server.
func (f *fixture) withModel(options llmtest.Options) (*Classifier, *llmtest.Server) {
	f.T.Helper()
	server, err := llmtest.New(options)
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(server.Close)
	client, err := provider.New(server.Config(provider.OpenAI))
	if err != nil {
		f.T.Fatal(err)
	}
	prices, err := llm.ParsePrices(`{"test-model": {"input": 3, "output": 15}}`)
	if err != nil {
		f.T.Fatal(err)
	}
	f.Exec("update jobs set classifier = 'llm'")
	_, js := f.Connect()
	engine := defaultEngine()
	model := llm.New(client, llm.NewPrompt(engine.Policy()), prices)
	return New(f.DB, js, eventstest.Topology(), engine, f.Logger(), Options{Model: model}), server
}

// handleLLM passes the first delivery of the mapping's message to the classifier, which must acknowledge it.
func (f *fixture) handleLLM(c *Classifier, id string) {
	f.T.Helper()
	if err := f.deliverLLM(c, id); err != nil {
		f.T.Fatalf("handle: got %v, want nil", err)
	}
}

// startLLM handles the message of the first mapping in the background, and returns a function that waits for the end
// while the classifier looks for changes of intents.
func (f *fixture) startLLM(c *Classifier) (ended func(what string)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.handleLLM(c, f.ids[0])
	}()
	return func(what string) {
		f.T.Helper()
		f.Eventually(what, func() bool {
			if err := c.intents.check(f.T.Context()); err != nil {
				f.T.Error(err)
			}
			select {
			case <-done:
				return true
			default:
				return false
			}
		})
	}
}

// deliverLLM is handleLLM without the check of the result, which it returns.
func (f *fixture) deliverLLM(c *Classifier, id string) error {
	message := f.message(id)
	message.Lane = schema.LaneLLM
	return c.handle(f.T.Context(), events.Delivery{Deliveries: 1}, message)
}

func TestAJobPausesBeforeItsLimitOfCostIsExceeded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	c, server := f.withModel(llmtest.Options{})
	f.Exec("update jobs set max_cost_usd = 0.03")
	for _, id := range f.ids {
		f.handleLLM(c, id)
	}
	calls := server.Counts().Calls
	status := f.status()
	if calls == 0 || calls == 4 || status.Status != schema.StatusPaused || status.CostUSD > schema.USDOf(0.03) ||
		!strings.Contains(status.WaitingFor, "limit of 0.03 USD") {
		t.Fatalf("got %d calls and %+v, want fewer than 4 and a job that is paused at its limit", calls, status)
	}
	f.Exec("update jobs set max_cost_usd = 5, intent = 'run', paused_for = null")
	for _, id := range f.ids {
		f.handleLLM(c, id)
	}
	if status := f.status(); status.Status != schema.StatusCompleted || server.Counts().Calls != 4 {
		t.Errorf("with a higher limit: got %s after %d calls, want completed after 4", status.Status,
			server.Counts().Calls)
	}
	if n := f.Count("select count(*) from job_costs where reserved_usd <> 0 or spent_usd <> (select sum(cost_usd) " +
		"from model_calls)"); n != 0 {
		t.Error("the counters of the cost differ from the calls")
	}
}

func TestAnOutageOfTheProviderFailsNoItem(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, server := f.withModel(llmtest.Options{})
	server.Stop()
	wait, ok := errors.AsType[*throttle.WaitError](f.deliverLLM(c, f.ids[0]))
	if !ok || c.limiter.Paused() == nil {
		t.Fatalf("handle: got no error of a lane that is paused; paused: %v", c.limiter.Paused())
	}
	if status := f.status(); !strings.Contains(status.WaitingFor, "unavailable") ||
		!strings.Contains(status.WaitingFor, "until "+wait.Until.UTC().Format("2006-01-02T15:04")) {
		t.Errorf("waiting_for: got %q, want the outage until %v", status.WaitingFor, wait.Until)
	}
	calls := f.Count("select count(*) from model_calls")
	if err := f.deliverLLM(c, f.ids[0]); err == nil {
		t.Error("handle during the pause: got nil, want an error")
	}
	if n := f.Count("select count(*) from model_calls"); n != calls {
		t.Errorf("calls during the pause: got %d, want none", n-calls)
	}
	f.wantItem(f.ids[0], outcome{})
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	f.Eventually("the pause is over", func() bool { return c.limiter.Paused() == nil })
	f.handleLLM(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{schema.OutcomeSucceeded, 1, "", 0})
	if status := f.status(); status.WaitingFor != "" {
		t.Errorf("waiting_for: got %q, want none", status.WaitingFor)
	}
}

func TestACancelledJobEndsItsCalls(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, _ := f.withModel(llmtest.Options{Script: llmtest.Always(llmtest.SlowBody)})
	ended := f.startLLM(c)
	f.Eventually("the call is sent", func() bool { return f.Count("select count(*) from model_calls") == 1 })
	f.Exec("update jobs set intent = 'cancel'")
	ended("the call has ended")
	f.wantItem(f.ids[0], outcome{})
	if n := f.Count("select count(*) from model_calls where state = 'aborted'"); n != 1 {
		t.Errorf("aborted calls: got %d, want 1", n)
	}
}

func TestAJobReportsACallWhoseReplyWasLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, _ := f.withModel(llmtest.Options{})
	call := schema.ModelCall{
		JobID: f.job.ID, MappingID: f.ids[0], Attempt: 1, Step: schema.CallStepAnswer, Model: "test-model",
		ReservedUSD: schema.USDOf(0.02),
	}
	if _, err := schema.InsertModelCall(t.Context(), f.DB, call, 0); err != nil {
		t.Fatal(err)
	} // and the process dies
	f.handleLLM(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{schema.OutcomeSucceeded, 1, "", 0})
	if status := f.status(); !strings.Contains(status.Message, "1 model calls were sent") ||
		!strings.Contains(status.Message, "0.02 USD") {
		t.Errorf("message: got %q, want the lost call", status.Message)
	}
}

func TestAReplyWhoseResultCouldNotBeSavedIsNotPaidForAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, server := f.withModel(llmtest.Options{})
	release := f.lock("select from pde_mappings where id = ? for update", f.ids[0])
	f.handleLLM(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{})
	release()
	f.makeDue()
	f.handleLLM(c, f.ids[0])
	f.wantItem(f.ids[0], outcome{schema.OutcomeSucceeded, 1, "", 0})
	if calls := server.Counts().Calls; calls != 1 {
		t.Errorf("calls: got %d, want 1", calls)
	}
	if got, want := f.item(f.ids[0]).CostUSD, f.spent().CostUSD; got == 0 || got != want {
		t.Errorf("cost of the item: got %v, want that of the call, %v", got, want)
	}
}

func TestAReplyThatCannotBeUsedIsNotSaved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, server := f.withModel(llmtest.Options{Script: llmtest.Always(llmtest.InventedTier)})
	f.handleLLM(c, f.ids[0])
	item := f.item(f.ids[0])
	if item.Outcome != "" || item.Attempt != 1 || !item.DueAt.After(time.Unix(0, 0)) || server.Counts().Calls != 2 {
		t.Errorf("got %+v after %d calls, want an item that waits for its second attempt after 2", item,
			server.Counts().Calls)
	}
	f.wantUnchanged(f.ids[0])
}

func TestAPausedJobEndsTheWaitForACall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	c, server := f.withModel(llmtest.Options{Script: llmtest.Always(llmtest.ServerError)})
	ended := f.startLLM(c)
	f.Eventually("the call is refused", func() bool { return server.Counts().Calls > 1 })
	f.Exec("update jobs set intent = 'pause'")
	ended("the wait has ended")
	f.wantItem(f.ids[0], outcome{})
	if n := f.Count("select count(*) from model_calls where state = 'failed'"); n != 1 {
		t.Errorf("failed calls: got %d, want 1: nothing can be charged for it", n)
	}
	if status := f.status(); strings.Contains(status.Message, "model calls were sent") {
		t.Errorf("message: got %q, want no lost call", status.Message)
	}
}

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// testPrices are 3 and 15 dollars for a million tokens.
const testPrices = `{"test-model": {"input": 3, "output": 15}}`

// useModel makes the classifiers and the api that run starts use the model of a test server.
func (f *fixture) useModel(options llmtest.Options) *llmtest.Server {
	f.t.Helper()
	server, err := llmtest.New(options)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(server.Close)
	client, err := provider.New(server.Config(provider.OpenAI))
	if err != nil {
		f.t.Fatal(err)
	}
	prices, err := llm.ParsePrices(testPrices)
	if err != nil {
		f.t.Fatal(err)
	}
	f.model = llm.New(client, llm.NewPrompt(f.engine.Policy()), prices)
	return server
}

// regenerateWith starts a job with the body over the whole small report and returns its id.
func (f *fixture) regenerateWith(body any) string {
	f.t.Helper()
	return f.accepted(f.do(http.MethodPost, "/planning/cycles/"+schematest.CycleID+"/reports/"+schematest.ReportID+
		"/pde-mappings/regenerate-all", body))
}

func TestAModelClassifiesAReport(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	server := f.useModel(llmtest.Options{})
	const mappings = 6
	ids := schematest.Report(t, f.db, mappings)
	f.run()

	job := f.regenerateWith(map[string]any{"classifier": "llm"})
	status := f.finish(job)

	f.exact(status, mappings)
	counts := server.Counts()
	if counts.Calls != mappings || status.Usage.InputTokens != counts.InputTokens ||
		status.Usage.OutputTokens != counts.OutputTokens {
		t.Errorf("usage: got %+v, want that of %d calls: %+v", status.Usage, mappings, counts)
	}
	want := schema.USD(3*counts.InputTokens+15*counts.OutputTokens) * 1e6
	if schema.USDOf(status.Usage.CostUSD) != want {
		t.Errorf("cost: got %v, want %v", status.Usage.CostUSD, want)
	}
	f.shows("/planning/cycles/"+schematest.CycleID+"/reports/"+schematest.ReportID+"/pde-mappings/"+ids[0],
		`"classified_by":"llm:test-model@`, "The model: ")
	var calls api.Page[api.ModelCall]
	if code, body := f.do(http.MethodGet, "/jobs/"+job+"/calls", nil); code != http.StatusOK ||
		json.Unmarshal(body, &calls) != nil {
		t.Fatalf("calls: got %d %s", code, body)
	}
	if len(calls.Items) != mappings {
		t.Fatalf("calls: got %d, want %d", len(calls.Items), mappings)
	}
	for _, call := range calls.Items {
		if call.State != schema.CallStateAnswered || call.Model != "test-model" || call.Reply == nil ||
			!strings.Contains(*call.Reply, "choices") || call.Usage.CostUSD == 0 {
			t.Errorf("call: got %+v", call)
		}
	}
	// Nothing has changed, so no call is made.
	again := f.finish(f.regenerateWith(map[string]any{"classifier": "llm"}))
	if again.Skipped != mappings || server.Counts().Calls != mappings {
		t.Errorf("the same job again: got %d skipped and %d calls, want %d and no further call", again.Skipped,
			server.Counts().Calls, mappings)
	}
}

// shows checks that the resource contains the texts.
func (f *fixture) shows(path string, texts ...string) {
	f.t.Helper()
	code, body := f.do(http.MethodGet, path, nil)
	for _, text := range texts {
		if code != http.StatusOK || !strings.Contains(string(body), text) {
			f.t.Errorf("%s: got %d %s, want %q in it", path, code, body, text)
		}
	}
}

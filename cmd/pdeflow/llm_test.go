package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
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

// estimate returns the answer to a dry run over the whole small report.
func (f *fixture) estimate(body any) (plan api.DryRun) {
	f.t.Helper()
	code, text := f.do(http.MethodPost, "/planning/cycles/"+schematest.CycleID+"/reports/"+schematest.ReportID+
		"/pde-mappings/regenerate-all", body)
	if err := json.Unmarshal(text, &plan); err != nil || code != http.StatusOK {
		f.t.Fatalf("dry run: got %d %s", code, text)
	}
	return plan
}

// sameJSON reports whether two texts have the same values.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// page returns a page of the desk.
func (f *fixture) page(path string) string {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, strings.TrimSuffix(f.url, "/api/v1")+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "pdeflow_token", Value: f.token})
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		f.t.Fatalf("page %s: got %s (%v), want 200", path, response.Status, err)
	}
	return string(body)
}

func TestAModelClassifiesAReport(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	server := f.useModel(llmtest.Options{})
	const mappings = 6
	ids := schematest.Report(t, f.db, mappings)
	f.run()
	f.pdeflow("regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID, "--classifier", "llm",
		"--dry-run").ends(t, exitDone, "Estimated: ", " output tokens, 0.0", " USD. Nothing was started.")
	plan := f.estimate(map[string]any{"classifier": "llm", "dry_run": true})

	job := f.regenerateWith(map[string]any{"classifier": "llm"})
	status := f.finish(job)

	f.exact(status, mappings)
	if ratio := plan.Estimate.CostUSD / status.Usage.CostUSD; ratio < 0.8 || ratio > 1.2 {
		t.Errorf("estimate: got %+v, want at most 20%% from %+v", plan.Estimate, status.Usage)
	}
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
	page := f.page("/cycles/" + schematest.CycleID + "/reports/" + schematest.ReportID + "?m=" + ids[0])
	if !strings.Contains(page, "Replies of the model") || !strings.Contains(page, "&#34;choices&#34;") {
		t.Errorf("page of the mapping: got no reply of the model, want one: %s", page)
	}
	shown := from[shownPrompt](t, f.pdeflow("prompt", "show", "--mapping", calls.Items[0].MappingID, "--llm", "openai",
		"--llm-model", "test-model", "--openai-base-url", server.URL("openai"), "--json").ends(t, exitDone))
	sent := server.Requests()
	if !slices.ContainsFunc(sent, func(r llmtest.Request) bool { return sameJSON(t, r.Body, shown.Body) }) ||
		shown.Digest == nil || *shown.Digest != calls.Items[0].RequestSHA256 {
		t.Errorf("prompt show: got %s with digest %v, want a body that was sent, and digest %s", shown.Body,
			shown.Digest, calls.Items[0].RequestSHA256)
	}
	f.pdeflow("prompt", "show", "--mapping", ids[0]).ends(t, exitDone, "Prompt 2, ", " candidates. A hybrid job would ",
		"--- system\n", "--- user\n<data>\n", "--- schema\n")
	f.shows("/planning/reports", fmt.Sprintf(`"usage":{"input_tokens":%d,"output_tokens":%d,"cost_usd":%v}`,
		counts.InputTokens, counts.OutputTokens, status.Usage.CostUSD))
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

func TestPromptShow_RefusesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	f := newIdleFixture(t, eventstest.Start(t))
	f.pdeflow("prompt", "show", "--mapping", "none").ends(t, exitFailed, "there is no mapping “none”")
	f.pdeflow("prompt", "show", "--mapping", "x", "--llm", "prose").ends(t, exitUsage, "openai")
}

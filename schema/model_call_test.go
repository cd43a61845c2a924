package schema_test

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// A job may get a limit after its start. What it has spent until then must not depend on whether it had one.
func TestSpentUSD_CountsAbortedAndLostCallsOfAJobWithAndWithoutALimit(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]schema.USD{"without a limit": 0, "with a limit": 100 * schema.Dollar} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := schematest.New(t)
			ids := schematest.Report(t, db, 2)
			job := schematest.ListedJob(t, db, 2)
			send := func(mappingID string) schema.ModelCall {
				t.Helper()
				call, err := schema.InsertModelCall(t.Context(), db, schema.ModelCall{
					JobID: job.ID, MappingID: mappingID, Attempt: 1, Step: schema.CallStepAnswer, Model: "m",
					PromptVersion: "1", ReservedUSD: 3 * schema.Dollar,
				}, limit)
				if err != nil {
					t.Fatal(err)
				}
				return call
			}
			end := func(call schema.ModelCall, state schema.CallState, cost schema.USD) {
				t.Helper()
				call.State, call.CostUSD = state, cost
				if err := schema.EndModelCall(t.Context(), db, call); err != nil {
					t.Fatal(err)
				}
			}
			end(send(ids[0]), schema.CallStateAnswered, schema.Dollar)
			end(send(ids[0]), schema.CallStateFailed, 0)
			end(send(ids[0]), schema.CallStateAborted, 0)
			send(ids[1])
			send(ids[1]) // the one before is lost, and this one runs
			const want = 7 * schema.Dollar
			if spent, err := schema.SpentUSD(t.Context(), db, job.ID); err != nil || spent != want {
				t.Errorf("SpentUSD: got %v (%v), want %v", spent, err, want)
			}
		})
	}
}

func TestSumPastCalls_SumsAnsweredCallsOfTheModelAndPrompt(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := schematest.Report(t, db, 2)
	job := schematest.ListedJob(t, db, 2)
	step := schema.CallStepAnswer
	call := func(mappingID, model, prompt string, state schema.CallState) {
		t.Helper()
		call, err := schema.InsertModelCall(t.Context(), db, schema.ModelCall{
			JobID: job.ID, MappingID: mappingID, Attempt: 1, Step: step, Model: model,
			PromptVersion: prompt, RequestBytes: 1000,
		}, 0)
		if err != nil {
			t.Fatal(err)
		}
		call.State, call.InputTokens, call.CachedInputTokens, call.OutputTokens = state, 250, 200, 30
		if err := schema.EndModelCall(t.Context(), db, call); err != nil {
			t.Fatal(err)
		}
	}
	call(ids[0], "m", "1", schema.CallStateAnswered)
	call(ids[0], "m", "1", schema.CallStateAnswered)
	call(ids[1], "m", "1", schema.CallStateAnswered)
	call(ids[1], "m", "1", schema.CallStateFailed)
	call(ids[1], "m", "2", schema.CallStateAnswered)
	call(ids[1], "n", "1", schema.CallStateAnswered)
	step = schema.CallStepTables
	call(ids[1], "m", "1", schema.CallStateAnswered)
	want := schema.PastCalls{
		Calls: 4, Planned: 3, RequestBytes: 4000, InputTokens: 1000, CachedInputTokens: 800, OutputTokens: 120,
	}
	if got, err := schema.SumPastCalls(t.Context(), db, "m", "1"); err != nil || got != want {
		t.Errorf("SumPastCalls: got %+v (%v), want %+v", got, err, want)
	}
	if got, err := schema.SumPastCalls(t.Context(), db, "other", "1"); err != nil || got != (schema.PastCalls{}) {
		t.Errorf("SumPastCalls of a model without calls: got %+v (%v), want zero", got, err)
	}
}

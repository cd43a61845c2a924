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

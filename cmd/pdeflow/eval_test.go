package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	evalAttributes = "line_item_number,attribute_name,data_type\n1,Account Open Date,Date\n2,Shoe Size,N2\n" +
		"3,Property State,C2\n"
	evalColumns = "data_source,schema,table,column,data_type\ncore,s,ACCT,OPN_DT,DATE\n" +
		"core,s,ACCT,BAL_AMT,\"NUMBER(12,2)\"\n"
	evalGold = "line_item_number,source_field,information_security_classification,pii_flag\n" +
		"1,s.ACCT.OPN_DT,HRCI|Confidential,false\n2,none,,no\n3,,Public,\n"
)

func TestEvalMeasuresFilesWithoutADatabase(t *testing.T) {
	t.Parallel()
	args := []string{
		"eval", "--gold", file(t, "gold.csv", evalGold), "--attributes", file(t, "attributes.csv", evalAttributes),
		"--columns", file(t, "columns.csv", evalColumns),
	}
	pdeflow(t.Context(), nil, args...).ends(t, exitDone, "3 labels, 3 attributes, 2 columns", "source_field",
		"no column: recognised", "Confidence of the column: ")

	var result evalResult
	got := pdeflow(t.Context(), nil, append(args, "--json")...)
	if err := json.Unmarshal([]byte(got.stdout), &result); err != nil {
		t.Fatalf("got %v, want JSON: %s", err, got.stdout)
	}
	if c := result.Results[0].Column; c.Right != 1 || c.Recognised != 1 {
		t.Errorf("got %+v, want one right column and one recognised as none", c)
	}
	mine := file(t, "mine.policy", plainPolicy)
	pdeflow(t.Context(), nil, append(args, "--rules", "built-in", "--rules", mine)...).
		ends(t, exitDone, "first: built-in", "second: "+mine, "different answer", "worse")
}

func TestEvalRefusesWrongUsageAndFiles(t *testing.T) {
	t.Parallel()
	gold := file(t, "gold.csv", evalGold)
	attributes := file(t, "attributes.csv", evalAttributes)
	eval := func(args ...string) result { return pdeflow(t.Context(), nil, append([]string{"eval"}, args...)...) }
	eval("--gold", gold).ends(t, exitUsage, "give --cycle and --report, or --attributes and --columns")
	eval("--gold", gold, "--columns", attributes).ends(t, exitUsage, "--columns requires --attributes")
	eval("--gold", gold, "--attributes", "missing.csv").ends(t, exitUsage, "missing.csv")
	eval("--gold", gold, "--attributes", attributes, "--classifier", "llm").ends(t, exitUsage, "--classifier")
	eval("--gold", gold, "--attributes", attributes, "--rules", gold, "--rules", gold, "--rules", gold).
		ends(t, exitUsage, "twice")
	wrong := file(t, "wrong.csv", "attribute_name,pii_flag,source_field\nAccount Open Date,maybe,OPN_DT\n")
	eval("--gold", wrong, "--attributes", attributes).
		ends(t, exitFailed, "wrong.csv:2: pii_flag", "must be true, yes", "must be schema.table.column")
	other := file(t, "other.csv", "attribute_name,pii_flag\nHat Size,no\n")
	eval("--gold", other, "--attributes", attributes).ends(t, exitFailed, `other.csv`, `"Hat Size" fits no attribute`)
}

func TestEvalMeasuresAModelNextToTheRulesAndReplaysIt(t *testing.T) {
	t.Parallel()
	server, err := llmtest.New(llmtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	env := map[string]string{
		"PDEFLOW_LLM": provider.OpenAI, "PDEFLOW_LLM_MODEL": "test-model",
		"OPENAI_BASE_URL":    server.URL(provider.OpenAI),
		"PDEFLOW_LLM_PRICES": `{"test-model": {"input": 3, "output": 15}}`,
	}
	replies := filepath.Join(t.TempDir(), "replies.jsonl")
	args := []string{
		"eval", "--gold", file(t, "gold.csv", evalGold), "--attributes", file(t, "attributes.csv", evalAttributes),
		"--columns", file(t, "columns.csv", evalColumns), "--classifier", "llm",
	}
	pdeflow(t.Context(), env, append(args, "--record", replies)...).ends(t, exitDone, "first: built-in",
		"second: llm (llm:test-model@", "The model was asked about 3 of 3 labels (100.0%)", "USD for 1,000 mappings")
	calls := server.Counts().Calls
	pdeflow(t.Context(), env, append(args, "--record", replies)...).ends(t, exitUsage, "file exists")
	corrections := filepath.Join(t.TempDir(), "calibration.csv")
	pdeflow(t.Context(), env, append(args, "--replay", replies, "--calibrate", corrections)...).
		ends(t, exitDone, "replayed from "+replies)
	pdeflow(t.Context(), env, append(args, "--calibrate", corrections)...).ends(t, exitUsage, "--calibrate", "exists")
	env["PDEFLOW_LLM_CALIBRATION"] = corrections
	pdeflow(t.Context(), env, append(args, "--replay", replies)...).ends(t, exitDone, "replayed from "+replies)
	pdeflow(t.Context(), env, append(args, "--replay", replies, "--calibrate", corrections)...).
		ends(t, exitUsage, "without --llm-calibration")
	env["PDEFLOW_LLM_CALIBRATION"] = replies
	pdeflow(t.Context(), env, append(args, "--replay", replies)...).
		ends(t, exitUsage, "--llm-calibration (PDEFLOW_LLM_CALIBRATION)")
	delete(env, "PDEFLOW_LLM_CALIBRATION")
	pdeflow(t.Context(), env, append(args, "--replay", file(t, "empty.jsonl", ""))...).
		ends(t, exitFailed, "has no recorded reply")
	pdeflow(t.Context(), env, append(args, "--replay", replies, "--record", replies)...).ends(t, exitUsage, "--record")
	pdeflow(t.Context(), env, append(args, "--rules", "built-in", "--rules", "built-in")...).
		ends(t, exitUsage, "give --rules once")
	pdeflow(t.Context(), nil, args...).ends(t, exitUsage, "needs a model")
	if got := server.Counts().Calls; got != calls {
		t.Errorf("calls after the recording: got %d, want none", got-calls)
	}
}

func TestEvalReadsTheReportFromTheDatabase(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, db: schematest.New(t), nats: eventstest.Start(t), log: eventstest.NewLog(t)}
	schematest.Report(t, f.db, 3)
	gold := file(t, "gold.csv", "line_item_number,source_field\n1,svc.LN_MSTR.LN_CURR_BAL_AMT\n")
	result := from[evalResult](t, f.pdeflow("eval", "--gold", gold, "--cycle", schematest.CycleID, "--report",
		schematest.ReportID, "--json").ends(t, exitDone))
	if result.Attributes != 3 || result.Columns != 5 || result.Results[0].Column.Right != 1 {
		t.Errorf("got %+v, want 3 attributes, 5 columns and 1 right answer", result)
	}
	f.pdeflow("eval", "--gold", gold, "--cycle", "none", "--report", "none").ends(t, exitFailed,
		"there is no report none in cycle none")
}

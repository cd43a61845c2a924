package eval

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// modelSubject returns a subject of this kind that asks a test server, and the server.
func modelSubject(
	t *testing.T, kind schema.ClassifierKind, options llmtest.Options,
) (ModelSubject, *llmtest.Server) {
	t.Helper()
	server, err := llmtest.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := provider.New(server.Config(provider.OpenAI))
	if err != nil {
		t.Fatal(err)
	}
	prices, err := llm.ParsePrices(`{"test-model": {"input": 3, "output": 15}}`)
	if err != nil {
		t.Fatal(err)
	}
	model := llm.New(client, llm.NewPrompt(policy.Default()), prices)
	return ModelSubject{
		Subject: Subject{Name: string(kind), Engine: rules.New(policy.Default())}, Kind: kind, Model: model,
		Send: func(ctx context.Context, _ schema.CallStep, r provider.Request) (provider.Reply, error) {
			return model.Complete(ctx, r)
		},
		Concurrency: 2,
	}, server
}

// smallSet has a balance, about which the rules are sure, and a name that means nothing.
func smallSet() Set {
	return Set{
		Report: "FR Y-14M",
		Attributes: []schema.Attribute{
			{AttributeName: "Current Balance", DataType: "DECIMAL"}, {AttributeName: "Zorgle", DataType: "C1"},
		},
		Columns: []schema.SourceColumn{
			{SchemaName: "s", TableName: "ACCT", ColumnName: "CURR_BAL_AMT", DataType: "NUMBER(12,2)"},
			{SchemaName: "s", TableName: "ACCT", ColumnName: "QX", DataType: "CHAR(1)"},
		},
		Labels: []tabular.GoldRow{
			{AttributeName: "Current Balance", SourceField: []string{"s.ACCT.CURR_BAL_AMT"}},
			{AttributeName: "Zorgle", SourceField: []string{"s.ACCT.QX"}},
		},
	}
}

func TestSet_AskMeasuresWhatTheModelWasAskedFor(t *testing.T) {
	t.Parallel()
	for kind, asked := range map[schema.ClassifierKind]int{schema.ClassifierLLM: 2, schema.ClassifierHybrid: 1} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			subject, server := modelSubject(t, kind, llmtest.Options{})
			answers, a, err := smallSet().Ask(t.Context(), subject)
			if err != nil {
				t.Fatal(err)
			}
			counts := server.Counts()
			if a.Attributes != asked || a.Calls != counts.Calls || a.InputTokens != counts.InputTokens ||
				a.CostUSD <= 0 || a.PerThousandUSD != 500*a.CostUSD || a.Share != float64(asked)/2 {
				t.Errorf("Ask: got %+v, want %d attributes and what the server has counted: %+v", a, asked, counts)
			}
			if len(answers) != 2 || answers[0].Class.InformationSecurityClassification == "" {
				t.Errorf("Ask: got %+v, want an answer for each label", answers)
			}
		})
	}
}

func TestSet_AskKeepsTheRulesAnswerIfNoReplyCanBeUsed(t *testing.T) {
	t.Parallel()
	subject, _ := modelSubject(t, schema.ClassifierLLM, llmtest.Options{Script: llmtest.Always(llmtest.InventedTier)})
	answers, a, err := smallSet().Ask(t.Context(), subject)
	if err != nil || a.Unusable != 2 || a.Calls != 4 || answers[0].Class.Rule == "" {
		t.Errorf("Ask: got %+v (%v), want two attributes without a usable reply after four calls", a, err)
	}
}

func TestReplay_AnswersWithWhatRecordHasWritten(t *testing.T) {
	t.Parallel()
	subject, server := modelSubject(t, schema.ClassifierHybrid, llmtest.Options{})
	live := subject.Send
	var file bytes.Buffer
	subject.Send = Record(subject.Model, live, &file)
	want, asked, err := smallSet().Ask(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	calls := server.Counts().Calls
	for name, recording := range map[string]string{
		"lines": file.String(), "calls of a job": `{"items": [` + file.String() + `], "next_cursor": null}`,
	} {
		t.Run(name, func(t *testing.T) {
			if subject.Send, err = Replay(subject.Model, strings.NewReader(recording)); err != nil {
				t.Fatal(err)
			}
			got, again, err := smallSet().Ask(t.Context(), subject)
			if err != nil || again != asked || got[1].Class.Rationale != want[1].Class.Rationale {
				t.Errorf("Ask: got %+v (%v), want %+v", again, err, asked)
			}
		})
	}
	if n := server.Counts().Calls; n != calls {
		t.Errorf("calls of the replay: got %d, want none", n-calls)
	}
	if subject.Send, err = Replay(subject.Model, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := smallSet().Ask(t.Context(), subject); !errors.Is(err, ErrNotRecorded) {
		t.Errorf("Ask without recorded replies: got %v, want %v", err, ErrNotRecorded)
	}
	if _, err := Replay(subject.Model, strings.NewReader("no JSON")); err == nil {
		t.Error("Replay of a file that is not JSON: got nil, want an error")
	}
}

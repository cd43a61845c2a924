package sample_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

var update = flag.Bool("update", false, "write the golden file of testdata")

// TestTheSample_Golden compares every part of the answers with a golden file, which shows any change of an
// answer.
func TestTheSample_Golden(t *testing.T) {
	t.Parallel()
	engine := rules.New(policy.Default())
	attributes, candidates, report := sampleReport(t)
	var got bytes.Buffer
	for _, attribute := range attributes {
		ranking := report.Rank(attribute)
		fmt.Fprintf(&got, "%s %s\n", attribute.LineItemNumber, attribute.AttributeName)
		fmt.Fprintf(&got, "  %q, column %d, %s, confidence %d, margin %d\n",
			ranking.SourceField, ranking.Column, ranking.MappingType, ranking.Confidence, ranking.Margin)
		fmt.Fprintf(&got, "  %s\n", ranking.Rationale)
		for _, alternative := range ranking.Alternatives {
			fmt.Fprintf(&got, "  %d %s: %s\n", alternative.Score, alternative.SourceField, alternative.Reason)
		}
		input := rules.Input{Attribute: attribute, Report: sample.ReportName}
		if ranking.Column >= 0 {
			input.Column = &candidates[ranking.Column]
		}
		answer := engine.Classify(input)
		fmt.Fprintf(&got, "  %s, criticality %s, risk %s, regulated %t, personal %t, confidence %d\n",
			answer.InformationSecurityClassification,
			answer.Criticality, answer.RiskLevel, answer.RegulatoryFlag, answer.PIIFlag, answer.Confidence)
		fmt.Fprintf(&got, "  %s\n", answer.Rationale)
	}
	file := filepath.Join("testdata", "answers.golden")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("answers differ from %s (accept with -update):\n%s", file, diff)
	}
}

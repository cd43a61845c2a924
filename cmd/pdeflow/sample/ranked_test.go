package sample_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

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
	classifiertest.CompareGolden(t, "testdata/answers.golden", got.String())
}

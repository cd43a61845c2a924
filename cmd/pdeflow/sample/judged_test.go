package sample_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	rank "github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// TestTheSample_AgreesWithItsLabels compares rules and column ranking with the labels: a minimum percentage of
// the answers must be the best or a defensible one. The labels were made without looking at either.
func TestTheSample_AgreesWithItsLabels(t *testing.T) {
	t.Parallel()
	least := map[string]int{
		"source_field": 95, "information_security_classification": 95, "criticality": 90, "risk_level": 95,
		"regulatory_flag": 100, "pii_flag": 97,
	}
	right := map[string]int{}
	labels := gold(t)
	for i, answer := range judge(t) {
		for name, said := range answer {
			if wanted := answers(t, labels[i], name); slices.Contains(wanted, said) {
				right[name]++
			} else {
				t.Logf("line %s, %s: got %q, want %q", labels[i]["line_item_number"], name, said, labels[i][name])
			}
		}
	}
	for name, percent := range least {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("%s: %d of %d", name, right[name], len(labels))
			if right[name]*100 < percent*len(labels) {
				t.Errorf("%s: got %d of %d right, want %d %%", name, right[name], len(labels), percent)
			}
		})
	}
}

// sampleReport returns the sample's attributes, its columns in the order of the database, and their ranking.
func sampleReport(t *testing.T) ([]schema.Attribute, []schema.SourceColumn, *rank.Report) {
	t.Helper()
	attributes, err := tabular.Attributes("attributes.csv", sample.Attributes())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := tabular.Columns("columns.csv", sample.Columns())
	if err != nil {
		t.Fatal(err)
	}
	candidates := make([]schema.SourceColumn, len(rows.Rows))
	for i, r := range rows.Rows {
		candidates[i] = schema.SourceColumn{
			SchemaName: r.SchemaName, TableName: r.TableName, ColumnName: r.ColumnName, DataType: r.DataType,
			Description: r.Description,
		}
	}
	slices.SortFunc(candidates, func(a, b schema.SourceColumn) int {
		return cmp.Or(strings.Compare(a.SchemaName, b.SchemaName), strings.Compare(a.TableName, b.TableName),
			strings.Compare(a.ColumnName, b.ColumnName))
	})
	return attributes.Rows, candidates, rank.NewIndex(candidates).Report(attributes.Rows)
}

// judge answers every attribute of the sample as a job does, with the column names of the labels.
func judge(t *testing.T) []map[string]string {
	t.Helper()
	attributes, candidates, report := sampleReport(t)
	engine := rules.New(policy.Default())
	said := make([]map[string]string, len(attributes))
	for i, attribute := range attributes {
		ranking := report.Rank(attribute)
		input := rules.Input{Attribute: attribute, Report: sample.ReportName}
		if ranking.Column >= 0 {
			input.Column = &candidates[ranking.Column]
		}
		answer := engine.Classify(input)
		said[i] = map[string]string{
			"source_field":                        ranking.SourceField,
			"information_security_classification": string(answer.InformationSecurityClassification),
			"criticality":                         string(answer.Criticality),
			"risk_level":                          string(answer.RiskLevel),
			"regulatory_flag":                     yesNo(answer.RegulatoryFlag),
			"pii_flag":                            yesNo(answer.PIIFlag),
		}
	}
	return said
}

func yesNo(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

package eval

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// answered returns an answer with a label. Column and alternatives are source fields, label has the fields of a
// [tabular.GoldRow] that the tests need.
func answered(name, column string, confidence int, label tabular.GoldRow, alternatives ...string) Answer {
	label.AttributeName = name
	a := Answer{Attribute: schema.Attribute{AttributeName: name}, Label: label}
	a.Ranking = columns.Ranking{SourceField: column, Column: 0, Confidence: confidence}
	if column == "" {
		a.Ranking.Column = -1
	}
	for _, field := range alternatives {
		a.Ranking.Alternatives = append(a.Ranking.Alternatives, schema.Alternative{SourceField: field})
	}
	return a
}

func fieldsOf(answers ...string) tabular.GoldRow { return tabular.GoldRow{SourceField: answers} }

func tiered(name string, tier schema.Tier, confidence int, want ...string) Answer {
	a := Answer{
		Attribute: schema.Attribute{AttributeName: name},
		Label:     tabular.GoldRow{AttributeName: name, InformationSecurityClassification: want},
	}
	a.Class.InformationSecurityClassification, a.Class.Confidence = tier, confidence
	return a
}

func TestMeasure_CountsColumns(t *testing.T) {
	t.Parallel()
	m := Measure(Subject{Name: "it"}, []Answer{
		answered("best", "s.t.a", 90, fieldsOf("s.t.a", "s.t.b")),
		answered("defensible", "s.t.b", 90, fieldsOf("s.t.a", "s.t.b")),
		answered("another, right one fifth", "s.t.x", 60, fieldsOf("s.t.a"), "s.t.1", "s.t.2", "s.t.3", "s.t.a"),
		answered("another, right one sixth", "s.t.x", 60, fieldsOf("s.t.a"), "1", "2", "3", "4", "s.t.a"),
		answered("missed, right one fifth", "", 60, fieldsOf("s.t.a"), "1", "2", "3", "4", "s.t.a"),
		answered("recognised", "", 80, fieldsOf(tabular.NoColumn)),
		answered("invented", "s.t.x", 95, fieldsOf(tabular.NoColumn)),
		answered("not judged", "s.t.x", 95, tabular.GoldRow{}),
	}, 10)
	want := &ColumnScore{
		Fitting: 5, Right: 2, Other: 2, None: 1, Listed: 4, Top1: 0.4, Top5: 0.8, Unfitting: 2, Recognised: 1,
	}
	if diff := cmp.Diff(want, m.Column); diff != "" {
		t.Errorf("columns differ (-want +got):\n%s", diff)
	}
	if f := m.Fields[0]; f.Judged != 7 || f.Strict != 2 || f.Lenient != 3 {
		t.Errorf("source_field: got %d judged, %d strict, %d lenient, want 7, 2, 3", f.Judged, f.Strict, f.Lenient)
	}
}

func TestMeasure_CountsClasses(t *testing.T) {
	t.Parallel()
	m := Measure(Subject{}, []Answer{
		tiered("best", schema.TierHRCI, 90, "HRCI"),
		tiered("defensible", schema.TierConfidential, 90, "HRCI", "Confidential"),
		tiered("too low", schema.TierPublic, 90, "HRCI", "Confidential"),
		tiered("too high", schema.TierHRCI, 90, "Public"),
	}, 10)
	f := m.Fields[1]
	if f.Judged != 4 || f.Strict != 1 || f.Lenient != 2 || m.Understated != 1 {
		t.Errorf("got %d judged, %d strict, %d lenient, %d understated, want 4, 1, 2, 1", f.Judged, f.Strict, f.Lenient,
			m.Understated)
	}
	want := []Confusion{
		{"HRCI", "HRCI", 1}, {"HRCI", "Confidential", 1}, {"HRCI", "Public", 1}, {"Public", "HRCI", 1},
	}
	if diff := cmp.Diff(want, f.Confusion); diff != "" {
		t.Errorf("confusion differs (-want +got):\n%s", diff)
	}
	if v := f.Values[0]; v.Precision != 0.5 || v.Recall < 0.66 || v.Recall > 0.67 {
		t.Errorf("HRCI: got precision %.2f and recall %.2f, want 0.50 and 0.67", v.Precision, v.Recall)
	}
}

func TestMeasure_ComparesConfidencesWithRightAnswers(t *testing.T) {
	t.Parallel()
	m := Measure(Subject{}, []Answer{
		answered("a", "s.t.a", 90, fieldsOf("s.t.a")), answered("b", "s.t.a", 90, fieldsOf("s.t.a")),
		answered("c", "s.t.a", 85, fieldsOf("s.t.b")), answered("d", "s.t.a", 40, fieldsOf("s.t.a")),
	}, 1)
	r := m.Confidence.Column
	if r.High != 3 || r.HighRight != 2 {
		t.Errorf("got %d of %d right, want 2 of 3", r.HighRight, r.High)
	}
	// (2*|0.9-1| + 1*|0.85-0| + 1*|0.4-1|) / 4
	if got := r.Error; got < 0.4124 || got > 0.4126 {
		t.Errorf("calibration error: got %.4f, want 0.4125", got)
	}
	if m.Confidence.Class != nil {
		t.Errorf("class: got %v, want none because no class is labelled", m.Confidence.Class)
	}
	if len(m.Mistakes) != 1 || m.Mistakes[0].AttributeName != "c" {
		t.Errorf("mistakes: got %v, want c", m.Mistakes)
	}
}

func TestCompare_ListsFieldsThatDiffer(t *testing.T) {
	t.Parallel()
	first := []Answer{tiered("a", schema.TierHRCI, 90, "HRCI"), tiered("b", schema.TierPublic, 90, "HRCI")}
	second := []Answer{tiered("a", schema.TierPublic, 90, "HRCI"), tiered("b", schema.TierPublic, 90, "HRCI")}
	want := []Difference{{
		Field: "information_security_classification", AttributeName: "a", Want: []string{"HRCI"}, First: "HRCI",
		Second: "Public", Effect: "worse",
	}}
	if diff := cmp.Diff(want, Compare(first, second)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func TestAnswer_FindsTheAttributeOfEachLabel(t *testing.T) {
	t.Parallel()
	set := Set{
		Report: "FR Y-14M",
		Attributes: []schema.Attribute{
			{AttributeName: "Balance", LineItemNumber: "1"},
			{AttributeName: "Balance", LineItemNumber: "2"},
			{AttributeName: "Open Date"},
		},
		Columns: []schema.SourceColumn{
			{SchemaName: "s", TableName: "ACCT", ColumnName: "OPN_DT", DataType: "DATE"},
		},
	}
	subject := Subject{Name: "built-in", Engine: rules.New(policy.Default())}
	set.Labels = []tabular.GoldRow{{AttributeName: "Open Date"}, {LineItemNumber: "2"}}
	answers, err := set.Answer(subject)
	if err != nil {
		t.Fatal(err)
	}
	if got := answers[0].Ranking.SourceField; got != "s.ACCT.OPN_DT" {
		t.Errorf("open date: got %q, want s.ACCT.OPN_DT", got)
	}
	if got := answers[1].Attribute.LineItemNumber; got != "2" {
		t.Errorf("line 2: got line %s, want 2", got)
	}
	for _, tt := range []struct {
		label tabular.GoldRow
		want  string
	}{
		{tabular.GoldRow{AttributeName: "Balance"}, "fits several attributes"},
		{tabular.GoldRow{AttributeName: "Close Date"}, `"Close Date" fits no attribute`},
		{tabular.GoldRow{AttributeName: "Open Date", LineItemNumber: "1"}, "line 1"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			set.Labels = []tabular.GoldRow{tt.label}
			if _, err := set.Answer(subject); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestMissingColumns_ListsWrongNames(t *testing.T) {
	t.Parallel()
	set := Set{
		Columns: []schema.SourceColumn{{SchemaName: "s", TableName: "t", ColumnName: "a"}},
		Labels:  []tabular.GoldRow{fieldsOf("s.t.a", "s.t.b"), fieldsOf(tabular.NoColumn), fieldsOf("s.t.b")},
	}
	if got := set.MissingColumns(); !slices.Equal(got, []string{"s.t.b"}) {
		t.Errorf("got %v, want s.t.b", got)
	}
}

package sample_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	rank "github.com/pdeflow/pdeflow/services/classifier/columns"
)

// wideTable returns a table with one column for each attribute, which has its name in snake case, and a numeric type
// without digits, from which the kind of value can only be guessed.
func wideTable(attributes []schema.Attribute) []schema.SourceColumn {
	columns := make([]schema.SourceColumn, len(attributes))
	for i, a := range attributes {
		words := strings.FieldsFunc(strings.ToLower(a.AttributeName), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r)
		})
		columns[i] = schema.SourceColumn{
			SchemaName: "s", TableName: "card_accounts", ColumnName: strings.Join(words, "_"), DataType: "numeric",
		}
		switch {
		case strings.HasPrefix(a.DataType, "Date"):
			columns[i].DataType = "date"
		case strings.HasPrefix(a.DataType, "C"):
			columns[i].DataType = "varchar(50)"
		}
	}
	return columns
}

// TestTheSample_NamesFindThemselves ranks the columns of a wide table that are named like the attributes, which every
// attribute must find, and nearly every one by its technical name.
func TestTheSample_NamesFindThemselves(t *testing.T) {
	t.Parallel()
	read, err := tabular.Attributes("attributes.csv", sample.Attributes())
	if err != nil {
		t.Fatal(err)
	}
	index := rank.NewIndex(wideTable(read.Rows))
	for _, tt := range []struct {
		by    string
		name  func(schema.Attribute) string
		least int
	}{
		{"name", func(a schema.Attribute) string { return a.AttributeName }, len(read.Rows)},
		{"technical name", func(a schema.Attribute) string { return a.TechnicalLineItemName }, 111},
	} {
		t.Run(tt.by, func(t *testing.T) {
			t.Parallel()
			asked := make([]schema.Attribute, len(read.Rows))
			for i, a := range read.Rows {
				asked[i] = schema.Attribute{AttributeName: tt.name(a), DataType: a.DataType}
			}
			report, right := index.Report(asked), 0
			for i, a := range asked {
				if got := report.Rank(a); got.Column == i {
					right++
				} else {
					t.Logf("%s: got %q with %d: %s", a.AttributeName, got.SourceField, got.Confidence, got.Rationale)
				}
			}
			if right < tt.least {
				t.Errorf("got %d of %d right, want %d", right, len(asked), tt.least)
			}
		})
	}
}

package columns

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// bank is a system's schema with attributes whose right columns are known.
type bank struct {
	name       string
	candidates []schema.SourceColumn
	gold       []goldRow
}

type goldRow struct {
	attribute schema.Attribute
	// want lists the right columns, the best first. It is empty if nothing fits.
	want []string
	how  schema.MappingType
}

// missed replaces the mapping type if the ranking is known to miss the right column. It must then choose none.
const missed = "missed"

func banks(tb testing.TB) []bank {
	tb.Helper()
	files, err := filepath.Glob("testdata/*_gold.csv")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no gold files: %v", err)
	}
	var all []bank
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "_gold.csv")
		b := bank{name: name}
		for _, row := range classifiertest.ReadRows(tb, "testdata/"+name+"_columns.csv") {
			b.candidates = append(b.candidates, schema.SourceColumn{
				DataSourceID: row["data_source"], SchemaName: row["schema"], TableName: row["table"],
				ColumnName: row["column"], DataType: row["data_type"], Description: row["description"],
			})
		}
		sortAsStored(b.candidates)
		for _, row := range classifiertest.ReadRows(tb, file) {
			g := goldRow{
				attribute: schema.Attribute{
					AttributeName: row["attribute_name"], Description: row["description"], DataType: row["data_type"],
				},
				how: schema.MappingType(row["mapping_type"]),
			}
			if row["source_field"] != "none" {
				g.want = strings.Split(row["source_field"], "|")
			}
			b.gold = append(b.gold, g)
		}
		all = append(all, b)
	}
	return all
}

// sortAsStored sorts columns as the database returns them, which is not the order of their tables.
func sortAsStored(columns []schema.SourceColumn) {
	slices.SortFunc(columns, func(a, b schema.SourceColumn) int {
		return cmp.Or(strings.Compare(a.DataSourceID, b.DataSourceID), strings.Compare(a.SchemaName, b.SchemaName),
			strings.Compare(a.TableName, b.TableName), strings.Compare(a.ColumnName, b.ColumnName))
	})
}

func TestRank_FindsTheColumnsOfKnownAttributes(t *testing.T) {
	t.Parallel()
	for _, b := range banks(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			ix := NewIndex(b.candidates)
			best, defensible := 0, 0
			for _, g := range b.gold {
				got := ix.Rank(g.attribute)
				right := got.SourceField == "" && len(g.want) == 0 || slices.Contains(g.want, got.SourceField)
				if right {
					defensible++
				}
				if right && (len(g.want) == 0 || got.SourceField == g.want[0]) {
					best++
				}
				switch {
				case g.how == missed && right:
					t.Errorf("%s is now found in %s: correct the gold file",
						g.attribute.AttributeName, got.SourceField)
				case g.how == missed && got.SourceField == "":
				case !right:
					t.Errorf("%s: got %s, want %s\n\t%s",
						g.attribute.AttributeName, orNothing(got.SourceField),
						orNothing(strings.Join(g.want, " or ")), got.Rationale)
				case got.MappingType != g.how:
					t.Errorf("%s from %s: got %q, want %q",
						g.attribute.AttributeName, got.SourceField, got.MappingType, g.how)
				}
			}
			t.Logf("%d of %d attributes right, %d with the best column, among %d columns",
				defensible, len(b.gold), best, len(b.candidates))
		})
	}
}

func orNothing(field string) string {
	if field == "" {
		return "nothing"
	}
	return field
}

// At least 95 of 100 answers with a confidence of 85 or more must be right. The test also ranks harder
// schemas: it removes the right columns of each attribute in turn, so that only near twins remain, or nothing. Such an
// answer counts as absentShare of one, because a schema lacks the columns of some attributes and not of every second.
func TestHighConfidenceIsDeserved(t *testing.T) {
	t.Parallel()
	const absentShare = 0.4
	answers, right, absent := 0, 0, 0
	for _, b := range banks(t) {
		ix := NewIndex(b.candidates)
		for _, g := range b.gold {
			got := ix.Rank(g.attribute)
			if got.SourceField != "" && got.Confidence >= 85 {
				answers++
				if slices.Contains(g.want, got.SourceField) {
					right++
				}
			}
			if len(g.want) == 0 {
				continue
			}
			wanted := func(c schema.SourceColumn) bool { return isCopy(g.want, c) }
			left := slices.DeleteFunc(slices.Clone(b.candidates), wanted)
			if got := NewIndex(left).Rank(g.attribute); got.SourceField != "" && got.Confidence >= 85 {
				absent++
			}
		}
	}
	t.Logf("%d of %d answers with 85 or more right, and %d without the right columns", right, answers, absent)
	if all := float64(answers) + absentShare*float64(absent); answers < 100 || float64(right) < 0.95*all {
		t.Errorf("right answers with 85 or more: got %d of %.0f, want 95 of 100", right, all)
	}
}

// isCopy reports whether a column is one of those wanted, has the name of one, or is the same key in another
// table.
func isCopy(wanted []string, c schema.SourceColumn) bool {
	is := words.Split(c.ColumnName)
	return slices.ContainsFunc(wanted, func(field string) bool {
		want := words.Split(field[strings.LastIndexByte(field, '.')+1:])
		n := min(2, len(is), len(want))
		key := slices.Contains([]string{"number", "identifier", "key"}, is[len(is)-1])
		return field == c.SourceField() || slices.Equal(is, want) ||
			key && slices.Equal(is[len(is)-n:], want[len(want)-n:])
	})
}

func TestGoldCoversEnough(t *testing.T) {
	t.Parallel()
	columns, attributes, nothing := 0, 0, 0
	for _, b := range banks(t) {
		columns += len(b.candidates)
		attributes += len(b.gold)
		for _, g := range b.gold {
			if len(g.want) == 0 {
				nothing++
			}
			for _, want := range g.want {
				isWanted := func(c schema.SourceColumn) bool { return c.SourceField() == want }
				if !slices.ContainsFunc(b.candidates, isWanted) {
					t.Errorf("%s: the gold file has %s, which is no column", b.name, want)
				}
			}
		}
	}
	if columns < 100 || attributes < 60 || nothing < 12 {
		t.Errorf("got %d columns, %d attributes, %d of them without a column, want at least 100, 60, 12",
			columns, attributes, nothing)
	}
}

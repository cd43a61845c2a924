package eval

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

// isUnseen reports whether a label belongs to the third that is not looked at while the ranker is tuned. It depends on
// the names alone, so that a label never changes sides.
func isUnseen(set, attribute string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(set + "/" + attribute))
	return h.Sum32()%3 == 0
}

// labelledSet is a folder of testdata.
type labelledSet struct {
	name string
	Set
}

func labelledSets(t testing.TB) []labelledSet {
	t.Helper()
	return setsOf(t, "testdata/*/gold.csv")
}

// setsOf returns the sets whose labels are in these files.
func setsOf(t testing.TB, pattern string) []labelledSet {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no sets: %v", err)
	}
	var sets []labelledSet
	for _, file := range files {
		dir := filepath.Dir(file)
		s := labelledSet{name: filepath.Base(dir)}
		s.Report = s.name
		s.Attributes = rowsOf(t, filepath.Join(dir, "attributes.csv"), tabular.Attributes)
		s.Labels = rowsOf(t, file, tabular.Gold)
		s.Columns = columnsOf(t, filepath.Join(dir, "columns.csv"))
		addKeys(t, filepath.Join(dir, "keys.csv"), s.Columns)
		if missing := s.MissingColumns(); len(missing) > 0 {
			t.Errorf("%s: got labels of the missing columns %v, want none", s.name, missing)
		}
		sets = append(sets, s)
	}
	return sets
}

func columnsOf(t testing.TB, path string) []schema.SourceColumn {
	t.Helper()
	var columns []schema.SourceColumn
	for _, r := range rowsOf(t, path, tabular.Columns) {
		columns = append(columns, schema.SourceColumn{
			DataSourceID: r.DataSource, SchemaName: r.SchemaName, TableName: r.TableName, ColumnName: r.ColumnName,
			DataType: r.DataType, Description: r.Description,
		})
	}
	return columns
}

// addKeys adds the declared keys of a set, which an import of a file does not have and an introspection has.
func addKeys(t testing.TB, path string, columns []schema.SourceColumn) {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return
	}
	position := map[string]int{}
	for i, c := range columns {
		position[c.SourceField()] = i
	}
	for _, row := range classifiertest.ReadRows(t, path) {
		field := schema.SourceColumn{
			SchemaName: row["schema"], TableName: row["table"], ColumnName: row["column"],
		}.SourceField()
		i, ok := position[field]
		if !ok {
			t.Fatalf("%s: %s is no column", path, field)
		}
		columns[i].IsPrimaryKey, columns[i].References = row["is_primary_key"] == "true", row["references"]
	}
}

func rowsOf[R any](t testing.TB, path string, read func(string, []byte) (tabular.File[R], error)) []R {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := read(path, content)
	if err != nil {
		t.Fatal(err)
	}
	return file.Rows
}

// answersOf returns the answers for the tuned and the unseen labels of a set.
func answersOf(t testing.TB, s labelledSet, subject Subject) (tuned, unseen []Answer) {
	t.Helper()
	answers, err := s.Answer(subject)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	for _, a := range answers {
		if isUnseen(s.name, a.Attribute.AttributeName) {
			unseen = append(unseen, a)
		} else {
			tuned = append(tuned, a)
		}
	}
	return tuned, unseen
}

// TestSets_Golden compares the measures of each set with a golden file, so that a change that makes a set worse is
// visible. With -v, it prints the mistakes in the tuned parts.
func TestSets_Golden(t *testing.T) {
	t.Parallel()
	subject := Subject{Name: "built-in", Engine: rules.New(policy.Default())}
	var got bytes.Buffer
	var allTuned, allUnseen []Answer
	fmt.Fprintf(&got, "%-22s %5s %5s %5s %5s %5s %5s %9s %7s\n", "set", "with", "top1", "top5", "other", "none", "of",
		"85+", "error")
	for _, s := range labelledSets(t) {
		tuned, unseen := answersOf(t, s, subject)
		writeSummary(&got, s.name+" tuned", Measure(subject, tuned, 0))
		writeSummary(&got, s.name+" unseen", Measure(subject, unseen, 0))
		for _, m := range worst(tuned, len(tuned)) {
			t.Logf("%s: %s: got %s with %d, want %s\n\t%s", s.name, m.AttributeName, m.Got, m.Confidence,
				strings.Join(m.Want, " or "), m.Rationale)
		}
		allTuned, allUnseen = append(allTuned, tuned...), append(allUnseen, unseen...)
	}
	writeSummary(&got, "all tuned", Measure(subject, allTuned, 0))
	writeSummary(&got, "all unseen", Measure(subject, allUnseen, 0))
	for _, part := range []string{"seen", "unseen"} { // whole schemas, of which the unseen were never looked at
		for _, s := range setsOf(t, "testdata/"+part+"/*/gold.csv") {
			answers, err := s.Answer(subject)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			writeSummary(&got, s.name+" "+part, Measure(subject, answers, 0))
		}
	}
	t.Logf("measures:\n%s", got.String())
	classifiertest.CompareGolden(t, "testdata/sets.golden", got.String())
}

// writeSummary writes a line with the attributes that have a column, the shares with the right one first and among the
// first five, the wrong columns and those wrongly left without one; the recognised ones of those that have none; the
// right ones of those with a confidence of 85 or more; and the calibration error.
func writeSummary(b *bytes.Buffer, name string, m Measures) {
	c, r := m.Column, m.Confidence.Column
	fmt.Fprintf(b, "%-22s %5d  %.2f  %.2f %5d %5d %2d/%-2d %4d/%-4d   %.3f\n", name, c.Fitting, c.Top1, c.Top5, c.Other,
		c.None, c.Recognised, c.Unfitting, r.HighRight, r.High, r.Error)
}

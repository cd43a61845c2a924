package eval

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
)

//go:generate go test . -run TestCalibration_IsThatOfTheTunedParts -update

// inventedSets returns the labelled schemas of package columns, which have many near twins.
func inventedSets(t testing.TB) []labelledSet {
	t.Helper()
	files, err := filepath.Glob("../columns/testdata/*_gold.csv")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	var sets []labelledSet
	for _, file := range files {
		name := strings.TrimSuffix(file, "_gold.csv")
		s := labelledSet{name: filepath.Base(name)}
		s.Columns = columnsOf(t, name+"_columns.csv")
		for _, row := range recordsOf(t, file) {
			a := schema.Attribute{
				AttributeName: row["attribute_name"], Description: row["description"],
				DataType: row["data_type"],
			}
			s.Attributes = append(s.Attributes, a)
			s.Labels = append(s.Labels, tabular.GoldRow{
				AttributeName: a.AttributeName, SourceField: strings.Split(row["source_field"], "|"),
			})
		}
		sets = append(sets, s)
	}
	return sets
}

// recordsOf returns the lines of a CSV file by the names of the header.
func recordsOf(t testing.TB, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var rows []map[string]string
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// TestCalibration_IsThatOfTheTunedParts compares the ranker's calibration with one that is fitted to the tuned parts of
// the labelled sets as they are now.
func TestCalibration_IsThatOfTheTunedParts(t *testing.T) {
	t.Parallel()
	const file = "../columns/calibration.csv"
	var examples []Example
	for _, s := range labelledSets(t) {
		some, err := s.Examples(func(l tabular.GoldRow) bool { return !isUnseen(s.name, l.AttributeName) })
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, some...)
	}
	for _, s := range inventedSets(t) {
		some, err := s.Examples(func(tabular.GoldRow) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, some...)
	}
	fitted := Calibrate(examples)
	got := fitted.Format()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the calibration is outdated; run go generate ./services/classifier/eval:\n%s", diff)
	}
}

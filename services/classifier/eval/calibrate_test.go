package eval

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
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
		for _, row := range classifiertest.ReadRows(t, file) {
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

// calibrationSchema has the results on one schema. The calibration is fitted to all examples of the other schemas when
// it is judged by this one.
type calibrationSchema struct {
	name string
	// examples are those to fit, and judged the results that show what a confidence is worth.
	examples, judged []example
}

// calibrationSchemas returns the schemas that the calibration is fitted to: the tuned parts of the labelled sets, the
// invented schemas, and the seen ones, which are judged by their results at first sight.
func calibrationSchemas(t testing.TB) []calibrationSchema {
	t.Helper()
	var all []calibrationSchema
	add := func(s labelledSet, keep func(tabular.GoldRow) bool, absent bool) {
		examples, err := examplesOf(s.Set, keep, absent)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, calibrationSchema{name: s.name, examples: examples, judged: examples})
	}
	everyLabel := func(tabular.GoldRow) bool { return true }
	for _, s := range labelledSets(t) {
		add(s, func(l tabular.GoldRow) bool { return !isUnseen(s.name, l.AttributeName) }, true)
	}
	for _, s := range inventedSets(t) {
		add(s, everyLabel, true)
	}
	for _, s := range setsOf(t, "testdata/seen/*/gold.csv") { // which show at first sight what an unknown name does
		add(s, everyLabel, false)
		of := &all[len(all)-1]
		of.judged = firstSight(t, s.name)
		of.examples = slices.Concat(of.examples, of.judged)
	}
	return all
}

// TestCalibration_IsThatOfTheTunedParts compares the ranker's calibration with one that is fitted now.
func TestCalibration_IsThatOfTheTunedParts(t *testing.T) {
	t.Parallel()
	schemas := calibrationSchemas(t)
	var all []example
	for _, s := range schemas {
		all = append(all, s.examples...)
	}
	fitted := calibrate(all)
	classifiertest.CompareGolden(t, "../columns/calibration.csv", fitted.Format())
	classifiertest.CompareGolden(t, "testdata/calibration.golden", heldOut(schemas))
}

// firstSight returns the results on a schema when it was ranked for the first time, before its mistakes were looked at.
// They show what a confidence is worth on an unknown schema, which the tuned schemas cannot. They are a record of a
// former ranker and cannot be measured again.
func firstSight(t testing.TB, set string) []example {
	t.Helper()
	number := func(text string) float64 {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("first sight: %v", err)
		}
		return value
	}
	var examples []example
	for _, row := range classifiertest.ReadRows(t, "testdata/first-sight.csv") {
		if row["set"] != set {
			continue
		}
		r := columns.Ranking{Column: -1, Score: number(row["score"]), Unclear: number(row["unclear"])}
		if row["result"] == "column" {
			r.Column, r.Lead = 0, number(row["lead"])
		}
		examples = append(examples, example{ranking: r, right: row["right"] == "true", weight: firstSightWeight})
	}
	if len(examples) == 0 {
		t.Fatalf("first sight: no results on %s", set)
	}
	return examples
}

// heldOut returns the calibration error of each schema with a calibration that is fitted to the other schemas.
func heldOut(schemas []calibrationSchema) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-17s %7s %9s %7s\n", "schema held out", "results", "85+", "error")
	all := newTally()
	for i, s := range schemas {
		var others []example
		for j, other := range schemas {
			if j != i {
				others = append(others, other.examples...)
			}
		}
		fitted, one := calibrate(others), newTally()
		for _, e := range s.judged {
			if e.weight >= 1 { // a ranking among all columns
				confidence := confidenceOf(fitted, e.ranking)
				one.add(confidence, e.right)
				all.add(confidence, e.right)
			}
		}
		writeHeldOut(&b, s.name, one)
	}
	writeHeldOut(&b, "all", all)
	return b.String()
}

func writeHeldOut(b *strings.Builder, name string, of *tally) {
	r, n := of.reliability(), 0
	for _, bin := range r.Bins {
		n += bin.Count
	}
	fmt.Fprintf(b, "%-17s %7d %4d/%-4d   %.3f\n", name, n, r.HighRight, r.High, r.Error)
}

// confidenceOf returns the confidence of a ranking with this calibration.
func confidenceOf(c columns.Calibration, r columns.Ranking) int {
	coefficients := c.Column
	if r.Column < 0 {
		coefficients = c.None
	}
	return int(min(0.97, columns.Probability(coefficients, r.Evidence()))*100 + 0.5)
}

// calibrate fits the coefficients from which the ranker computes confidences to labelled rankings.
func calibrate(examples []example) columns.Calibration {
	var column, none []example
	for _, e := range examples {
		if e.ranking.Column < 0 {
			none = append(none, e)
		} else {
			column = append(column, e)
		}
	}
	return columns.Calibration{Column: fit(column), None: fit(none)}
}

// example is a ranking that is known to be right or wrong. Its weight is the frequency of such cases.
type example struct {
	ranking columns.Ranking
	right   bool
	weight  float64
}

// Weights of an example, compared with a ranking among all columns of a labelled set. A ranking without the right
// columns stands for two cases that the labels have too rarely: the column does not exist (absentWeight), or it exists
// under a name that the vocabulary does not know, so that a wrong one or none is chosen (unknownWeight). With twice
// these two weights, schemas that are held out are right more often than their confidences. A result at first sight
// counts more than another, because it shows what a confidence is worth on an unknown schema.
const (
	absentWeight     = 0.25
	unknownWeight    = 0.2
	firstSightWeight = 2
)

// examplesOf returns the rankings of the labels that keep accepts: one among all columns, and, if absent, one without
// the right columns, which indexes the schema once more for each label.
func examplesOf(s Set, keep func(tabular.GoldRow) bool, absent bool) ([]example, error) {
	positions, err := s.labelled()
	if err != nil {
		return nil, err
	}
	report := columns.NewIndex(s.Columns).Report(s.Attributes)
	var examples []example
	for i, position := range positions {
		label := s.Labels[i]
		if len(label.SourceField) == 0 || !keep(label) {
			continue
		}
		attribute := s.Attributes[position]
		a := Answer{Label: label, Ranking: report.Rank(attribute)}
		right := slices.Contains(label.SourceField, a.column())
		examples = append(examples, example{ranking: a.Ranking, right: right, weight: 1})
		if !absent || label.SourceField[0] == tabular.NoColumn {
			continue
		}
		without := columns.NewIndex(withoutColumns(s, label.SourceField)).Report(s.Attributes).Rank(attribute)
		examples = append(examples, example{ranking: without, right: without.Column < 0, weight: absentWeight})
		if without.Column < 0 {
			examples = append(examples, example{ranking: without, right: false, weight: unknownWeight})
		}
	}
	return examples, nil
}

// withoutColumns returns the columns but for those with the names of these columns, in any table.
func withoutColumns(s Set, fields []string) []schema.SourceColumn {
	names := map[string]bool{}
	for _, field := range fields {
		if c, ok := schema.ParseSourceField(field); ok {
			names[c.ColumnName] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(s.Columns), func(c schema.SourceColumn) bool { return names[c.ColumnName] })
}

// ridge pulls coefficients towards 0, because few examples are wrong.
const ridge = 0.3

// fit returns the coefficients of a logistic regression of right on the evidence.
func fit(examples []example) []float64 {
	if len(examples) == 0 {
		return nil
	}
	n := len(examples[0].ranking.Evidence())
	w := make([]float64, n)
	for range 50 { // of Newton's method; it converges in fewer
		gradient, hessian := make([]float64, n), make([][]float64, n)
		for i := range n {
			hessian[i] = make([]float64, n)
			if i > 0 { // the constant is free
				gradient[i], hessian[i][i] = -ridge*w[i], ridge
			} else {
				hessian[i][i] = 1e-6
			}
		}
		for _, e := range examples {
			x := e.ranking.Evidence()
			p := columns.Probability(w, x)
			right := 0.0
			if e.right {
				right = 1
			}
			for i := range n {
				gradient[i] += e.weight * (right - p) * x[i]
				for j := range n {
					hessian[i][j] += e.weight * p * (1 - p) * x[i] * x[j]
				}
			}
		}
		for i, d := range solve(hessian, gradient) {
			w[i] += d
		}
	}
	return w
}

// solve solves a system of linear equations by Gaussian elimination. The matrix is positive definite.
func solve(a [][]float64, b []float64) []float64 {
	n := len(b)
	for i := range n {
		for j := i + 1; j < n; j++ {
			f := a[j][i] / a[i][i]
			for k := i; k < n; k++ {
				a[j][k] -= f * a[i][k]
			}
			b[j] -= f * b[i]
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = b[i]
		for j := i + 1; j < n; j++ {
			x[i] -= a[i][j] * x[j]
		}
		x[i] /= a[i][i]
	}
	return x
}

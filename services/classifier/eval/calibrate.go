package eval

import (
	"math"
	"slices"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/tabular"
	"github.com/pdeflow/pdeflow/services/classifier/columns"
)

// Calibrate fits the coefficients from which the ranker computes confidences to labelled rankings.
func Calibrate(examples []Example) columns.Calibration {
	var column, none []Example
	for _, e := range examples {
		if e.Ranking.Column < 0 {
			none = append(none, e)
		} else {
			column = append(column, e)
		}
	}
	return columns.Calibration{Column: fit(column), None: fit(none)}
}

// Example is a ranking that is known to be right or wrong. Its weight is the frequency of such cases.
type Example struct {
	Ranking columns.Ranking
	Right   bool
	Weight  float64
}

// Weights of a ranking without the right columns, compared with one among all columns. It represents two cases of a
// report without labels: the column does not exist, or it exists under a name that the vocabulary does not know, so
// that the result is wrong. The labels have the second case too rarely, because the vocabulary was written with them in
// view. The weights are as low as possible so that 95 of 100 results with a confidence of 85 or more are still right if
// every attribute's column is removed in turn (TestHighConfidenceIsDeserved of package columns).
const (
	absentWeight  = 0.36
	unknownWeight = 0.36
)

// Examples returns the rankings of the labels that keep accepts: one among all columns, and one without the right
// columns.
func (s Set) Examples(keep func(tabular.GoldRow) bool) ([]Example, error) {
	positions, err := s.labelled()
	if err != nil {
		return nil, err
	}
	report := columns.NewIndex(s.Columns).Report(s.Attributes)
	var examples []Example
	for i, position := range positions {
		label := s.Labels[i]
		if len(label.SourceField) == 0 || !keep(label) {
			continue
		}
		attribute := s.Attributes[position]
		a := Answer{Label: label, Ranking: report.Rank(attribute)}
		right := slices.Contains(label.SourceField, a.column())
		examples = append(examples, Example{Ranking: a.Ranking, Right: right, Weight: 1})
		if label.SourceField[0] == tabular.NoColumn {
			continue
		}
		without := columns.NewIndex(s.without(label.SourceField)).Report(s.Attributes).Rank(attribute)
		examples = append(examples, Example{Ranking: without, Right: without.Column < 0, Weight: absentWeight})
		if without.Column < 0 {
			examples = append(examples, Example{Ranking: without, Right: false, Weight: unknownWeight})
		}
	}
	return examples, nil
}

// without returns the columns but for those with the names of these columns, in any table.
func (s Set) without(fields []string) []schema.SourceColumn {
	names := map[string]bool{}
	for _, field := range fields {
		if c, ok := schema.ParseSourceField(field); ok {
			names[c.ColumnName] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(s.Columns), func(c schema.SourceColumn) bool { return names[c.ColumnName] })
}

const (
	// ridge pulls coefficients towards 0, because few examples are wrong.
	ridge = 0.3
	// iterations of Newton's method; it converges in fewer.
	iterations = 50
)

// fit returns the coefficients of a logistic regression of Right on the evidence.
func fit(examples []Example) []float64 {
	if len(examples) == 0 {
		return nil
	}
	n := len(examples[0].Ranking.Evidence())
	w := make([]float64, n)
	for range iterations {
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
			x := e.Ranking.Evidence()
			p := logistic(w, x)
			right := 0.0
			if e.Right {
				right = 1
			}
			for i := range n {
				gradient[i] += e.Weight * (right - p) * x[i]
				for j := range n {
					hessian[i][j] += e.Weight * p * (1 - p) * x[i] * x[j]
				}
			}
		}
		for i, d := range solve(hessian, gradient) {
			w[i] += d
		}
	}
	return w
}

func logistic(w, x []float64) float64 {
	sum := 0.0
	for i := range w {
		sum += w[i] * x[i]
	}
	return 1 / (1 + math.Exp(-sum))
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

package columns

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// calibrationFile has the coefficients of the two logistic curves from the evidence for a result to the probability
// that it is right. They are fitted to the labelled sets of package eval, not chosen:
//
//	go generate ./services/classifier/eval
//
//go:embed calibration.csv
var calibrationFile string

// Calibration has the coefficients of [Ranking.Evidence], for a chosen column and for the result that none fits.
type Calibration struct {
	Column, None []float64
}

// names of the evidence, in the order of the coefficients.
var (
	columnEvidence = []string{"constant", "score", "unclear", "lead", "unclear lead"}
	noneEvidence   = []string{"constant", "score", "unclear"}
)

// calibrated returns the embedded calibration, which is parsed once. It panics on an error, which the tests would find.
var calibrated = sync.OnceValue(func() *Calibration {
	c, err := parseCalibration(calibrationFile)
	if err != nil {
		panic(err)
	}
	return c
})

// Format returns the text of the calibration file.
func (c *Calibration) Format() string {
	var b strings.Builder
	b.WriteString("result,evidence,coefficient\n")
	write := func(result string, names []string, coefficients []float64) {
		for i, name := range names {
			fmt.Fprintf(&b, "%s,%s,%.3f\n", result, name, coefficients[i])
		}
	}
	write("column", columnEvidence, c.Column)
	write("none", noneEvidence, c.None)
	return b.String()
}

func parseCalibration(text string) (*Calibration, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	if want := 1 + len(columnEvidence) + len(noneEvidence); len(records) != want {
		return nil, fmt.Errorf("calibration: %d lines, want %d", len(records), want)
	}
	c := &Calibration{}
	for i, record := range records[1:] {
		result, names, into, at := "column", columnEvidence, &c.Column, i
		if at >= len(columnEvidence) {
			result, names, into, at = "none", noneEvidence, &c.None, i-len(columnEvidence)
		}
		if record[0] != result || record[1] != names[at] {
			return nil, fmt.Errorf("calibration line %d is %s %s, want %s %s", i+2, record[0], record[1], result,
				names[at])
		}
		value, err := strconv.ParseFloat(record[2], 64)
		if err != nil {
			return nil, fmt.Errorf("calibration line %d: %w", i+2, err)
		}
		*into = append(*into, value)
	}
	return c, nil
}

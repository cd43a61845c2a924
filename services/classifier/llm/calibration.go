package llm

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Agreement is how an answer of the model compares with that of the rules.
type Agreement string

const (
	// AgreementFull means that both are the same.
	AgreementFull Agreement = "agreed"
	// AgreementPartial means that the tiers are the same and another value of the class differs.
	AgreementPartial Agreement = "partly"
	// AgreementNone means that they differ.
	AgreementNone Agreement = "disputed"
	// AgreementAlone means that the rules have no opinion.
	AgreementAlone Agreement = "alone"
)

// The results that a [Calibration] has evidence for.
const (
	ResultColumn = "column"
	ResultClass  = "class"
)

// Evidence identifies the answers whose confidence is corrected together.
type Evidence struct {
	// Result is [ResultColumn] or [ResultClass].
	Result    string
	Agreement Agreement
}

// Correction is added to the log-odds of the confidence that follows from the assumptions of this package. Decisions is
// the number of labelled answers from which it was computed.
type Correction struct {
	Shift     float64
	Decisions int
}

// Calibration corrects the confidences of one model by what its answers were worth. Without corrections, the
// confidences follow from the assumption that 85 of 100 answers of a model are right.
type Calibration map[Evidence]Correction

var calibrationHeader = []string{"result", "agreement", "decisions", "shift"}

// ParseCalibration reads what Format has written. The error names the line.
func ParseCalibration(text string) (Calibration, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	if len(records) == 0 || !slices.Equal(records[0], calibrationHeader) {
		return nil, errors.New("calibration: the first line must be " + strings.Join(calibrationHeader, ","))
	}
	c := Calibration{}
	for i, record := range records[1:] {
		of := Evidence{Result: record[0], Agreement: Agreement(record[1])}
		decisions, err := strconv.Atoi(record[2])
		shift, shiftErr := strconv.ParseFloat(record[3], 64)
		if err = errors.Join(err, shiftErr); err != nil {
			return nil, fmt.Errorf("calibration line %d: %w", i+2, err)
		}
		if !slices.Contains(evidences(), of) || math.IsNaN(shift) || math.Abs(shift) > MaxShift {
			return nil, fmt.Errorf("calibration line %d: no such result, or a shift over %d", i+2, MaxShift)
		}
		c[of] = Correction{Shift: shift, Decisions: decisions}
	}
	return c, nil
}

// MaxShift is the most that a shift of the log-odds may be.
const MaxShift = 5

// evidences returns every evidence, in the order of the file.
func evidences() (all []Evidence) {
	for _, result := range []string{ResultColumn, ResultClass} {
		for _, a := range []Agreement{AgreementFull, AgreementPartial, AgreementNone, AgreementAlone} {
			all = append(all, Evidence{result, a})
		}
	}
	return all
}

// Format returns the text of a calibration file.
func (c Calibration) Format() string {
	var b strings.Builder
	b.WriteString(strings.Join(calibrationHeader, ",") + "\n")
	for _, of := range evidences() {
		if correction, ok := c[of]; ok {
			fmt.Fprintf(&b, "%s,%s,%d,%.3f\n", of.Result, of.Agreement, correction.Decisions, correction.Shift)
		}
	}
	return b.String()
}

// apply corrects a confidence. The limits of the confidences of this package stay.
func (c Calibration) apply(of Evidence, confidence int) int {
	shift := c[of].Shift
	if shift == 0 {
		return confidence
	}
	limit := map[Agreement]int{
		AgreementFull: maxAgreed, AgreementPartial: maxAlone, AgreementNone: maxDisputed, AgreementAlone: maxAlone,
	}
	return min(percent(Shifted(probability(confidence), shift)), limit[of.Agreement])
}

// Shifted returns the probability whose log-odds are those of p plus a shift.
func Shifted(p, shift float64) float64 { return 1 / (1 + math.Exp(-math.Log(p/(1-p))-shift)) }

// digest identifies the corrections; it is empty if there are none.
func (c Calibration) digest() string {
	if len(c) == 0 {
		return ""
	}
	return " " + c.Format()
}

// ColumnConfidence returns the confidence in the column, if the rules have the same or another one with a confidence.
func (o Opinion) ColumnConfidence(a Agreement, byRules int) int {
	return o.calibration.apply(Evidence{ResultColumn, a}, assumed(a, byRules, o.ColumnCertainty))
}

// ClassConfidence returns the confidence in the class, if the rules have the same or another one with a confidence.
func (o Opinion) ClassConfidence(a Agreement, byRules int) int {
	return o.calibration.apply(Evidence{ResultClass, a}, assumed(a, byRules, o.TierCertainty))
}

// assumed returns the confidence that follows from the assumptions of this package.
func assumed(a Agreement, byRules int, certainty float64) int {
	switch a {
	case AgreementFull:
		return Agreed(byRules, certainty)
	case AgreementPartial:
		return min(Agreed(byRules, certainty), maxAlone)
	case AgreementNone:
		return Disputed(byRules, certainty)
	default:
		return Alone(certainty)
	}
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/services/classifier/eval"
)

// printEval prints the results as tables, those of two subjects side by side.
func (a *app) printEval(r evalResult) error {
	w := a.stdout
	fmt.Fprintf(w, "%s: %s, %s, %s.\n", r.Report, count(int64(r.Labels), "label"),
		count(int64(r.Attributes), "attribute"), count(int64(r.Columns), "column"))
	if len(r.Missing) > 0 {
		fmt.Fprintln(w, indented(w, "Labels name columns that do not exist: "+strings.Join(r.Missing, ", "), 0))
	}
	for i, m := range r.Results {
		if len(r.Results) > 1 {
			fmt.Fprintf(w, "%s: %s\n", ordinal(i), m.Subject)
		} else {
			fmt.Fprintf(w, "By %s.\n", m.Subject)
		}
	}
	if err := printScores(w, r.Results); err != nil {
		return err
	}
	for i, m := range r.Results {
		heading := ""
		if len(r.Results) > 1 {
			heading = " (" + ordinal(i) + ")"
		}
		if err := printMatrices(w, m, heading); err != nil {
			return err
		}
		if err := printReliability(w, m, heading); err != nil {
			return err
		}
	}
	if r.Asked != nil {
		printAsked(w, r)
	}
	if len(r.Results) > 1 {
		return printDifferences(w, r.Differences)
	}
	printMistakes(w, r.Results[0].Mistakes)
	return nil
}

func ordinal(i int) string { return []string{"first", "second"}[i] }

// printScores prints a line for each measure, with a column for each subject.
func printScores(w io.Writer, results []eval.Measures) error {
	fmt.Fprintln(w)
	t := table(w)
	header := []any{"MEASURE", "JUDGED"}
	for i := range results {
		if len(results) > 1 {
			header = append(header, strings.ToUpper(ordinal(i)+" strict"), "LENIENT")
		} else {
			header = append(header, "STRICT", "LENIENT")
		}
	}
	printRow(t, header...)
	for i, f := range results[0].Fields {
		if f.Judged == 0 {
			continue
		}
		row := []any{f.Field, f.Judged}
		for _, m := range results {
			row = append(row, percentText(m.Fields[i].Best), percentText(m.Fields[i].Right))
		}
		printRow(t, row...)
	}
	for _, s := range summaries() {
		row, present := []any{s.name, s.judged(results[0])}, false
		for _, m := range results {
			text, ok := s.value(m)
			row, present = append(row, "", text), present || ok
		}
		if present {
			printRow(t, row...)
		}
	}
	return t.Flush()
}

// summary is a measure with one value in the table of scores.
type summary struct {
	name   string
	judged func(eval.Measures) any
	value  func(eval.Measures) (text string, ok bool)
}

func summaries() []summary {
	const tier, personal = "information_security_classification", "pii_flag"
	fitting := func(c *eval.ColumnScore) int { return c.Fitting }
	unfitting := func(c *eval.ColumnScore) int { return c.Unfitting }
	precision := func(v eval.ValueScore) float64 { return v.Precision }
	recall := func(v eval.ValueScore) float64 { return v.Recall }
	return []summary{
		columnSummary("a column: top 1", fitting, func(c *eval.ColumnScore) string { return percentText(c.Top1) }),
		columnSummary("a column: top 5", fitting, func(c *eval.ColumnScore) string { return percentText(c.Top5) }),
		columnSummary("a column: wrongly none", fitting, func(c *eval.ColumnScore) string {
			return fmt.Sprint(c.None)
		}),
		columnSummary("no column: recognised", unfitting, func(c *eval.ColumnScore) string {
			return fmt.Sprint(c.Recognised)
		}),
		valueSummary("HRCI: recall", tier, "HRCI", recall),
		{
			"tier below every defensible one", func(eval.Measures) any { return nil },
			func(m eval.Measures) (string, bool) { return fmt.Sprint(m.Understated), m.Fields[1].Judged > 0 },
		},
		valueSummary("personal: precision", personal, "yes", precision),
		valueSummary("personal: recall", personal, "yes", recall),
		valueSummary("personal: F1", personal, "yes", func(v eval.ValueScore) float64 { return v.F1 }),
	}
}

// columnSummary returns a measure of the columns, of which judged returns the number of attributes.
func columnSummary(name string, judged func(*eval.ColumnScore) int, text func(*eval.ColumnScore) string) summary {
	return summary{
		name: name,
		judged: func(m eval.Measures) any {
			if m.Column == nil {
				return nil
			}
			return judged(m.Column)
		},
		value: func(m eval.Measures) (string, bool) {
			if m.Column == nil || judged(m.Column) == 0 {
				return "", false
			}
			return text(m.Column), true
		},
	}
}

// valueSummary returns a measure of one value of a field.
func valueSummary(name, field, value string, score func(eval.ValueScore) float64) summary {
	return summary{
		name:   name,
		judged: func(eval.Measures) any { return nil },
		value: func(m eval.Measures) (string, bool) {
			for _, f := range m.Fields {
				i := slices.IndexFunc(f.Values, func(v eval.ValueScore) bool { return v.Value == value })
				if f.Field == field && i >= 0 {
					return percentText(score(f.Values[i])), true
				}
			}
			return "", false
		},
	}
}

// printMatrices prints a confusion matrix for each judged field: a row for the best answer, a column for the given one.
func printMatrices(w io.Writer, m eval.Measures, heading string) error {
	if c := m.Column; c != nil {
		fmt.Fprintf(w, "\nColumns%s: rows are the labels, columns the answers.\n", heading)
		t := table(w)
		printRow(t, "", "RIGHT COLUMN", "ANOTHER", "NONE")
		printRow(t, "a column", c.Right, c.Other, c.None)
		printRow(t, "none", "", c.Unfitting-c.Recognised, c.Recognised)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, f := range m.Fields {
		if f.Judged == 0 || len(f.Values) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s%s: rows are the best answers, columns the given ones.\n", f.Field, heading)
		if err := printMatrix(w, f); err != nil {
			return err
		}
	}
	return nil
}

func printMatrix(w io.Writer, f eval.FieldScore) error {
	t := table(w)
	header := []any{""}
	for _, v := range f.Values {
		header = append(header, v.Value)
	}
	printRow(t, append(header, "PRECISION", "RECALL", "F1")...)
	for _, want := range f.Values {
		row := []any{want.Value}
		for _, got := range f.Values {
			n := 0
			for _, c := range f.Confusion {
				if c.Want == want.Value && c.Got == got.Value {
					n = c.Count
				}
			}
			row = append(row, n)
		}
		row = append(row, percentText(want.Precision), percentText(want.Recall), percentText(want.F1))
		printRow(t, row...)
	}
	return t.Flush()
}

func printReliability(w io.Writer, m eval.Measures, heading string) error {
	for _, c := range []struct {
		name string
		r    *eval.Reliability
	}{{"column", m.Confidence.Column}, {"class", m.Confidence.Class}} {
		if c.r == nil {
			continue
		}
		fmt.Fprintf(w, "\nConfidence of the %s%s: %d of %d with 85 or more are right (%s), expected calibration error "+
			"%.3f.\n", c.name, heading, c.r.HighRight, c.r.High, percentText(c.r.HighShare), c.r.Error)
		t := table(w)
		printRow(t, "CONFIDENCE", "ANSWERS", "MEAN", "RIGHT")
		for _, b := range c.r.Bins {
			printRow(t, fmt.Sprintf("%d-%d", b.From, b.To), b.Count, percentText(b.Confidence), percentText(b.Share))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func printMistakes(w io.Writer, mistakes []eval.Mistake) {
	if len(mistakes) == 0 {
		fmt.Fprintln(w, "\nEvery answer is defensible.")
		return
	}
	fmt.Fprintln(w, "\nThe most confident mistakes:")
	for _, m := range mistakes {
		text := fmt.Sprintf("%s, %s: got %s with %d, want %s. %s", attributeText(m.LineItemNumber, m.AttributeName),
			m.Field, m.Got, m.Confidence, strings.Join(m.Want, " or "), m.Rationale)
		fmt.Fprintln(w, "  "+indented(w, text, 4))
	}
}

func printDifferences(w io.Writer, differences []eval.Difference) error {
	if len(differences) == 0 {
		fmt.Fprintln(w, "\nBoth give the same answers.")
		return nil
	}
	fmt.Fprintf(w, "\n%s:\n", count(int64(len(differences)), "different answer"))
	t := table(w)
	printRow(t, "ATTRIBUTE", "FIELD", "FIRST", "SECOND", "WANT", "EFFECT")
	for _, d := range differences {
		printRow(t, attributeText(d.LineItemNumber, d.AttributeName), d.Field, d.First, d.Second,
			strings.Join(d.Want, " or "), d.Effect)
	}
	return t.Flush()
}

func attributeText(number, name string) string { return strings.TrimSpace(number + " " + name) }

// percentText formats a share as a percentage.
func percentText(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

package rules

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/classifiertest"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
	"github.com/pdeflow/pdeflow/services/classifier/words"
)

// reportsOfForms are the filings of the pairs of files in testdata. The other pairs are tables of systems.
var reportsOfForms = map[string]string{
	"first-lien":             "FR Y-14M Schedule A.1",
	"home-equity":            "fr_y_14m_b1",
	"mortgage-servicing":     "FR Y-14M Schedule A.1",
	"portfolio":              "FR Y-14M Schedule D.2",
	"corporate":              "FR Y-14Q Schedule H.1",
	"commercial-real-estate": "FR Y-14Q Schedule H.2",
	"securities":             "FR Y-14Q Schedule B.1",
	"counterparty":           "FR Y-14Q Schedule L.5",
	"projections":            "FR Y-14A",
	"consolidated":           "FR Y-9C",
	"holding-company":        "FR Y-9C",
	"hmda":                   "HMDA Loan Application Register",
	"liquidity":              "FR 2052a",
}

// labelled is an attribute with the answers of a data officer: the best first, then others that are acceptable.
type labelled struct {
	form  string
	input Input
	want  map[string][]string
}

var judged = []string{"information_security_classification", "criticality", "risk_level", "regulatory_flag", "pii_flag"}

func goldRows(t testing.TB) []labelled {
	t.Helper()
	files, err := filepath.Glob("testdata/*.gold.csv")
	if err != nil || len(files) == 0 {
		t.Fatalf("gold files: %v, %v", files, err)
	}
	var all []labelled
	for _, file := range files {
		form := strings.TrimSuffix(filepath.Base(file), ".gold.csv")
		gold := classifiertest.ReadRows(t, file)
		attributes := classifiertest.ReadRows(t, filepath.Join("testdata", form+".attributes.csv"))
		if len(gold) != len(attributes) {
			t.Fatalf("labels of %s: got %d, want one for each of %d attributes", form, len(gold), len(attributes))
		}
		for i, row := range attributes {
			if row["attribute_name"] != gold[i]["attribute_name"] {
				t.Fatalf("%s row %d: got %q labelled as %q, want the same name",
					form, i+2, row["attribute_name"], gold[i]["attribute_name"])
			}
			l := labelled{form: form, want: map[string][]string{}}
			l.input = Input{Report: reportsOfForms[form], Attribute: schema.Attribute{
				AttributeName: row["attribute_name"], Description: row["description"], DataType: row["data_type"],
				LineItemNumber: row["line_item_number"], MDRM: row["mdrm"],
				IsPrimaryKey: row["is_primary_key"] == "true",
			}}
			for _, field := range judged {
				if cell := gold[i][field]; cell != "" {
					l.want[field] = strings.Split(cell, "|")
				}
			}
			all = append(all, l)
		}
	}
	return all
}

func fieldsOf(c schema.Classification) map[string]string {
	return map[string]string{
		"information_security_classification": string(c.InformationSecurityClassification),
		"criticality":                         string(c.Criticality),
		"risk_level":                          string(c.RiskLevel),
		"regulatory_flag":                     yesOrNo(c.RegulatoryFlag),
		"pii_flag":                            yesOrNo(c.PIIFlag),
	}
}

func TestLabelledAttributes(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	rows := goldRows(t)
	if len(rows) < 400 {
		t.Fatalf("labelled attributes: got %d, want at least 400", len(rows))
	}
	strict, lenient, total := map[string]int{}, map[string]int{}, map[string]int{}
	for _, row := range rows {
		a := e.Classify(row.input)
		for field, got := range fieldsOf(a.Classification) {
			want, ok := row.want[field]
			if !ok {
				continue
			}
			total[field]++
			if got == want[0] {
				strict[field]++
			}
			if slices.Contains(want, got) {
				lenient[field]++
				continue
			}
			t.Errorf("%s, %q: %s: got %s, want %s: %s", row.form, row.input.Attribute.AttributeName, field, got,
				strings.Join(want, " or "), a.Rationale)
		}
	}
	for _, field := range judged {
		t.Logf("%-36s %d attributes, best answer %.1f%%, acceptable answer %.1f%%", field, total[field],
			percentOf(strict[field], total[field]), percentOf(lenient[field], total[field]))
		if percentOf(strict[field], total[field]) < 85 {
			t.Errorf("%s: got the best answer for %.1f%%, want at least 85%%",
				field, percentOf(strict[field], total[field]))
		}
	}
}

func percentOf(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

func TestConfidenceSeparatesGoodAnswersFromDoubtfulOnes(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	type bin struct{ n, best int }
	var sure, doubtful bin
	for _, row := range goldRows(t) {
		a := e.Classify(row.input)
		b := &doubtful
		if a.Confidence >= 85 {
			b = &sure
		}
		b.n++
		if slices.ContainsFunc(judged, func(field string) bool {
			want := row.want[field]
			return len(want) > 0 && fieldsOf(a.Classification)[field] != want[0]
		}) {
			continue
		}
		b.best++
	}
	t.Logf("85 or more: %d of %d are the best answer in every field; below: %d of %d",
		sure.best, sure.n, doubtful.best, doubtful.n)
	if sure.n < 100 || doubtful.n < 50 || percentOf(sure.best, sure.n) <= percentOf(doubtful.best, doubtful.n) {
		t.Error("confident answers are not better than doubtful ones")
	}
}

// TestAnswersDependOnTheirMatches removes from each labelled attribute the words that its answer depends on.
func TestAnswersDependOnTheirMatches(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, row := range goldRows(t) {
		a := e.Classify(row.input)
		if a.Rule == "" {
			continue
		}
		bare := without(row.input, a.Matched)
		if b := e.Classify(bare); b.Classification == a.Classification && b.Confidence >= a.Confidence {
			t.Errorf("%s, %q without %v, as %q: got the same answer with %d, want less than %d\n\t%s\n\t%s",
				row.form, row.input.Attribute.AttributeName, a.Matched, bare.Attribute.AttributeName, b.Confidence,
				a.Confidence, b.Rationale, a.Rationale)
		}
	}
}

// without removes matched words from an input. A match of the data type removes the data type.
func without(in Input, matched []Match) Input {
	out := in
	byLength := slices.Clone(matched)
	slices.SortFunc(byLength, func(a, b Match) int { return cmp.Compare(len(b.Text), len(a.Text)) })
	for _, m := range byLength {
		switch m.Place {
		case "name":
			out.Attribute.AttributeName = strings.ReplaceAll(out.Attribute.AttributeName, m.Text, " ")
		case "technical name":
			out.Attribute.TechnicalLineItemName = withoutWords(out.Attribute.TechnicalLineItemName, m.Text)
		case "description":
			out.Attribute.Description = withoutWords(out.Attribute.Description, m.Text)
		case "table":
			out.Table = withoutWords(out.Table, m.Text)
		case "data type":
			out.Attribute.DataType = ""
		}
	}
	return out
}

// withoutWords removes words, in their normal form, from a text.
func withoutWords(text, matched string) string {
	normal := " " + strings.Join(words.Split(text), " ") + " "
	return strings.ReplaceAll(normal, " "+matched+" ", " ")
}

func TestMatchesQuoteTheName(t *testing.T) {
	t.Parallel()
	e := New(policy.Default())
	for _, row := range goldRows(t) {
		for _, m := range e.Classify(row.input).Matched {
			if m.Place == "name" && !strings.Contains(row.input.Attribute.AttributeName, m.Text) {
				t.Errorf("matched text: got %q, want a part of %q", m.Text, row.input.Attribute.AttributeName)
			}
		}
	}
}

package sample_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
)

// nothingFits lists the lines to which no column of the issuer belongs.
func nothingFits() []string {
	return []string{
		"70", "83", "84", // it has no loss sharing agreements
		"101", // it offers no payment holidays
	}
}

func TestLabelsJudgeEveryAttribute(t *testing.T) {
	t.Parallel()
	labels, attributes := gold(t), table(t, sample.Attributes())
	for _, name := range []string{"line_item_number", "attribute_name"} {
		if !slices.Equal(values(labels, name), values(attributes, name)) {
			t.Errorf("labels: %s differ from the attributes'", name)
		}
	}
}

func TestLabelsNameColumnsThatExist(t *testing.T) {
	t.Parallel()
	known := fields(t)
	best := make(map[string]string)
	for _, label := range gold(t) {
		line := label["line_item_number"]
		if label["source_field"] == "" {
			if !slices.Contains(nothingFits(), line) {
				t.Errorf("line %s has no column", line)
			}
			continue
		}
		if slices.Contains(nothingFits(), line) {
			t.Errorf("line %s: nothing fits, and yet %s does", line, label["source_field"])
		}
		answers := answers(t, label, "source_field")
		for _, field := range answers {
			if known[field] == nil {
				t.Errorf("line %s: %s does not exist", line, field)
			}
		}
		if other := best[answers[0]]; other != "" {
			t.Errorf("%s is the best answer to lines %s and %s", answers[0], other, line)
		}
		best[answers[0]] = line
	}
}

func TestManyColumnsAreUnmapped(t *testing.T) {
	t.Parallel()
	mapped := make(map[string]bool)
	for _, label := range gold(t) {
		for _, field := range strings.Split(label["source_field"], "|") {
			mapped[field] = true
		}
	}
	unused := 0
	for field, column := range fields(t) {
		if !mapped[field] {
			unused++
			continue
		}
		if slices.Contains([]string{
			"CMPGN_RSPN", "DSPT_CASE", "DVC_REG", "COLL_CNTCT", "CUST_CNTCT", "AUTH_CRDNTL", "CARD_PLSTC",
		}, column["table"]) {
			t.Errorf("%s feeds the report", field)
		}
	}
	if unused < 60 {
		t.Errorf("got %d unmapped columns, want 60 or more", unused)
	}
}

func TestTwinsAreBestAnswers(t *testing.T) {
	t.Parallel()
	best := make(map[string]bool)
	for _, label := range gold(t) {
		best[strings.Split(label["source_field"], "|")[0]] = true
	}
	wrong := 0
	for _, pair := range table(t, read(t, "testdata/twins.csv")) {
		if best[pair["column"]] || best[pair["twin"]] {
			wrong++
		}
	}
	if wrong < 20 {
		t.Errorf("got %d pairs with a best answer, want 20 or more", wrong)
	}
}

func TestLabelsUseTheVocabulary(t *testing.T) {
	t.Parallel()
	for _, label := range gold(t) {
		tiers := answers(t, label, "information_security_classification")
		for _, tier := range tiers {
			if !slices.Contains(schema.Tiers(),
				schema.Tier(tier)) {
				t.Errorf("line %s: tier %q", label["line_item_number"], tier)
			}
		}
		for _, name := range []string{"criticality", "risk_level"} {
			for _, level := range answers(t, label, name) {
				if !slices.Contains(schema.Levels(), schema.Level(level)) {
					t.Errorf("line %s: %s %q", label["line_item_number"], name, level)
				}
			}
		}
		for _, name := range []string{"regulatory_flag", "pii_flag"} {
			for _, flag := range answers(t, label, name) {
				if flag != "true" && flag != "false" {
					t.Errorf("line %s: %s %q", label["line_item_number"], name, flag)
				}
			}
		}
	}
}

// What the domain decides for all attributes applies to each best answer.
func TestLabelsAgreeWithTheDomainRules(t *testing.T) {
	t.Parallel()
	identifies := []string{"1", "2", "6", "76"} // numbers of accounts and customers, and an address finer than a state
	for _, label := range gold(t) {
		best := func(name string) string { return answers(t, label, name)[0] }
		line, tier, risk := label["line_item_number"], best("information_security_classification"), best("risk_level")
		if label["regulatory_flag"] != "true" {
			t.Errorf("line %s: every line of a filed report is regulated", line)
		}
		if best("pii_flag") == "true" && (tier == "Public" || tier == "Proprietary") {
			t.Errorf("line %s: personal data: got %s", line, tier)
		}
		want := map[string]string{"HRCI": "High", "Confidential": "Medium", "Proprietary": "Low", "Public": "Low"}[tier]
		if slices.Contains(identifies, line) {
			want = "High"
		}
		if risk != want {
			t.Errorf("line %s: risk: got %s, want %s for %s", line, risk, want, tier)
		}
		if tier == "HRCI" && best("criticality") != "High" {
			t.Errorf("line %s: a score or a parameter of models: got %s", line, best("criticality"))
		}
	}
}

func TestLabelsCoverEveryAnswer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]int)
	for _, label := range gold(t) {
		for _, name := range []string{"information_security_classification", "criticality", "risk_level", "pii_flag"} {
			seen[name+" "+answers(t, label, name)[0]]++
		}
	}
	for _, tier := range schema.Tiers() {
		if n := seen["information_security_classification "+string(tier)]; n < 5 {
			t.Errorf("%d labels: got %s", n, tier)
		}
	}
	for _, level := range schema.Levels() {
		if seen["criticality "+string(level)] < 5 || seen["risk_level "+string(level)] < 5 {
			t.Errorf("got too few labels %s", level)
		}
	}
	if seen["pii_flag true"] < 5 {
		t.Errorf("got %d personal labels", seen["pii_flag true"])
	}
}

func gold(t *testing.T) []row {
	t.Helper()
	return table(t, read(t, "testdata/gold.csv"), "line_item_number", "attribute_name", "source_field",
		"information_security_classification",
		"criticality", "risk_level", "regulatory_flag", "pii_flag")
}

// answers returns the best answer in a cell and then the other defensible ones, each once.
func answers(t *testing.T, label row, name string) []string {
	t.Helper()
	all := strings.Split(label[name], "|")
	if len(all) > 2 || len(all) == 2 && all[0] == all[1] {
		t.Errorf("line %s: %s: got %q", label["line_item_number"], name, label[name])
	}
	return all
}

package words

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ours = `# our words
BRWX: borrower
patron: customer
member-share: deposit
mtd: month to date [before bal] / method
acct: accountant
`

func vocabulary(t *testing.T) *Vocabulary {
	t.Helper()
	v, err := ParseVocabulary("our.vocabulary", []byte(ours))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseVocabulary(t *testing.T) {
	t.Parallel()
	v := vocabulary(t)
	for name, want := range map[string]string{
		"BRWX_NM":        "borrower name",
		"patronNames":    "customer name",
		"MEMBER_SHARE":   "deposit",
		"MTD_BAL":        "month to date balance",
		"MTD_CD":         "method code",
		"ACCT_NBR":       "accountant number",
		"CURR_CR_LMT":    "current credit limit",
		"Steuernummer":   "tax number",
		"ZYXWV":          "zyxwv",
		"BORROWER STATE": "borrower state",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(v.Split(name), " "); got != want {
				t.Errorf("Split: got %q, want %q", got, want)
			}
			var located []string
			for _, w := range v.Locate(nil, name) {
				located = append(located, w.Text)
			}
			if got := strings.Join(located, " "); got != want {
				t.Errorf("Locate: got %q, want %q", got, want)
			}
		})
	}
	if got := strings.Join(Split("ACCT_NBR"), " "); got != "account number" {
		t.Errorf("Split without the vocabulary: got %q, want account number", got)
	}
	var none *Vocabulary
	other, err := ParseVocabulary("x", []byte("a: b\n"))
	if err != nil || other.Digest() == v.Digest() || none.Digest() != "" {
		t.Errorf("digest: got %q, %q and %q without a vocabulary, %v, want two digests, and none without a vocabulary",
			v.Digest(), other.Digest(), none.Digest(), err)
	}
	if got := none.Split("ACCT_NBR"); !slices.Equal(got, Split("ACCT_NBR")) {
		t.Errorf("Split by the nil vocabulary: got %q, want the words of Split", got)
	}
}

func TestParseVocabulary_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := ParseVocabulary(
		"our.vocabulary",
		[]byte("brwx\nb x: y\nacct: account\nacct: account\nx:\n-a: b\ncr: c [first]\nzz: -\n"),
	)
	want := []string{
		`our.vocabulary:1: "brwx" is not of the form "abbreviation: words"`,
		`our.vocabulary:2: "b x" is not one word, or two words joined by a hyphen`,
		`our.vocabulary:4: "acct" appears twice`,
		`our.vocabulary:5: "x": no words in ""`,
		`our.vocabulary:6: "-a" is not one word, or two words joined by a hyphen`,
		`our.vocabulary:7: "cr": the last meaning must have no condition`,
		`our.vocabulary:8: "zz": no words in "-"`,
	}
	if err == nil {
		t.Fatal("got no error")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}

func TestVocabulary_Explain(t *testing.T) {
	t.Parallel()
	v := vocabulary(t)
	const want = ` The organisation's vocabulary reads "BRWX" as "borrower", "MEMBER_SHARE" as "deposit".`
	if got := v.Explain("BRWX_NM", "MEMBER_SHARE of BRWX", "CURR_BAL"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := v.Explain("CURR_BAL"); got != "" {
		t.Errorf("got %q for a name of the embedded dictionary, want none", got)
	}
	var none *Vocabulary
	if got := none.Explain("BRWX_NM"); got != "" {
		t.Errorf("got %q by the nil vocabulary, want none", got)
	}
}

func TestLearn(t *testing.T) {
	t.Parallel()
	got := (*Vocabulary)(nil).Learn([]Pair{
		{"Borrower Name", "BRWX_NM"},
		{"Borrower State", "BRWX_ST"}, // no letters of borrower: x
		{"Outstanding Balance", "OTSDG_BAL"},
		{"Loan Servicing Platform Code", "LSP_CD"},
		{"Customer Name", "PATRON_NM"},
		{"Customer City", "PATRON_CITY"},
		{"Member City", "PATRON_TOWN"},
		{"Current Balance", "CURR_BAL"},
		{"Maturity Date", "QZX_DT"},
		{"Name of the Obligor", "XRW_NM"},
		{"Guarantor Name", "XRW_NM"},
	})
	want := []Proposal{
		{
			Text: "brwx", Words: "borrower", Synonym: true,
			Support: []Pair{{"Borrower Name", "BRWX_NM"}, {"Borrower State", "BRWX_ST"}},
		},
		{
			Text: "patron", Words: "customer", Synonym: true,
			Support: []Pair{{"Customer Name", "PATRON_NM"}, {"Customer City", "PATRON_CITY"}},
		},
		{Text: "lsp", Words: "loan servicing platform", Support: []Pair{{"Loan Servicing Platform Code", "LSP_CD"}}},
		{Text: "otsdg", Words: "outstanding", Support: []Pair{{"Outstanding Balance", "OTSDG_BAL"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}

package policy

import "testing"

func TestReports_Find(t *testing.T) {
	t.Parallel()
	p := Default()
	for _, tt := range []struct{ name, mdrm, want string }{
		{"FR Y-14M Schedule D.1", "", "FR Y-14M"},
		{"fr_y14m_d1", "", "FR Y-14M"},
		{"FRY14M", "", "FR Y-14M"},
		{"fr-y-14m-d2", "", "FR Y-14M portfolio level"},
		{"FRY14M D2", "", "FR Y-14M portfolio level"},
		{"FR Y-14M Schedule D 2026", "", "FR Y-14M"},
		{"FR Y-14M D.21", "", "FR Y-14M"},
		{"Margin Call Report", "", ""},
		{"Sales Call Report", "", ""},
		{"Call Report", "", "Call Report"},
		{"Call Report RC-C", "", "Call Report"},
		{"FFIEC031 Call Report", "", "Call Report"},
		{"Margin Call Report", "RCON2200", "Call Report"},
		{"FFIEC 101 Schedule D", "", "FFIEC 101"},
		{"Delinquency 15 days", "", ""},
		{"Early 9C", "", ""},
		{"FR Y-15", "", "FR Y-15"},
		{"FR Y-150", "", ""},
		{"FRY9C", "", "FR Y-9C"},
		{"FrY9cHcB", "", "FR Y-9C"},
		{"FR2052a", "", "FR 2052a"},
		{"FRY14MD1", "", "FR Y-14M"},
		{"FRY14MD2", "", "FR Y-14M portfolio level"},
		{"FRY14QH1", "", "FR Y-14Q wholesale"},
		{"HMDA2025", "", "HMDA"},
		{"2025 Call Report", "", "Call Report"},
		{"2025 Margin Call Report", "", ""},
		{"Desk 2025 Call Report", "", ""},
		{"FR Y-14Q", "", "FR Y-14Q"},
		{"FR Y-14Q", "CLCOM300", "FR Y-14Q wholesale"},
		{"FR Y-14Q", "CQSCP083", "FR Y-14Q securities"},
		{"FR Y-14Q", "BHCK2170", "FR Y-14Q"},
		{"FR Y-14Q Schedule B.1", "CLCOM300", "FR Y-14Q securities"},
		{"FR Y-14M", "CLCOM300", "FR Y-14M"},
	} {
		t.Run(tt.name+" "+tt.mdrm, func(t *testing.T) {
			t.Parallel()
			got := ""
			if r := p.Reports.Find(tt.name, tt.mdrm); r != nil {
				got = r.Name
			}
			if got != tt.want {
				t.Errorf("Find(%q, %q): got %q, want %q", tt.name, tt.mdrm, got, tt.want)
			}
		})
	}
}

func TestReports_Find_TheLongestPatternWins(t *testing.T) {
	t.Parallel()
	p, err := Parse("p", []byte(testHead+testRule+
		"report special\n  names: FORM 7 * S.2\nreport general\n  names: FORM 7\nreport leading\n  begins: S.2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"Form 7", "general"},
		{"form-7 schedule S.2 (all)", "special"},
		{"form_7_s2", "special"},
		{"Form 8 S.2", ""},
		{"S.2 of Form 7", "general"},
		{"S.2 of Form 8", "leading"},
		{"2025 S.2", "leading"},
		{"20259 S.2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if r := p.Reports.Find(tt.name, ""); r != nil {
				got = r.Name
			}
			if got != tt.want {
				t.Errorf("Find(%q): got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		// boundaries has | at each boundary between words.
		boundaries string
	}{
		{"", "", "|"},
		{"FR Y-14M, D.2", "fry14md2", "|fr|y|14|m|d|2|"},
		{"fr_y14m_d2", "fry14md2", "|fr|y|14|m|d|2|"},
		{"FRY14MD2", "fry14md2", "|fry|14|m|d|2|"}, // a boundary between the letters of filing and schedule
		{"CallReport", "callreport", "|call|report|"},
		{"Größe 7", "gre7", "|gr|e|7|"}, // only ASCII letters and digits count
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := normalize(tt.name)
			if n.text != tt.want {
				t.Errorf("text: got %q, want %q", n.text, tt.want)
			}
			got := ""
			for i, boundary := range n.boundary {
				if boundary {
					got += "|"
				}
				if i < len(n.text) {
					got += n.text[i : i+1]
				}
			}
			if got != tt.boundaries {
				t.Errorf("boundaries: got %s, want %s", got, tt.boundaries)
			}
		})
	}
}

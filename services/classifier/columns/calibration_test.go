package columns

import (
	"fmt"
	"strings"
	"testing"
)

func TestCalibration_ConfidenceGrowsWithTheEvidence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		better, worse Ranking
	}{
		{Ranking{Score: 0.9, Lead: 0.2}, Ranking{Score: 0.5, Lead: 0.2}},
		{Ranking{Score: 0.7, Lead: 0.25}, Ranking{Score: 0.7}},
		{Ranking{Score: 0.7, Lead: 0.2}, Ranking{Score: 0.7, Lead: 0.2, Unclear: 1}},
		{Ranking{Column: -1}, Ranking{Column: -1, Unclear: 1}},
		{Ranking{Column: -1, Score: 0}, Ranking{Column: -1, Score: 0.35}},
	} {
		t.Run(fmt.Sprint(tt.better), func(t *testing.T) {
			t.Parallel()
			if better, worse := tt.better.probability(), tt.worse.probability(); better <= worse {
				t.Errorf("got %.2f for %v, want more than %.2f for %v", better, tt.better, worse, tt.worse)
			}
		})
	}
}

func TestParseCalibration(t *testing.T) {
	t.Parallel()
	c, err := parseCalibration(calibrationFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Format(); got != calibrationFile {
		t.Errorf("got %s, want the same text", got)
	}
	for _, tt := range []struct{ old, wrong, want string }{
		{"column,score", "column,shoe size", "line 3 is column shoe size"},
		{"none,score", "none,margin", "line 8 is none margin"},
		{"column,constant,", "column,constant,x", "line 2"},
		{"result,evidence,coefficient\n", "", "8 lines, want 9"},
	} {
		t.Run(tt.old, func(t *testing.T) {
			t.Parallel()
			_, err := parseCalibration(strings.Replace(calibrationFile, tt.old, tt.wrong, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want an error with %q", tt.wrong, err, tt.want)
			}
		})
	}
}

package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadBlocks(t *testing.T) {
	t.Parallel()
	text := "\ufeffpolicy 1\n# comment\ngroup G\n\nrule a b\n\tany:  x , y\n  any: z\n  tier: HRCI\nfiller\n"
	found := &problems{}
	got := readBlocks([]byte(text), 0, found)
	want := []block{
		{kind: "policy", name: "1", line: 1},
		{kind: "group", name: "G", line: 3, group: "G"},
		{kind: "rule", name: "a b", line: 5, group: "G", entries: []entry{
			{"any", "x , y", 6}, {"any", "z", 7}, {"tier", "HRCI", 8},
		}},
		{kind: "filler", line: 9, group: "G"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{}, entry{})); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
	if len(found.all) > 0 {
		t.Errorf("problems: got %v, want none", found.err())
	}
	items := got[2].list("any", found)
	if diff := cmp.Diff([]item{{"x", 6}, {"y", 6}, {"z", 7}}, items, cmp.AllowUnexported(item{})); diff != "" {
		t.Errorf("list, want and got:\n%s", diff)
	}
}

func TestBlock_Title(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]block{
		`rule "a"`: {kind: "rule", name: "a"},
		"filler":   {kind: "filler"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := b.title(); got != want {
				t.Errorf("title: got %s, want %s", got, want)
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	allowed := []string{"tier", "personal", "because"}
	for _, tt := range []struct{ word, want string }{
		{"teir", `: did you mean "tier"?`},
		{"TIER", `: did you mean "tier"?`},
		{"becaus", `: did you mean "because"?`},
		{"xyz", ": allowed are tier, personal, because"},
	} {
		t.Run(tt.word, func(t *testing.T) {
			t.Parallel()
			if got := didYouMean(tt.word, allowed); got != tt.want {
				t.Errorf("didYouMean(%q): got %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}

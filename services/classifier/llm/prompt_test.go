package llm

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestAnswer_OfAJobThatOnlyClassifiesHasTheColumnOfTheMapping(t *testing.T) {
	t.Parallel()
	p := NewPrompt(policy.Default())
	q := newQuestion("")
	column := q.Candidates[1]
	q.Maps, q.Candidates, q.Column = false, nil, &column
	with, _ := userText(t, p.Answer(q))
	if !strings.Contains(with, `["core.acct.orig_bal","DECIMAL(18,2)",""]`) || strings.Contains(with, "candidates") {
		t.Errorf("data: got %s, want the column and no candidates", with)
	}
	q.Column = nil
	without, _ := userText(t, p.Answer(q))
	if strings.Contains(without, "orig_bal") || len(strings.Split(without, "\n")) != 1 {
		t.Errorf("data: got %s, want no column", without)
	}
}

func TestAnswer_NumbersTheCandidatesInTheirOrder(t *testing.T) {
	t.Parallel()
	data, _ := userText(t, NewPrompt(policy.Default()).Answer(newQuestion("")))
	first, second := strings.Index(data, `[0,"core.acct.curr_bal"`), strings.Index(data, `[1,"core.acct.orig_bal"`)
	if first < 0 || second < first {
		t.Errorf("data: got %s, want curr_bal as 0 and orig_bal as 1", data)
	}
}

func TestRepair_RepeatsTheReplyAndItsProblems(t *testing.T) {
	t.Parallel()
	p := NewPrompt(policy.Default())
	asked := p.Answer(newQuestion(""))
	for name, tt := range map[string]struct{ reply, want string }{
		"a reply":         {`{"column": 7}`, `{"column": 7}`},
		"nothing":         {" \n", "(nothing)"},
		"bytes":           {"a\xffb", "a?b"},
		"a long reply":    {strings.Repeat("x", 5000), strings.Repeat("x", maxEcho)},
		"a cut character": {strings.Repeat("x", maxEcho-1) + "é", strings.Repeat("x", maxEcho-1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := p.repair(asked, tt.reply, "column is not the index of a candidate")
			if len(r.Messages) != 3 || r.Messages[0] != asked.Messages[0] || len(asked.Messages) != 1 {
				t.Fatalf("messages: got %d, want the question, the reply and the problems", len(r.Messages))
			}
			if reply := r.Messages[1]; reply.Role != provider.RoleAssistant || reply.Text != tt.want {
				t.Errorf("reply: got %s %q, want %q", reply.Role, reply.Text, tt.want)
			}
			if last := r.Messages[2]; last.Role != provider.RoleUser || !strings.Contains(last.Text, "not the index") ||
				strings.Contains(last.Text, "{problems}") {
				t.Errorf("problems: got %q", last.Text)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"a short text":       {"Current Balance", "Current Balance"},
		"spaces and lines":   {" Current\r\n\tBalance\u00a0", "Current Balance"},
		"control characters": {"a\x00b\u202ec\u200bd", "a b c d"},
		"bytes":              {"a\xff", "a?"},
		"exactly the limit":  {strings.Repeat("é", 20), strings.Repeat("é", 20)},
		"one more":           {strings.Repeat("é", 21), strings.Repeat("é", 20) + "…"},
		"another script":     {"口座残高", "口座残高"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := shorten(tt.text, 20)
			if got != tt.want || !utf8.ValidString(got) {
				t.Errorf("shorten: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDescribe_RemovesWhatLooksLikeAValue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"a card":            {"such as 4111 1111 1111 1111", "such as #"},
		"a security number": {"078-05-1120 is an example", "# is an example"},
		"an address":        {"ask jane.doe+x@bank.example", "ask #"},
		"a line of a form":  {"see FR Y-14M line 23, item 4.a", "see FR Y-14M line 23, item 4.a"},
		"a type":            {"DECIMAL(18,2)", "DECIMAL(18,2)"},
		"a year":            {"since 2012", "since 2012"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := describe(tt.text, 100); got != tt.want {
				t.Errorf("describe: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDigest_DependsOnThePolicyAndTheModel(t *testing.T) {
	t.Parallel()
	a, b := newModel(t, "a", ""), newModel(t, "b", "")
	if a.Digest() == b.Digest() || a.Digest() != newModel(t, "a", "").Digest() {
		t.Errorf("Digest: got %s and %s, want one for each model", a.Digest(), b.Digest())
	}
	changed := *policy.Default()
	changed.Rules = append(changed.Rules[:len(changed.Rules):len(changed.Rules)], changed.Rules[0])
	if NewPrompt(&changed).Digest() == NewPrompt(policy.Default()).Digest() {
		t.Error("Digest: got the same for another policy")
	}
	q := newQuestion("")
	same, other := a.Hash(a.Prompt().Answer(q)), a.Hash(a.Prompt().Answer(newQuestion("The balance.")))
	if same != a.Hash(a.Prompt().Answer(q)) || same == other || same == b.Hash(b.Prompt().Answer(q)) {
		t.Errorf("Hash: got %s and %s, want one for each question and model", same, other)
	}
	if got := a.ClassifiedBy(); got != schema.ModelPrefix+"a@"+a.Prompt().Version() {
		t.Errorf("ClassifiedBy: got %s", got)
	}
}

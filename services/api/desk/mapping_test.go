package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

func TestChange_FieldsAreThoseThatAReaderLooksFor(t *testing.T) {
	t.Parallel()
	public, hrci, reason, yes, score := "Public", "HRCI", "because", true, 90
	change := desk.Change{
		Before: schema.Image{InformationSecurityClassification: &public, ReviewStatus: "pending"},
		After: schema.Image{
			InformationSecurityClassification: &hrci, ClassificationRationale: &reason, MappingRationale: &reason,
			PIIFlag:         &yes,
			ConfidenceScore: &score, ReviewStatus: "pending", MappingConfirmedByUser: true,
		},
	}
	var got []string
	for _, f := range change.Fields() {
		got = append(got, fmt.Sprintf("%s: %s to %s", f.Name, f.From, f.To))
	}
	slices.Sort(got)
	want := []string{"Confidence:  to 90", "Confirmed: No to Yes", "Personal:  to Yes", "Tier: Public to HRCI"}
	if !slices.Equal(got, want) {
		t.Errorf("Fields: got %q, want %q", got, want)
	}
	change.JobID = "j1"
	if change.Human() {
		t.Error("the change of a job counts as that of a person")
	}
}

func TestPlain_IsEmptyWithoutAValue(t *testing.T) {
	t.Parallel()
	text, n, no := "a", 7, false
	for _, tt := range []struct {
		value any
		want  string
	}{
		{nil, ""},
		{&text, "a"},
		{(*string)(nil), ""},
		{&n, "7"},
		{(*int)(nil), ""},
		{&no, "No"},
		{(*bool)(nil), ""},
		{true, "Yes"},
		{schema.TierHRCI, "HRCI"},
	} {
		if got := desk.Plain(tt.value); got != tt.want {
			t.Errorf("Plain(%v): got %q, want %q", tt.value, got, tt.want)
		}
	}
}

func TestMapping_ShowsWhyAndWhatElse(t *testing.T) {
	t.Parallel()
	v := selected(roles()["tester"], 2)
	m := v.Selected
	yes := true
	m.SuggestedInformationSecurityClassification, m.SuggestedPIIFlag = schema.TierHRCI, &yes
	m.MappingRationale, m.ClassificationRationale = "Same words.", "A limit.\nOf credit."
	m.RegulatoryReferences = []string{"GLBA", "FCRA"}
	m.Attribute = schema.Attribute{MDRM: "M083", DataType: "N12", IsMandatory: true, Description: "The limit"}
	m.Column, m.Source = &schema.SourceColumn{DataType: "DECIMAL(15,2)"}, "Cards"
	m.History = []desk.Change{
		{History: schema.History{Action: schema.HistoryActionReviewed, ChangedBy: "ada", Comment: "<ok>"}},
		{
			History: schema.History{
				JobID:     "j1",
				ChangedBy: "job:j1",
				ChangedAt: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC),
			},
		},
	}
	m.Calls = []schema.ModelCall{{
		JobID: "j1", Step: schema.CallStepAnswer, State: schema.CallStateAnswered, Model: "gemma", PromptVersion: "2",
		InputTokens: 900, OutputTokens: 60, Reply: strings.Repeat("ä", 1001),
	}}
	page := render(t, desk.Frame{Caller: v.Caller}, v).byID("mapping")
	text := strings.Join(strings.Fields(page.text), " ")
	for _, want := range []string{
		"Same words.", "A.B.C", "41", "similar", "Why Confidential", "A limit.", "GLBA", "FCRA", "M083",
		"N12, mandatory",
		"Answer, answered: gemma, prompt 2", "900 tokens in, 60 out", strings.Repeat("ä", 1000) + " …",
		"DECIMAL(15,2)", "Cards", "the classifier: HRCI", "the classifier: Yes", "“<ok>”", "job j1", "28 Nov 09:00",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the mapping lacks %s: %s", want, text)
		}
	}
	if got := len(page.all(func(e *element) bool { return e.name == "li" && e.attrs["class"] == "human" })); got != 1 {
		t.Errorf("got %d changes by people, want 1", got)
	}
	for _, form := range page.named("form") {
		action := strings.TrimPrefix(form.attrs["action"], m.Path())
		version := form.all(func(e *element) bool { return e.attrs["name"] == "version" })
		if !slices.Contains([]string{"/edit", "/accept"}, action) || len(version) != 1 ||
			version[0].attrs["value"] != "1" {
			t.Errorf("got a form to %s with the version %v", action, version)
		}
	}
}

func TestEdit_ShowsWhatOthersChanged(t *testing.T) {
	t.Parallel()
	v := desk.Edit{Back: "/back", Fields: []desk.EditField{
		{Name: "pii_flag", Label: "Personal", Value: "true", Saved: "false", Choices: []string{"", "true", "false"}},
		{Name: "source_field", Label: "Column", Value: "A.B.C", Mono: true, Suggestions: []string{"A.B.D"}},
	}}
	v.Version = 3
	v.Changes = []desk.EditChange{{By: "otto", Field: "Data steward", Before: "", After: "Risk", Version: 3}}
	page := render(t, desk.Frame{}, v)
	if conflict := page.byID("conflict"); conflict == nil || conflict.attrs["role"] != "alert" ||
		!strings.Contains(conflict.text, "otto saved version 3 while you edited") {
		t.Error("the conflict is not announced")
	}
	if got := texts(page.named("option")); !slices.Equal(got, []string{"–", "Yes", "No", ""}) {
		t.Errorf("choices: got %q", got)
	}
	chosen := page.all(func(e *element) bool { return e.name == "option" && e.has("selected") })
	if len(chosen) != 1 || chosen[0].attrs["value"] != "true" {
		t.Errorf("chosen: got %v", texts(chosen))
	}
	if buttons := texts(page.byID("main").named("button")); !slices.Equal(buttons, []string{"Save over version 3"}) {
		t.Errorf("buttons: got %v", buttons)
	}
	v.Changes, v.Problem = nil, "The column is unknown."
	if text := render(t, desk.Frame{}, v).byID("main").text; !strings.Contains(text, v.Problem) ||
		strings.Contains(text, "while you edited") {
		t.Errorf("a refused edit: got %s", text)
	}
}

func TestConfirm_NamesTheNumberOnItsButton(t *testing.T) {
	t.Parallel()
	v := desk.Confirm{
		Question: "Approve 2,000 mappings?", Button: "Approve 2,000", Action: "/review", Comment: true, Text: "<c>",
		Fields: []desk.FormField{{Name: "ids", Value: "a"}}, Back: "/back",
	}
	form := render(t, desk.Frame{}, v).byID("main").named("form")[0]
	if got := texts(form.named("button")); !slices.Equal(got, []string{"Approve 2,000"}) {
		t.Errorf("button: got %v", got)
	}
	fields := map[string]string{}
	for _, input := range form.named("input") {
		fields[input.attrs["name"]] = input.attrs["value"]
	}
	if fields["ids"] != "a" || fields["confirmed"] != "yes" || form.named("textarea")[0].text != "<c>" {
		t.Errorf("fields: got %v", fields)
	}
	v.None = true
	if form := render(t, desk.Frame{}, v).byID("main").named("form")[0]; len(form.named("button")) != 0 ||
		len(form.named("textarea")) != 0 {
		t.Error("a question about nothing has a button")
	}
	for n, want := range map[int64]string{0: "0 mappings", 1: "1 mapping", 2000: "2,000 mappings"} {
		if got := desk.CountOf(n); got != want {
			t.Errorf("CountOf(%d): got %s, want %s", n, got, want)
		}
	}
	verbs := map[string]bool{}
	for _, status := range schema.ReviewStatuses() {
		verbs[desk.Verb(status)] = true
	}
	if len(verbs) != len(schema.ReviewStatuses()) {
		t.Errorf("Verb: got %v, want one for each decision", verbs)
	}
}

func TestRefusal_TellsARoleThatIsTooLowFromAnError(t *testing.T) {
	t.Parallel()
	v := desk.Refusal{Caller: roles()["viewer"], Title: "Not allowed", Forbidden: true, RequestID: "r-7"}
	text := strings.Join(strings.Fields(render(t, desk.Frame{Caller: v.Caller}, v).byID("main").text), " ")
	for _, want := range []string{"vera with the role viewer", "Sign in as another user", "request r-7", "Reports"} {
		if !strings.Contains(text, want) {
			t.Errorf("a refusal lacks %s: %s", want, text)
		}
	}
	v.Forbidden, v.Back = false, "/jobs"
	v.Errors = []desk.Mistake{{Location: "query.from", Message: "must be a time"}}
	page := render(t, desk.Frame{Caller: v.Caller}, v).byID("main")
	if text := page.text; strings.Contains(text, "another user") || !strings.Contains(text, "query.from") ||
		page.named("a")[0].attrs["href"] != "/jobs" {
		t.Errorf("an error: got %s", text)
	}
}

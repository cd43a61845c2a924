package desk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

func TestNumber_HasCommas(t *testing.T) {
	t.Parallel()
	for n, want := range map[any]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", int64(1_234_567): "1,234,567", -1: "-1", -1234: "-1,234",
		int64(1_000_000_000): "1,000,000,000",
	} {
		if got := number(n); got != want {
			t.Errorf("number(%v): got %s, want %s", n, got, want)
		}
	}
}

func TestPercent_IsAllOrNothingOnlyIfItIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		part, total int64
		want        string
	}{
		{0, 0, "0%"},
		{0, 118, "0%"},
		{1, 1_000_000, "<1%"},
		{59, 118, "50%"},
		{999_999, 1_000_000, "99%"},
		{118, 118, "100%"},
	} {
		if got := percent(tt.part, tt.total); got != tt.want {
			t.Errorf("percent(%d, %d): got %s, want %s", tt.part, tt.total, got, tt.want)
		}
	}
}

func TestStack_FillsTheBar(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		total int64
		parts []part
		want  []string
	}{
		"all":     {4, []part{{1, "f4"}, {3, "f3"}}, []string{"f4 0% 25%", "f3 25% 75%"}},
		"a rest":  {4, []part{{1, "f4"}, {0, "f3"}}, []string{"f4 0% 25%", "fnone 25% 75%"}},
		"nothing": {0, []part{{0, "f4"}}, []string{"fnone 0% 100%"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := string(stack(`<"Tiers">`, tt.total, tt.parts...))
			for _, want := range tt.want {
				var class, x, width string
				if _, err := fmt.Sscan(want, &class, &x, &width); err != nil {
					t.Fatal(err)
				}
				if rect := `<rect class="` + class + `" x="` + x + `" width="` + width + `"/>`; !strings.Contains(
					got,
					rect,
				) {
					t.Errorf("got %s, want it to have %s", got, rect)
				}
			}
			if n := strings.Count(got, "<rect"); n != len(tt.want) {
				t.Errorf("got %d parts, want %d", n, len(tt.want))
			}
			if !strings.Contains(got, `aria-label="&lt;&#34;Tiers&#34;&gt;"`) {
				t.Errorf("the label is not escaped: %s", got)
			}
		})
	}
}

func TestSpan_HasAtMostTwoUnits(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 412 * time.Millisecond: "0.4 s", 10 * time.Second: "10 s", 59 * time.Second: "59 s",
		time.Minute: "1 min 0 s", 231 * time.Second: "3 min 51 s", time.Hour: "1 h 0 min",
		26*time.Hour + 61*time.Minute: "27 h 1 min",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v): got %s, want %s", d, got, want)
		}
	}
	n := int64(90)
	if got := seconds(&n) + seconds(nil); got != "1 min 30 s" {
		t.Errorf("seconds: got %s, want 1 min 30 s and nothing", got)
	}
}

func TestTimes_AreInUTCWithTheExactOneForPrograms(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 28, 23, 5, 9, 0, time.FixedZone("", -3600))
	for _, tt := range []struct{ got, want string }{
		{string(at(when)), `<time datetime="2026-11-29T00:05:09Z">29 Nov 00:05</time>`},
		{string(clock(&when)), `<time datetime="2026-11-29T00:05:09Z">00:05:09</time>`},
		{string(moment(when)), `<time datetime="2026-11-29T00:05:09Z">29 Nov 00:05:09</time>`},
		{string(at(time.Time{})), ""},
		{string(at((*time.Time)(nil))), ""},
		{string(at("yesterday")), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

// The marks of a value differ in their shape, not only in their colour.
func TestMarks_OfDifferentValuesHaveDifferentShapesAndWords(t *testing.T) {
	t.Parallel()
	marks := map[string][]string{}
	for _, tier := range append(schema.Tiers(), "") {
		marks["tier"] = append(marks["tier"], string(tierMark(tier)))
	}
	for _, level := range []schema.Level{schema.LevelHigh, schema.LevelMedium, schema.LevelLow, ""} {
		marks["level"] = append(marks["level"], string(levelMark(level)))
	}
	for _, status := range schema.ReviewStatuses() {
		marks["review"] = append(marks["review"], string(reviewMark(status, "w")))
	}
	for _, status := range schema.Statuses() {
		marks["status"] = append(marks["status"], string(statusMark(status)))
	}
	for _, outcome := range append(schema.Outcomes(), "") {
		marks["outcome"] = append(marks["outcome"], string(outcomeMark(outcome)))
	}
	for kind, all := range marks {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			shapes := map[string]bool{}
			for _, mark := range all {
				_, shape, _ := strings.Cut(mark, `href="#`)
				shape, _, _ = strings.Cut(shape, `"`)
				if shapes[shape] {
					t.Errorf("%s has a shape twice: %s", kind, mark)
				}
				shapes[shape] = true
			}
		})
	}
}

func TestMarks_EscapeValuesThatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]string{
		"tier": string(tierMark("<b>")), "level": string(levelMark("<b>")), "review": string(reviewMark("<b>", "w")),
		"status": string(statusMark("<b>")), "icon": string(icon(`"><b>`, `"><b>`)),
	} {
		if strings.Contains(mark, "<b>") && name != "status" || strings.Contains(mark, "<b><b>") {
			t.Errorf("%s: got %s", name, mark)
		}
	}
}

func TestWords_AreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, tt := range []struct{ got, want string }{
		{words(schema.ReviewStatusNeedsRevision), "Needs revision"},
		{words(""), ""},
		{words("queued"), "Queued"},
		{yesNo(&yes), "Yes"},
		{yesNo(&no), "No"},
		{yesNo(nil), "–"},
		{choiceOf("true") + choiceOf("false") + choiceOf("") + choiceOf("High"), "YesNoHigh"},
		{short("01a2229e-e1ff-7adc-97f7-9bdca57e1fdd"), "…a57e1fdd"},
		{short("j1"), "j1"},
		{author("job:01a2229e-e1ff-7adc-97f7-9bdca57e1fdd"), "job …a57e1fdd"},
		{author("ada"), "ada"},
		{FieldName("information_security_classification"), "Tier"},
		{FieldName("suggested_information_security_classification"), "Suggested tier"},
		{FieldName("data_steward"), "Data steward"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

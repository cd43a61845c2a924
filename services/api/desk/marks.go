package desk

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// funcs returns the functions of the templates.
func (d *Desk) funcs() template.FuncMap {
	return template.FuncMap{
		"static": d.staticURL, "number": number, "percent": percent, "icon": icon, "bar": bar, "stack": stack,
		"part": newPart, "tier": tierMark, "tiericon": tierIcon, "level": levelMark, "review": reviewMark,
		"outcome":     outcomeMark,
		"reviewparts": newReviewParts, "facets": newFacets, "hint": hintOf, "score": int64Of,
		"status": statusMark, "words": words, "yesno": yesNo, "choice": choiceOf, "at": at,
		"clock": clock, "moment": moment,
		"span": span, "seconds": seconds, "short": short, "author": author, "deref": deref,
	}
}

// number formats a count with commas.
func number(n any) string {
	text := fmt.Sprint(n)
	negative := strings.HasPrefix(text, "-")
	text = strings.TrimPrefix(text, "-")
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if negative {
		return "-" + text
	}
	return text
}

// share returns a part of the total in percent, 0 if there is nothing.
func share(part, total int64) float64 {
	if total <= 0 {
		return 0
	}
	return float64(part) * 100 / float64(total)
}

// percent formats a part of the total as a whole percentage, rounded down: it is 100% only if nothing is missing.
func percent(part, total int64) string {
	p := int(share(part, total))
	if p == 0 && part > 0 {
		return "<1%"
	}
	return strconv.Itoa(p) + "%"
}

// width formats a share as the width of an SVG element.
func width(p float64) string { return strconv.FormatFloat(p, 'f', -1, 32) + "%" }

// markup returns HTML that consists of constants, numbers and escaped texts.
func markup(html string) template.HTML { return template.HTML(html) } //nolint:gosec // see above

// icon returns an icon of the layout.
func icon(name, class string) template.HTML {
	if class != "" {
		class = " " + template.HTMLEscapeString(class)
	}
	return markup(`<svg class="i` + class + `" aria-hidden="true"><use href="#` + template.HTMLEscapeString(name) +
		`"/></svg>`)
}

// bar returns a bar of the share that part is of the total.
func bar(part, total int64, class string) template.HTML {
	if class != "" {
		class = ` class="` + class + `"`
	}
	return markup(`<svg class="bar" aria-hidden="true"><rect` + class + ` width="` +
		width(share(part, total)) + `"/></svg>`)
}

// part is a part of a stacked bar.
type part struct {
	n     int64
	class string
}

func newPart(n int64, class string) part { return part{n, class} }

// stack returns a bar of parts of the total, with a label for screen readers.
func stack(label string, total int64, parts ...part) template.HTML {
	var b strings.Builder
	b.WriteString(`<svg class="stack" role="img" aria-label="` + template.HTMLEscapeString(label) + `">`)
	left := 0.0
	for _, p := range parts {
		w := share(p.n, total)
		if w > 0 {
			b.WriteString(`<rect class="` + p.class + `" x="` + width(left) + `" width="` + width(w) + `"/>`)
		}
		left += w
	}
	if left < 100 {
		b.WriteString(`<rect class="fnone" x="` + width(left) + `" width="` + width(100-left) + `"/>`)
	}
	b.WriteString(`</svg>`)
	return markup(b.String())
}

// tierIcon returns the name of the icon of a tier, which is also its class. The more secret, the higher.
func tierIcon(t schema.Tier) string {
	switch t {
	case schema.TierHRCI:
		return "t4"
	case schema.TierConfidential:
		return "t3"
	case schema.TierProprietary:
		return "t2"
	case schema.TierPublic:
		return "t1"
	default:
		return "t0"
	}
}

func tierMark(t schema.Tier) template.HTML {
	name, word := tierIcon(t), string(t)
	if word == "" {
		word = "Not classified"
	}
	return markup(`<span class="tier `+name+`">`) + icon(name, "") +
		markup(template.HTMLEscapeString(word)+`</span>`)
}

func levelMark(l schema.Level) template.HTML {
	icons := map[schema.Level]string{schema.LevelHigh: "l3", schema.LevelMedium: "l2", schema.LevelLow: "l1"}
	name, found := icons[l]
	if !found {
		return `<span class="faint">–</span>`
	}
	return `<span class="s">` + icon(name, "") + markup(string(l)) + `</span>`
}

// reviewIcon returns the name and the class of the icon of a review status.
func reviewIcon(s schema.ReviewStatus) (name, class string) {
	switch s {
	case schema.ReviewStatusApproved:
		return "approved", "ok"
	case schema.ReviewStatusRejected:
		return "rejected", "bad"
	case schema.ReviewStatusNeedsRevision:
		return "revision", "warn"
	default:
		return "pending", ""
	}
}

// reviewParts are the icon of a review status and its class.
type reviewParts struct{ Icon, Class string }

func newReviewParts(s schema.ReviewStatus) *reviewParts {
	icon, class := reviewIcon(s)
	return &reviewParts{icon, class}
}

// facets are the filters of one group, with the page.
type facets struct {
	View   Report
	Facets []Facet
}

func newFacets(view Report, group []Facet) facets { return facets{view, group} }

func reviewMark(s schema.ReviewStatus, class string) template.HTML {
	name, color := reviewIcon(s)
	return `<span class="s">` + icon(name, color) +
		markup(`<span class="`+class+`">`+template.HTMLEscapeString(words(s))+`</span></span>`)
}

// statusIcon returns the name and the class of the icon of a job's status.
func statusIcon(s schema.Status) (name, class string) {
	switch s {
	case schema.StatusRunning:
		return "running", "acc"
	case schema.StatusPaused:
		return "paused", "warn"
	case schema.StatusCompleted:
		return "approved", "acc"
	case schema.StatusFailed:
		return "rejected", "bad"
	case schema.StatusCancelled:
		return "cancelled", "faint"
	default:
		return "pending", "faint"
	}
}

// statusMark returns the icon and the word of a job's status.
func statusMark(s schema.Status) template.HTML {
	name, class := statusIcon(s)
	return `<span class="s">` + icon(name, class) +
		markup(`<b>`+template.HTMLEscapeString(words(s))+`</b></span>`)
}

// outcomeMark returns the icon of an item's outcome; the empty outcome is that of a queued item.
func outcomeMark(o schema.Outcome) template.HTML { return icon(outcomeIcon(o)) }

// outcomeIcon returns the name and the class of the icon of an item's outcome.
func outcomeIcon(o schema.Outcome) (name, class string) {
	switch o {
	case schema.OutcomeSucceeded:
		return "approved", "acc"
	case schema.OutcomeFailed:
		return "rejected", "bad"
	case schema.OutcomeSkipped:
		return "skipped", "faint"
	case schema.OutcomeCancelled:
		return "cancelled", "faint"
	default:
		return "pending", "faint"
	}
}

// words returns a value of the API as words: needs_revision as Needs revision.
func words(value any) string {
	text := strings.ReplaceAll(fmt.Sprint(value), "_", " ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func yesNo(flag *bool) string {
	switch {
	case flag == nil:
		return "–"
	case *flag:
		return "Yes"
	default:
		return "No"
	}
}

// choiceOf returns a value of a list as people read it.
func choiceOf(value string) string {
	switch value {
	case "true":
		return "Yes"
	case "false":
		return "No"
	default:
		return value
	}
}

// at formats a time in UTC for people, with the exact one for programs.
func at(t any) template.HTML { return timeMark(t, "2 Jan 15:04") }

// clock is at with seconds and without the date.
func clock(t any) template.HTML { return timeMark(t, "15:04:05") }

// moment is at with seconds.
func moment(t any) template.HTML { return timeMark(t, "2 Jan 15:04:05") }

func timeMark(t any, layout string) template.HTML {
	when := timeOf(t)
	if when.IsZero() {
		return ""
	}
	return markup(fmt.Sprintf(`<time datetime="%s">%s</time>`,
		when.UTC().Format(time.RFC3339), when.UTC().Format(layout)))
}

func timeOf(t any) time.Time {
	switch t := t.(type) {
	case time.Time:
		return t
	case *time.Time:
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

// seconds formats a number of seconds as a duration.
func seconds(n *int64) string {
	if n == nil {
		return ""
	}
	return span(time.Duration(*n) * time.Second)
}

// span formats a duration with one or two units.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// short returns the part of an id that usually distinguishes it: the ids of a process begin with the time.
func short(id string) string {
	if len(id) > 13 {
		return "…" + id[len(id)-8:]
	}
	return id
}

// author returns the name of the person or job that has changed a row.
func author(name string) string {
	if id, isJob := strings.CutPrefix(name, "job:"); isJob {
		return "job " + short(id)
	}
	return name
}

// deref returns the value of a pointer to a number, or 0.
func deref(n *int) int64 {
	if n == nil {
		return 0
	}
	return int64(*n)
}

func int64Of(n int) int64 { return int64(n) }

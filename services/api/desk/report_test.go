package desk_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

// report returns the page of a report with n rows and all values of each facet.
func report(caller desk.Caller, n int) desk.Report {
	v := desk.Report{
		Caller: caller, Matches: int64(n), Seen: "1",
		Query: desk.ListQuery{Path: "/cycles/C/reports/R", Values: url.Values{"sort": {"confidence_score"}}},
	}
	v.CycleID, v.ReportID, v.Name, v.MappingCount = "C", "R", "Cards", 1_234_567
	v.HRCI, v.Confidential, v.Proprietary, v.Public = 234_567, 500_000, 400_000, 100_000
	v.Pending, v.Approved, v.Rejected, v.NeedsRevision = 1_000_000, 234_000, 500, 67
	v.High, v.Medium, v.Low, v.Unmapped = 1, 2, 3, 4
	for i := range n {
		score, pii := i%100, i%2 == 0
		m := schema.ListedMapping{AttributeName: fmt.Sprint("Attribute ", i), LineItemNumber: fmt.Sprint(i + 1)}
		m.ID, m.CycleID, m.ReportID, m.Version = fmt.Sprintf("01a2229c-ed99-7786-8397-%012d", i), "C", "R", 1
		m.SourceField, m.MappingType = "CRDPROC.ACCT_MSTR.AM_CR_LMT_AMT", schema.MappingTypeDirect
		m.ConfidenceScore, m.PIIFlag, m.ReviewStatus = &score, &pii, schema.ReviewStatusPending
		m.InformationSecurityClassification, m.Criticality = schema.TierConfidential, schema.LevelMedium
		m.RiskLevel = schema.LevelLow
		v.Rows = append(v.Rows, m)
	}
	return v
}

// selected returns the page with the first row selected.
func selected(caller desk.Caller, n int) desk.Report {
	v := report(caller, n)
	v.Selected = &desk.Mapping{
		Caller: caller, ListedMapping: v.Rows[0], Query: v.Query, Next: v.Query.Select(v.Rows[1].ID),
		After: v.Rows[1].ID,
	}
	v.Selected.AlternativeMappings = []schema.Alternative{{SourceField: "A.B.C", Score: 41, Reason: "similar"}}
	return v
}

// roles are the callers of each role.
func roles() map[string]desk.Caller {
	return map[string]desk.Caller{
		"viewer":  {User: "vera", Role: "viewer"},
		"tester":  {User: "tess", Role: "tester", CanEdit: true},
		"manager": {User: "ada", Role: "manager", CanEdit: true, CanReview: true},
	}
}

func TestReport_OffersWhatTheRoleAllows(t *testing.T) {
	t.Parallel()
	for role, caller := range roles() {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			page := render(t, desk.Frame{Caller: caller}, selected(caller, 2))
			keys := map[string]bool{}
			for _, e := range page.all(func(e *element) bool { return e.has("data-key") }) {
				keys[e.attrs["data-key"]] = true
			}
			boxes := page.all(func(e *element) bool { return e.attrs["name"] == "ids" })
			buttons := strings.Join(texts(page.named("button")), "|")
			links := strings.Join(texts(page.named("a")), "|")
			for name, tt := range map[string]struct{ got, want bool }{
				"approve":    {keys["a"], caller.CanReview},
				"revise":     {keys["v"], caller.CanReview},
				"reject":     {keys["r"], caller.CanReview},
				"comment":    {keys["c"], caller.CanReview},
				"edit":       {keys["e"], caller.CanEdit},
				"next":       {keys["j"], true},
				"filter":     {keys["1"] && keys["4"], true},
				"select":     {len(boxes) > 0, caller.CanReview},
				"bulk":       {page.byID("all") != nil, caller.CanReview},
				"choose":     {strings.Contains(buttons, "Choose"), caller.CanEdit},
				"regenerate": {strings.Contains(links, "Regenerate…"), caller.CanEdit},
				"import":     {strings.Contains(links, "Import"), caller.CanEdit},
				"the reason": {strings.Contains(page.text, "Only a manager can review"), !caller.CanReview},
			} {
				if tt.got != tt.want {
					t.Errorf("%s: got %v, want %v", name, tt.got, tt.want)
				}
			}
			for _, form := range page.byID("main").named("form") {
				if form.attrs["method"] == "post" && !caller.CanEdit && form.attrs["id"] != "bulk" {
					t.Errorf("a viewer has the form %v", form.attrs)
				}
			}
		})
	}
}

func TestReport_DoesNotOfferAReviewOfOnesOwnEdit(t *testing.T) {
	t.Parallel()
	v := selected(roles()["manager"], 2)
	v.Selected.OwnEdit = true
	page := render(t, desk.Frame{Caller: v.Caller}, v)
	if page.byID("own") == nil || slices.ContainsFunc(page.named("button"), func(b *element) bool {
		return b.attrs["data-key"] == "a"
	}) {
		t.Error("the page offers the review of an own edit")
	}
}

func TestReport_ShowsCountsAsChartsThatFilter(t *testing.T) {
	t.Parallel()
	v := report(roles()["viewer"], 1)
	v.Query.Values = url.Values{"review_status": {"pending"}, "q": {"rate"}, "cursor": {"x"}, "m": {"y"}}
	page := render(t, desk.Frame{Caller: v.Caller}, v)
	filters := map[string]*element{}
	for _, link := range page.byID("filters").named("a") {
		filters[strings.Join(strings.Fields(link.text), " ")] = link
	}
	for name, tt := range map[string]struct{ href, width, current string }{
		"High1":            {"/cycles/C/reports/R?criticality=High&q=rate&review_status=pending", "0.00008", ""},
		"Pending1,000,000": {"/cycles/C/reports/R?q=rate", "81.00006", "true"},
		"Needs revision67": {"/cycles/C/reports/R?q=rate&review_status=needs_revision", "0.0054", ""},
		"Medium2":          {"/cycles/C/reports/R?criticality=Medium&q=rate&review_status=pending", "0.00016", ""},
		"No column4":       {"/cycles/C/reports/R?q=rate&review_status=pending&unmapped=true", "0.0003", ""},
	} {
		link := filters[name]
		if link == nil {
			t.Errorf("there is no filter %s in %v", name, texts(page.byID("filters").named("a")))
			continue
		}
		width := link.named("rect")[0].attrs["width"]
		if link.attrs["href"] != tt.href || !strings.HasPrefix(width, tt.width) ||
			link.attrs["aria-current"] != tt.current {
			t.Errorf("%s: got %v with a bar of %s, want %+v", name, link.attrs, width, tt)
		}
	}
}

func TestReport_PagesByKeyset(t *testing.T) {
	t.Parallel()
	v := report(roles()["manager"], 3)
	v.Next, v.Matches = "after-3", -1
	v.Query.Values = url.Values{"cursor": {"after-0"}, "sort": {"id"}, "m": {"x"}}
	page := render(t, desk.Frame{Caller: v.Caller}, v)
	links := map[string]string{}
	for _, link := range page.named("a") {
		links[link.text] = link.attrs["href"]
	}
	if got, want := links["Next"], "/cycles/C/reports/R?cursor=after-3&sort=id"; got != want {
		t.Errorf("next page: got %s, want %s", got, want)
	}
	if got, want := links["First"], "/cycles/C/reports/R?sort=id"; got != want {
		t.Errorf("first page: got %s, want %s", got, want)
	}
	if slices.ContainsFunc(page.byID("all").named("input"), func(e *element) bool {
		return e.attrs["name"] == "expected" || e.attrs["name"] == "cursor"
	}) {
		t.Error("the form for all repeats the cursor, or a count that is not known")
	}
	if strings.Contains(page.text, "-1") {
		t.Error("the page shows an unknown count")
	}
}

func TestReport_SaysWhyItIsEmpty(t *testing.T) {
	t.Parallel()
	none := report(roles()["tester"], 0)
	none.Query.Values = url.Values{"q": {"<zip>"}, "criticality": {"High"}}
	if text := render(t, desk.Frame{Caller: none.Caller}, none).text; !strings.Contains(text, "Nothing matches") ||
		!strings.Contains(text, "“<zip>”") || !strings.Contains(text, "1 High") {
		t.Errorf("no match: got %s", text)
	}
	none.Summary = desk.Summary{}
	if text := render(t, desk.Frame{Caller: none.Caller}, none).text; !strings.Contains(
		text,
		"The report has no mappings",
	) {
		t.Errorf("no mappings: got %s", text)
	}
}

func TestReport_GivesLongNumbersRoom(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{"": false, "118": false, "1180": true, "HC-R-II.15.b": true} {
		v := report(desk.Caller{}, 2)
		v.Rows[1].LineItemNumber = number
		if got := v.LongNumbers(); got != want {
			t.Errorf("LongNumbers of %q: got %v, want %v", number, got, want)
		}
	}
}

// The page and what it loads must stay below 100 KB without compression; see the README.
func TestTheFirstViewHasLessThan100KB(t *testing.T) {
	t.Parallel()
	d, err := desk.New()
	if err != nil {
		t.Fatal(err)
	}
	v := selected(roles()["manager"], 30)
	v.Selected.MappingRationale = strings.Repeat("The name of the column has the words of the attribute. ", 8)
	v.Selected.ClassificationRationale = strings.Repeat("The rule matches. ", 40)
	body, err := d.Render(desk.Frame{Caller: v.Caller}, v)
	if err != nil {
		t.Fatal(err)
	}
	size := len(body)
	for _, name := range []string{"desk.css", "page.css", "desk.js", "icon.svg"} {
		size += len(static(t, d, name, "").Body.String())
	}
	if size < 50_000 || size >= 100_000 {
		t.Errorf("got %d bytes, want 50,000 to 100,000", size)
	}
}

func TestListQuery_LinksKeepTheRestOfTheFilter(t *testing.T) {
	t.Parallel()
	q := desk.ListQuery{Path: "/r", Values: url.Values{
		"q": {
			"a b",
		}, "criticality": {"High"}, "cursor": {"c"}, "m": {"x"}, "done": {"y"}, "sort": {"id"}, "other": {"z"},
	}}
	for name, tt := range map[string]struct{ got, want string }{
		"another value":  {q.With("criticality", "Low"), "/r?criticality=Low&q=a+b&sort=id"},
		"the same value": {q.With("criticality", "High"), "/r?q=a+b&sort=id"},
		"no value":       {q.With("criticality", ""), "/r?q=a+b&sort=id"},
		"a page":         {q.Page("d"), "/r?criticality=High&cursor=d&other=z&q=a+b&sort=id"},
		"the first page": {q.First(), "/r?criticality=High&other=z&q=a+b&sort=id"},
		"a mapping":      {q.Select("n"), "/r?criticality=High&cursor=c&m=n&other=z&q=a+b&sort=id"},
		"here":           {q.Here(), "/r?criticality=High&cursor=c&m=x&other=z&q=a+b&sort=id"},
		"no filter":      {desk.ListQuery{Path: "/r"}.First(), "/r"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", name, tt.got, tt.want)
		}
	}
	if got := q.Filters(); got != 1 {
		t.Errorf("Filters: got %d, want 1", got)
	}
	if got := fmt.Sprint(q.Filter()); got != "map[criticality:High q:a b sort:id]" {
		t.Errorf("Filter: got %s", got)
	}
	if got := fmt.Sprint(q.Hidden("q", "m", "done", "cursor")); got != "map[criticality:High other:z sort:id]" {
		t.Errorf("Hidden: got %s", got)
	}
}

func TestReport_MarksWhatNeedsAttention(t *testing.T) {
	t.Parallel()
	score, yes := 50, true
	for name, tt := range map[string]struct {
		change func(*schema.ListedMapping)
		want   string
	}{
		"nothing":           {func(*schema.ListedMapping) {}, ""},
		"a suggested level": {func(m *schema.ListedMapping) { m.SuggestedCriticality = "High" }, "classifier differs"},
		"a suggested flag":  {func(m *schema.ListedMapping) { m.SuggestedPIIFlag = &yes }, "classifier differs"},
		"no column":         {func(m *schema.ListedMapping) { m.SourceField = "" }, "nothing fits"},
		"not mapped yet":    {func(m *schema.ListedMapping) { m.SourceField, m.ConfidenceScore = "", nil }, ""},
		"a close second": {func(m *schema.ListedMapping) {
			m.AlternativeMappings = []schema.Alternative{{SourceField: "B", Score: 41}}
		}, "next 41"},
		"a distant second": {func(m *schema.ListedMapping) {
			m.AlternativeMappings = []schema.Alternative{{SourceField: "B", Score: 40}}
		}, ""},
		"a calculation": {func(m *schema.ListedMapping) { m.MappingType = schema.MappingTypeCalculated }, "calculated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := report(desk.Caller{}, 1)
			v.Rows[0].ConfidenceScore = &score
			tt.change(&v.Rows[0])
			page := render(t, desk.Frame{}, v)
			tags := texts(page.byID("m-" + v.Rows[0].ID).named("i"))
			if got := strings.Join(tags, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

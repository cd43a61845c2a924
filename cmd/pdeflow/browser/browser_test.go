package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/services/api"
)

const columns = `data_source,schema,table,column,data_type,description
Cards,CRD,ACCT,CR_LMT_AMT,"DECIMAL(15,2)",Credit limit
Cards,CRD,ACCT,OPEN_DT,DATE,Date on which the account was opened
Cards,CRD,CUST,CUST_ID,VARCHAR(20),Identifier of the customer
Cards,CRD,CUST,FICO_SCR_NBR,SMALLINT,FICO score
`

// mainTop is where the content of the page begins.
const mainTop = `document.querySelector("main").getBoundingClientRect().top`

// emptied empties the field that has the focus. The driver of the browser types the key that has led there, too: it
// sends the character even if the page has prevented the default.
const emptied = `document.activeElement.value = ""`

// seesMapping waits until the mapping of the attribute is selected.
func (u *user) seesMapping(attribute string) {
	u.t.Helper()
	u.until(fmt.Sprintf(`document.querySelector("#m-name")?.textContent === %q`, attribute))
}

// TestDesk tests the page with one server and one browser. Its subtests use reports of their own.
func TestDesk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := browser(t)

	t.Run("a job and a review", func(t *testing.T) {
		ada := s.signIn(ctx, t, "ada", api.Manager)
		ada.open("/import")
		ada.accessible("the import")
		ada.types("#cycle", "2026-Q3")
		ada.types("#report", "CARDS")
		ada.chooses("#columns", "columns.csv", columns)
		ada.chooses("#attributes", "attributes.csv", "attribute_name,is_cde\nCredit Limit,perhaps\n")
		ada.click("button[value=no]")
		ada.sees("Nothing has been saved.")
		ada.sees("attributes.csv")
		ada.accessible("an import with errors")
		ada.forgives() // the browser reports the 422
		ada.chooses("#attributes", "attributes.csv",
			"attribute_name,line_item_number\nCredit Limit,1\nAccount Open Date,2\nFICO Score,3\n")
		ada.click("button[value=no]")
		ada.sees("3 new, 0 updated")
		ada.click("button[value=yes]") // the files are still chosen
		ada.until(`location.pathname === ` + fmt.Sprintf("%q", reportPath("CARDS")))
		ada.open("/")
		ada.accessible("the reports")
		ada.click("a[href='" + reportPath("CARDS") + "']")
		ada.click("a[href$='/start/pde_regeneration']")
		ada.sees("Start, 3 mappings")
		ada.click("button.main")
		ada.sees("100%")
		ada.sees("Completed")
		ada.accessible("a job")
		ada.click("a[href='" + reportPath("CARDS") + "']")
		ada.until(`document.querySelectorAll(".map tbody tr").length === 3`)
		ada.accessible("a report")
		vera := s.signIn(ctx, t, "vera", api.Viewer)
		vera.open(reportPath("CARDS"))
		name := eval[string](ada, `document.querySelector("#m-name").textContent`)
		ada.presses("a")
		ada.sees(name + ": Approved")
		vera.until(`document.querySelector(".map .k-rv [href='#approved']") !== null`) // without a reload
		ada.until(`document.querySelector("#m-name").textContent !== ` + fmt.Sprintf("%q", name))
		ada.presses("u")
		ada.sees(name + ": Pending")
		ada.presses("c")
		ada.types("textarea[name=comment]", "Not this one")
		ada.click("button[value=rejected][data-key]")
		ada.sees(": Rejected")
		ada.click("button[form=all][value=needs_revision]")
		ada.sees("Send back 3 mappings?")
		ada.click("form.panel button.main")
		ada.until(`document.querySelectorAll(".map .k-rv [href='#revision']").length === 3`)

		ada.open("/audit")
		ada.sees("Needs revision")
		ada.sees("Chain whole") // without a reload
		ada.accessible("the audit log")
		for _, page := range []string{
			reportPath("CARDS") + "/lineage", reportPath("CARDS") + "/files", "/jobs", "/docs",
		} {
			ada.open(page)
			ada.accessible(page)
		}
	})

	t.Run("a review by keyboard alone", func(t *testing.T) {
		s.importReport(t, "KEYS", map[string]string{
			"columns": columns, "attributes": "attribute_name,line_item_number\nAlpha,1\nBeta,2\nGamma,3\n",
		})
		ada := s.signIn(ctx, t, "ada", api.Manager)
		ada.open(reportPath("KEYS") + "?sort=id")
		ada.seesMapping("Alpha")
		ada.presses("j")
		ada.seesMapping("Beta")
		ada.presses("j")
		ada.seesMapping("Gamma")
		ada.presses("k")
		ada.seesMapping("Beta")
		ada.presses("c")
		ada.until(`document.activeElement.name === "comment"`)
		eval[string](ada, emptied)
		ada.presses("ra")                                  // a text, not two decisions
		ada.until(`document.activeElement.value === "ra"`) // and the focus has stayed
		ada.presses(kb.Escape)
		ada.presses("r")
		ada.sees("Beta: Rejected")
		ada.seesMapping("Gamma") // the next one
		ada.presses("u")
		ada.sees("Beta: Pending")
		ada.presses("x")
		ada.sees("1 selected")
		ada.presses("v")
		ada.sees(": Needs revision")
		ada.presses("/")
		ada.until(`document.activeElement.name === "q"`)
		eval[string](ada, emptied)
		ada.presses("alp" + kb.Enter)
		ada.until(`document.querySelectorAll(".map tbody tr").length === 1`)
		ada.presses(kb.Escape)
		ada.presses("?")
		ada.until(`document.querySelector("#keys").matches(":popover-open")`)
		ada.accessible("the list of keys")
		ada.click("#use-keys")
		ada.presses(kb.Escape)
		ada.until(`!document.querySelector("#keys").matches(":popover-open")`)
		ada.presses("?")
		ada.until(`!document.querySelector("#keys").matches(":popover-open")`)
		if got := eval[string](ada, `localStorage.getItem("keys")`); got != "off" {
			t.Errorf("single keys: got %q, want off", got)
		}
	})

	t.Run("a page that is loading moves nothing", func(t *testing.T) {
		ada := s.signIn(ctx, t, "ada", api.Manager)
		ada.open("/jobs")
		top := eval[float64](ada, mainTop)
		eval[bool](ada, `window.fetch = () => new Promise(() => {}); true`) // no answer
		ada.click("header a[href='/audit']")
		ada.until(`!document.querySelector("#loading").hidden && document.querySelector("main[aria-busy]") !== null`)
		if got := eval[float64](ada, mainTop); got != top {
			t.Errorf("the page begins at %v, want %v as before", got, top)
		}
	})

	t.Run("a link to a mapping leads there after the sign-in", func(t *testing.T) {
		ada := s.visitor(ctx, t, "ada")
		ada.open(reportPath("CARDS") + "#mapping")
		ada.until(`location.pathname === "/signin" && document.querySelector("#token") !== null`)
		ada.accessible("the sign-in")
		if eval[bool](ada, `document.querySelector("#token-problem") !== null`) {
			t.Error("the fragment of the link was taken for a token")
		}
		ada.types("#token", token(t, "ada", api.Manager))
		ada.click("#signin button")
		ada.until(`location.pathname + location.hash === ` + fmt.Sprintf("%q", reportPath("CARDS")+"#mapping"))
	})

	t.Run("paper has no controls and is not wider than the page", func(t *testing.T) {
		ada := s.signIn(ctx, t, "ada", api.Manager)
		for _, path := range []string{reportPath("CARDS"), reportPath("CARDS") + "/lineage", "/audit"} {
			ada.open(path)
			call(ada, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
			ada.do(chromedp.EmulateViewport(680, 900)) // A4 without its margins
			const shown = `
				[...document.querySelectorAll("main .btn, nav[aria-label=Main], main input:not([type=hidden])")]
					.filter(e => e.getClientRects().length > 0).map(e => e.outerHTML)`
			if controls := eval[[]string](ada, shown); len(controls) > 0 {
				t.Errorf("%s prints %v", path, controls)
			}
			if wide := eval[int](ada, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
				t.Errorf("%s is %d px wider than the paper", path, wide)
			}
		}
	})

	t.Run("live progress", func(t *testing.T) {
		var attributes strings.Builder
		attributes.WriteString("attribute_name,line_item_number\n")
		for i := range 2500 {
			fmt.Fprintf(&attributes, "Credit Limit %d,%d\n", i, i)
		}
		s.importReport(t, "LARGE", map[string]string{"columns": columns, "attributes": attributes.String()})
		tess := s.signIn(ctx, t, "tess", api.Tester)
		tess.open("/jobs/" + s.startJob(t, "LARGE"))
		eval[bool](tess, `window.seen = new Set(); window.same = document.getElementById("percentage");
			new MutationObserver(() => seen.add(document.getElementById("percentage").textContent)).observe(
				document.getElementById("main"), {subtree: true, childList: true, characterData: true}); true`)
		tess.sees("Completed")
		tess.until(`seen.size > 2 && same.isConnected`) // the bar moved, and the page was not loaded again
	})

	t.Run("the first view of the sample", func(t *testing.T) {
		s.importReport(t, "SAMPLE", map[string]string{
			"columns": string(sample.Columns()), "attributes": string(sample.Attributes()),
		})
		ada := s.signIn(ctx, t, "ada", api.Manager)
		ada.open("/jobs/" + s.startJob(t, "SAMPLE"))
		ada.sees("Completed")
		ada.open(reportPath("SAMPLE"))
		ada.sees("30 shown")
		const size = `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].
			reduce((sum, file) => sum + file.decodedBodySize, 0)`
		if got := eval[int](ada, size); got < 50_000 || got >= 100_000 {
			t.Errorf("got %d bytes without compression, want 50,000 to 100,000", got)
		}
	})

	t.Run("a conflict", func(t *testing.T) {
		s.importReport(t, "TWO", map[string]string{"columns": columns, "attributes": "attribute_name\nFICO Score\n"})
		tess := s.signIn(ctx, t, "tess", api.Tester)
		otto := s.signIn(ctx, t, "otto", api.Tester)
		for _, u := range []*user{tess, otto} {
			u.open(reportPath("TWO"))
			u.presses("e")
			u.until(`document.querySelector("#f-business_owner") !== null`)
		}
		otto.types("#f-business_owner", "Risk")
		otto.click("form.panel button.main")
		otto.until(`location.pathname === ` + fmt.Sprintf("%q", reportPath("TWO")))
		tess.types("#f-data_steward", "Cards")
		tess.click("form.panel button.main")
		tess.sees("otto saved version 2 while you edited")
		tess.until(`document.querySelector("#f-data_steward").value === "Cards"`)
		tess.until(`document.querySelector("#f-business_owner").value === "Risk"`)
		tess.accessible("a conflict")
		tess.click("form.panel button.main")
		tess.sees("version 3")
		otto.sees("version 3") // without a reload
		tess.forgives()        // the browser reports the 412
	})

	t.Run("a viewer, and a script as a name", func(t *testing.T) {
		s.importReport(t, "MARKUP", map[string]string{
			"columns": columns, "attributes": "attribute_name\n<script>document.title='owned'</script>\n",
		})
		vera := s.signIn(ctx, t, "vera", api.Viewer)
		vera.open(reportPath("MARKUP"))
		vera.sees("<script>document.title='owned'</script>")
		vera.sees("Only a manager can review")
		if got := eval[string](vera, "document.title"); !strings.HasPrefix(got, "MARKUP") {
			t.Errorf("title: got %q", got)
		}
		const forms = `main form[method=post]:not(#bulk), .decide button, [data-all]`
		if eval[bool](vera, `document.querySelector("`+forms+`") !== null`) {
			t.Error("a viewer has a form that changes something")
		}
		status := eval[int](vera, `fetch("/jobs/none/cancel", {method: "POST"}).then(r => window.s = r.status), 0`)
		vera.until(`window.s === 403`)
		vera.open(reportPath("MARKUP") + "/start/pde_regeneration")
		vera.sees("This needs the role tester")
		vera.accessible(fmt.Sprint("a refusal", status))
		vera.open(reportPath("NOTHING"))
		vera.sees("There is no such report")
		vera.accessible("a report that does not exist")
		vera.open(reportPath("MARKUP") + "?q=nothing+like+this")
		vera.sees("Nothing matches")
		vera.accessible("no match")
		vera.forgives() // the browser reports each 403
	})

	t.Run("the server goes and comes back", func(t *testing.T) {
		ada := s.signIn(ctx, t, "ada", api.Manager)
		ada.open(reportPath("CARDS"))
		ada.until(`document.querySelector("#offline").hidden`)
		top := eval[float64](ada, mainTop)
		s.stop(t)
		ada.until(`!document.querySelector("#offline").hidden`)
		if got := eval[float64](ada, mainTop); got != top {
			t.Errorf("the page begins at %v, want %v as before", got, top)
		}
		ada.presses("a")
		ada.sees("It is not known whether what you sent was saved")
		ada.accessible("a page without its server")
		ada.click("header a[href='/audit']")
		s.start(t)
		ada.until(`location.pathname === "/audit" && document.querySelector("#offline").hidden`) // it tried again
		ada.open(reportPath("CARDS"))
		ada.presses("j")
		ada.until(`document.querySelectorAll(".map tr[aria-current]").length === 1`)
		ada.forgives() // the browser reports the lost connections
	})
}

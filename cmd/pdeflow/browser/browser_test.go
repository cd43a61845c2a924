package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

const columns = `data_source,schema,table,column,data_type,description
Cards,CRD,ACCT,CR_LMT_AMT,"DECIMAL(15,2)",Credit limit
Cards,CRD,ACCT,OPEN_DT,DATE,Date on which the account was opened
Cards,CRD,CUST,CUST_ID,VARCHAR(20),Identifier of the customer
Cards,CRD,CUST,FICO_SCR_NBR,SMALLINT,FICO score
`

// TestDesk tests the page with one server and one browser. Its subtests use reports of their own.
func TestDesk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := browser(t)

	t.Run("a job and a review", func(t *testing.T) {
		s.importReport(t, "CARDS", map[string]string{"columns": columns, "attributes": `attribute_name,line_item_number
Credit Limit,1
Account Open Date,2
FICO Score,3
`})
		ada := s.signIn(ctx, t, "ada", api.Manager)
		job := s.startJob(t, "CARDS")
		ada.open("/jobs/" + job)
		ada.sees("100%")
		ada.sees("Completed")
		ada.click("a[href='" + reportPath("CARDS") + "']")
		ada.until(`document.querySelectorAll(".map tbody tr").length === 3`)
		name := eval[string](ada, `document.querySelector("#m-name").textContent`)
		ada.presses("a")
		ada.sees(name + ": Approved")
		ada.until(`document.querySelector("#m-name").textContent !== ` + fmt.Sprintf("%q", name))
		ada.presses("u")
		ada.sees(name + ": Pending")
		ada.presses("c")
		ada.types("textarea[name=comment]", "Not this one")
		ada.click("button[value=rejected][data-key]")
		ada.sees(": Rejected")
	})

	t.Run("live progress", func(t *testing.T) {
		var attributes strings.Builder
		attributes.WriteString("attribute_name,line_item_number\n")
		for i := range 4000 {
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
}

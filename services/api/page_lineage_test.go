package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestTheLineagePageDrawsTheReport(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(3)
	show := func() answer { return f.visit(http.MethodGet, pageURL("/lineage"), nil, api.Viewer, nil) }
	f.Exec("update pde_mappings set source_field = 'core.accounts.acct_nbr', information_security_classification = ?, "+
		"data_source_id = (select id from data_sources) where id = ?", schema.TierHRCI, ids[0])
	a := show()
	for _, want := range []string{
		"1 of 3 lines have a column. Tables: 1. Systems: 1.", `<path class="f4"`, ">No column ",
		`href="` + pageURL("?q=core.accounts") + `"`,
	} {
		if a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("got %d, want %s in %s", a.status, want, a.body)
		}
	}
	f.Exec("update reports set mapping_count = 20001")
	if a := show(); a.status != http.StatusOK || !strings.Contains(a.body, "Too many lines for a picture") {
		t.Errorf("a large report: got %d, %s", a.status, a.body)
	}
	if a := f.visit(http.MethodGet, "/cycles/none/reports/none/lineage", nil, api.Viewer, nil); a.status != 404 {
		t.Errorf("no report: got %d, want 404", a.status)
	}
}

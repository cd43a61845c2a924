package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/services/api"
)

// auditChanges appends the changes of mappings and reports to the audit log, as the auditor does.
func (f *fixture) auditChanges() {
	f.T.Helper()
	page, err := audit.ListUnauditedChanges(f.T.Context(), f.DB, 0, "", 1000)
	if err != nil {
		f.T.Fatal(err)
	}
	f.inTx(func(ctx context.Context, tx bun.Tx) error {
		var entries []audit.Entry
		for _, fact := range page.Facts {
			entry, err := fact.Entry(audit.OriginRows)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		_, err := audit.Append(ctx, tx, entries)
		return err
	})
}

func TestTheAuditPageShowsWhoDidWhatAndTheStateOfTheChain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	f.do(call{
		method: http.MethodPost, path: reportURL("/pde-mappings/" + ids[1] + "/review"), role: api.Manager,
		user: "marta", body: `{"decision": "rejected", "comment": "Not <this>"}`,
	})
	f.auditChanges()
	show := func(query string) string {
		t.Helper()
		a := f.visit(http.MethodGet, "/audit"+query, nil, api.Viewer, nil)
		if a.status != http.StatusOK {
			t.Fatalf("%s: got %d, %s", query, a.status, a.body)
		}
		return a.body
	}
	all := show("")
	for _, want := range []string{
		"<b>marta</b>", "Rejected", "Attribute 1</a>", "Not &lt;this&gt;", "Imported", "2 attributes new",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the page lacks %s: %s", want, all)
		}
	}
	f.Eventually("the page verifies the log", func() bool { return strings.Contains(show(""), "Chain whole") })
	for query, has := range map[string]bool{
		"?kind=mappings": true, "?kind=reports": false, "?actor=marta": true, "?actor=nina": false,
		"?mapping=" + ids[1]: true, "?mapping=" + ids[0]: false, "?kind=unverified": false,
		"?items=yes&kind=jobs": false,
		"?report=" + report:    true, "?report=other": false, "?job=none": false,
		"?from=2026-01-01T00:00": true, "?to=2026-01-01T00:00": false, "?from=2999-01-01T00:00": false,
		"?actor=marta&kind=mappings&to=2999-01-01T00:00": true,
	} {
		t.Run(query, func(t *testing.T) {
			if got := strings.Contains(f.in(t).visit(http.MethodGet, "/audit"+query, nil, api.Viewer, nil).body,
				"Rejected"); got != has {
				t.Errorf("shows the decision: got %v, want %v", got, has)
			}
		})
	}
	for _, query := range []string{"?kind=nothing", "?before=x", "?entry=-1", "?from=yesterday", "?to=2026-01-01"} {
		if a := f.visit(http.MethodGet, "/audit"+query, nil, api.Viewer, nil); a.status != 422 {
			t.Errorf("%s: got %d, want 422", query, a.status)
		}
	}
	last, err := audit.ListLast(t.Context(), f.DB, audit.Filter{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if open := show("?entry=2"); !strings.Contains(open, last[0].Hash) || !strings.Contains(open, last[0].PrevHash) {
		t.Errorf("an open entry lacks its hashes: %s", open)
	}

	stream := f.listen("/audit/events", "")
	first := stream.next()
	f.Exec("alter table audit_log disable trigger audit_log_append_only")
	f.Exec("update audit_log set actor = 'nobody' where seq = 2")
	a := f.visit(http.MethodPost, "/audit/verify", url.Values{}, api.Manager, nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/audit" {
		t.Errorf("verify: got %d to %s", a.status, a.header.Get("Location"))
	}
	f.Eventually("the page shows the changed row", func() bool { return strings.Contains(show(""), "Chain broken") })
	if broken := show(""); !strings.Contains(broken, `/audit?before=3&amp;entry=2&amp;items=yes#e-2">entry 2</a>`) {
		t.Errorf("the page does not name the changed row: %s", broken)
	}
	if next := stream.next(); next.id == first.id {
		t.Errorf("after a verification: got %+v again", next)
	}

	f.inTx(func(ctx context.Context, tx bun.Tx) error {
		_, err := audit.Append(ctx, tx, []audit.Entry{{
			EventID: "item/j/m", Subject: "job.progress.j", JobID: "j", MappingID: "m", Origin: audit.OriginEvent,
			Data: json.RawMessage("{}"),
		}})
		return err
	})
	if unverified := show("?kind=unverified"); !strings.Contains(unverified, "job.progress.j") {
		t.Errorf("the page lacks an unverified entry about an item: %s", unverified)
	}
}

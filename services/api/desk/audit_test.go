package desk_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

func TestNewAuditEntry_ShowsAnEventInWords(t *testing.T) {
	t.Parallel()
	code, comment := schema.ErrorCodePanic, "Which ledger?"
	finished := events.JobFinished{}
	finished.Status, finished.Succeeded, finished.Failed = schema.StatusFailed, 1_200, 3
	for name, tt := range map[string]struct {
		event             events.Event
		did, object, url  string
		detail, attribute string
	}{
		"a review": {
			event: events.MappingChanged{
				MappingID: "m1", Version: 2, Comment: &comment,
				Before: json.RawMessage(`{"review_status":"pending","version":1}`),
				After:  json.RawMessage(`{"review_status":"needs_revision","version":2}`),
			},
			did: "Needs revision", object: "Balance", url: "/cycles/C/reports/R?m=m1#mapping",
			detail: "“Which ledger?”", attribute: "Balance",
		},
		"a review without a comment": {
			event: events.MappingChanged{
				MappingID: "m1", Version: 2, Before: json.RawMessage(`{"review_status":"pending","version":1}`),
				After: json.RawMessage(`{"review_status":"approved","version":2}`),
			},
			did: "Approved", object: "Balance", url: "/cycles/C/reports/R?m=m1#mapping", attribute: "Balance",
		},
		"an edit of a removed mapping": {
			event: events.MappingChanged{
				MappingID: "m1", Before: json.RawMessage(`{"review_status":"pending"}`),
				After: json.RawMessage(`{"review_status":"pending","data_steward":"Ada","criticality":"High"}`),
			},
			did: "Edited", object: "mapping m1", detail: "data steward, criticality",
		},
		"an import": {
			event: events.PlanningChanged{
				Action: schema.PlanningActionImported, Object: schema.PlanningObjectReport,
				Counts: schema.PlanningCounts{Columns: schema.PlanningCount{Added: 8410, Removed: 2}},
			},
			did: "Imported", object: "R, C", url: "/cycles/C/reports/R",
			detail: "8,410 columns new, 2 columns removed",
		},
		"a request": {
			event: events.RegenerateRequested{JobID: "j1", MappingCount: 118, Classifier: schema.ClassifierRules},
			did:   "Started a job", object: "R, job j1", url: "/jobs/j1", detail: "118 mappings, rules",
		},
		"an end": {
			event: finished, did: "Job failed", object: "R, C", url: "/cycles/C/reports/R",
			detail: "1,200 succeeded, 0 skipped, 3 failed, 0 cancelled",
		},
		"a failed item": {
			event: events.JobItem("j1", events.Item{
				MappingID: "m1", Outcome: schema.OutcomeFailed, ErrorCode: &code,
			}),
			did: "Failed", object: "mapping m1", detail: "job j1, panic",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fact := audit.Fact{Event: tt.event, Service: schema.ServiceAPI, CycleID: "C", ReportID: "R"}
			subject := tt.event.Subject()
			fact.JobID, fact.MappingID = subject.JobID, subject.MappingID
			if item, ok := tt.event.(events.JobProgress); ok && item.Item != nil {
				fact.MappingID = item.Item.MappingID
			}
			entry, err := fact.Entry(audit.OriginEvent)
			if err != nil {
				t.Fatal(err)
			}
			got := desk.NewAuditEntry(audit.Row{Entry: entry}, tt.attribute)
			if got.Did != tt.did || got.Object != tt.object || got.URL != tt.url || got.Detail != tt.detail {
				t.Errorf("got %q to %q (%q), %q; want %q to %q (%q), %q",
					got.Did, got.Object, got.URL, got.Detail, tt.did, tt.object, tt.url, tt.detail)
			}
		})
	}
}

func TestNewAuditEntry_ShowsWhatNoRowConfirmsAsUnverified(t *testing.T) {
	t.Parallel()
	got := desk.NewAuditEntry(audit.Row{Entry: audit.Entry{
		EventID: "unverified/1", Subject: "job.progress.x",
		Data: json.RawMessage(`{"claims":"started/x","reason":"no row confirms it"}`),
	}}, "")
	if got.Did != "Unverified" || got.Object != "started/x" || got.URL != "" || got.Detail != "no row confirms it" {
		t.Errorf("got %+v", got)
	}
}

func TestRender_ShowsTheAuditPageAfterAFailedVerification(t *testing.T) {
	t.Parallel()
	d, err := desk.New()
	if err != nil {
		t.Fatal(err)
	}
	chain := desk.Chain{
		Head:     audit.Head{Seq: 7, Hash: strings.Repeat("a", 64)},
		Verified: desk.Verification{At: time.Now(), Failed: true},
	}
	body, err := d.Render(desk.Frame{}, desk.Audit{Chain: chain})
	if err != nil {
		t.Fatal(err)
	}
	if page := string(body); !strings.Contains(page, "ended with an error") || strings.Contains(page, "Chain whole") ||
		strings.Contains(page, "since the verification") {
		t.Errorf("Render: got %s, want a page with the error and without a result", page)
	}
}

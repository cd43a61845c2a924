package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

// pages follows the list's cursors and returns all of its items.
func pages[T any](t *testing.T, f *fixture, path string, query url.Values) (items []T) {
	t.Helper()
	for range 1000 {
		page := must[api.Page[T]](t, f.get(path+"?"+query.Encode()), http.StatusOK)
		items = append(items, page.Items...)
		if page.NextCursor == nil {
			return items
		}
		if *page.NextCursor != url.QueryEscape(*page.NextCursor) {
			t.Errorf("cursor: got %q, want one that needs no escaping in a URL", *page.NextCursor)
		}
		query.Set("cursor", *page.NextCursor)
	}
	t.Fatalf("%s does not end", path)
	return nil
}

// mixed imports n attributes and judges their mappings in different ways.
func (f *fixture) mixed(n int) {
	f.T.Helper()
	f.imported(n)
	f.Exec(`update pde_mappings m set
		source_field = (array[null, 'core.accounts.acct_nbr'])[1 + r.a % 2],
		confidence_score = case when r.a % 4 > 0 then r.b % 101 end,
		information_security_classification = (array[null, 'HRCI', 'Confidential', 'Proprietary',
		'Public'])[1 + r.b % 5],
		criticality = (array[null, 'High', 'Medium', 'Low'])[1 + r.a % 4],
		review_status = (array['pending', 'approved', 'rejected', 'needs_revision'])[1 + r.b % 4],
		reviewed_by = case when r.b % 4 > 0 then 'mia' end, reviewed_at = case when r.b % 4 > 0 then now() end,
		updated_at = '2026-11-24 07:00:00.000001Z'::timestamptz + r.a % 9 * interval '1 microsecond'
		from (select id, abs(hashtext(id || 'a')) as a,
		abs(hashtext(id || 'b')) as b from pde_mappings) r where r.id = m.id`)
}

func TestPagesOfMappingsAreTheWholeListInEveryOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mixed(23)
	for _, sort := range schema.MappingSorts() {
		var up []api.Mapping
		for _, minus := range []string{"", "-"} {
			query := url.Values{"sort": {minus + string(sort)}}
			whole := must[api.Page[api.Mapping]](
				t,
				f.get(reportURL("/pde-mappings?limit=500&")+query.Encode()),
				http.StatusOK,
			)
			if len(whole.Items) != 23 || whole.NextCursor != nil {
				t.Fatalf("%s: got %d mappings, want 23 on one page", sort, len(whole.Items))
			}
			if minus == "" {
				up = whole.Items
			} else if slices.Reverse(up); up[0].ID != whole.Items[0].ID {
				t.Errorf("-%s is not the other way round", sort)
			}
			query.Set("limit", "4")
			if diff := cmp.Diff(whole.Items, pages[api.Mapping](t, f, reportURL("/pde-mappings"), query)); diff != "" {
				t.Errorf("%s%s: pages differ from the list (-list +pages):\n%s", minus, sort, diff)
			}
		}
	}
}

func TestACursorHoldsTheLongestNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(3)
	f.Exec("update attributes set attribute_name = repeat('<', 254) || line_item_number")
	f.Exec("update pde_mappings set source_field = repeat('\U00010348', 767)")
	for _, sort := range []string{"attribute_name", "source_field"} {
		if got := pages[api.Mapping](t, f, reportURL("/pde-mappings"), url.Values{"limit": {"1"}, "sort": {sort}}); len(
			got,
		) != 3 {
			t.Errorf("%s: mappings of all pages: got %d, want 3", sort, len(got))
		}
	}
}

func TestMappingsAreFiltered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mixed(60)
	all := pages[api.Mapping](t, f, reportURL("/pde-mappings"), url.Values{"limit": {"500"}})
	is := func(got *string, want string) bool { return got != nil && *got == want }
	for query, keep := range map[string]func(api.Mapping) bool{
		"q=attribute+1": func(m api.Mapping) bool {
			return strings.Contains(m.AttributeName, "Attribute 1")
		},
		"q=%25":           func(api.Mapping) bool { return false },
		"criticality=Low": func(m api.Mapping) bool { return is((*string)(m.Criticality), "Low") },
		"review_status=needs_revision": func(m api.Mapping) bool {
			return m.ReviewStatus == schema.ReviewStatusNeedsRevision
		},
		"unmapped=true":      func(m api.Mapping) bool { return m.SourceField == nil },
		"unmapped=false":     func(m api.Mapping) bool { return m.SourceField != nil },
		"min_confidence=0":   func(m api.Mapping) bool { return m.ConfidenceScore != nil },
		"max_confidence=100": func(m api.Mapping) bool { return m.ConfidenceScore != nil },
		"min_confidence=30": func(m api.Mapping) bool {
			return m.ConfidenceScore != nil && *m.ConfidenceScore >= 30
		},
		"max_confidence=70&unmapped=false": func(m api.Mapping) bool {
			return m.SourceField != nil && m.ConfidenceScore != nil && *m.ConfidenceScore <= 70
		},
		"information_security_classification=HRCI": func(m api.Mapping) bool {
			return is((*string)(m.InformationSecurityClassification), "HRCI")
		},
	} {
		t.Run(query, func(t *testing.T) {
			var want []api.Mapping
			for _, m := range all {
				if keep(m) {
					want = append(want, m)
				}
			}
			values, err := url.ParseQuery(query + "&limit=7")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, pages[api.Mapping](t, f, reportURL("/pde-mappings"), values)); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", query, diff)
			}
		})
	}
}

func TestAnInvalidFilterIsRefusedWithItsField(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(3)
	page := must[api.Page[api.Mapping]](
		t,
		f.get(reportURL("/pde-mappings?limit=1&sort=confidence_score")),
		http.StatusOK,
	)
	forged := base64.RawURLEncoding.EncodeToString([]byte(`["confidence_score","1;drop table jobs","x"]`))
	for query, location := range map[string]string{
		"limit=0": "query.limit", "limit=501": "query.limit", "limit=x": "query.limit", "cursor=x": "query.cursor",
		"cursor=" + forged + "&sort=confidence_score":            "query.cursor",
		"cursor=" + *page.NextCursor:                             "query.cursor",
		"cursor=" + *page.NextCursor + "&sort=-confidence_score": "query.cursor",
		"sort=secret": "query.sort", "sort=--id": "query.sort", "criticality=Highest": "query.criticality",
		"review_status=open":                       "query.review_status",
		"information_security_classification=hrci": "query.information_security_classification",
		"unmapped=maybe":                           "query.unmapped",
		"min_confidence=-1":                        "query.min_confidence",
		"max_confidence=101":                       "query.max_confidence",
		"min_confidence=9&max_confidence=8":        "query.min_confidence",
		"q=" + strings.Repeat("x", 201):            "query.q", "unknown=1": "query.unknown",
	} {
		t.Run(query, func(t *testing.T) {
			f := f.in(t)
			problem := refused(t, f.get(reportURL("/pde-mappings?"+query)), http.StatusUnprocessableEntity, "invalid")
			if len(problem.Errors) == 0 || problem.Errors[0].Location != location {
				t.Errorf("%s: got problem %+v, want one of %s", query, problem, location)
			}
		})
	}
	refused(
		t,
		f.do(call{method: http.MethodGet, path: reportURL("/pde-mappings")}),
		http.StatusUnauthorized,
		"token-missing",
	)
}

func TestAMappingHasEveryFieldOfTheContract(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	fields := strings.Fields(
		`id attribute_id attribute_name data_source_id pde_name pde_code pde_description source_field source_fields
		mapping_type transformation_rule business_process business_owner data_steward mapping_confirmed_by_user
		confidence_score mapping_rationale
		alternative_mappings information_security_classification criticality risk_level regulatory_flag
		pii_flag classification_confidence
		classification_rationale regulatory_references classified_by suggested_source_field
		suggested_information_security_classification
		suggested_criticality suggested_risk_level suggested_regulatory_flag suggested_pii_flag review_status
		reviewed_by reviewed_at carried_from version
		created_at created_by updated_at updated_by`,
	)
	known := strings.Fields(
		`id attribute_id attribute_name source_fields mapping_confirmed_by_user alternative_mappings
		regulatory_references review_status
		version created_at created_by updated_at updated_by`,
	)

	a := f.get(reportURL("/pde-mappings/" + id))
	fresh := must[map[string]json.RawMessage](t, a, http.StatusOK)
	for _, name := range fields {
		if value, ok := fresh[name]; !ok || (string(value) == "null") == slices.Contains(known, name) {
			t.Errorf("%s: got %s, want null for an unknown field only", name, value)
		}
	}
	if len(fresh) != len(fields) {
		t.Errorf("fields: got %d, want %d: %s", len(fresh), len(fields), a.body)
	}
	if string(fresh["alternative_mappings"]) != "[]" || a.header.Get("ETag") != `"1"` {
		t.Errorf("alternatives and ETag: got %s, %s, want [] and \"1\"",
			fresh["alternative_mappings"], a.header.Get("ETag"))
	}

	f.Exec(
		`update pde_mappings set data_source_id = (select id from data_sources), pde_name = 'a',
		pde_code = 'b', pde_description = 'c',
		source_field = 'core.accounts.acct_nbr', mapping_type = 'lookup', transformation_rule = 'd',
		business_process = 'e', business_owner = 'f',
		data_steward = 'g', mapping_confirmed_by_user = true, confidence_score = 77, mapping_rationale = 'h',
		alternative_mappings = '[{"source_field": "x.y.z", "score": 4, "reason": "near"}]',
		information_security_classification = 'HRCI',
		criticality = 'High', risk_level = 'Low', regulatory_flag = true, pii_flag = false,
		classification_confidence = 0,
		classification_rationale = 'i', regulatory_references = '["FCRA"]', classified_by = 'rules@1',
		suggested_source_field = 'j',
		suggested_information_security_classification = 'Public', suggested_criticality = 'Low',
		suggested_risk_level = 'Medium',
		suggested_regulatory_flag = false, suggested_pii_flag = true, review_status = 'approved', reviewed_by = 'mia',
		reviewed_at = '2026-11-24T09:00:00.5+02:00', carried_from = '2026-Q2', version = 5`,
	)
	a = f.get(reportURL("/pde-mappings/" + id))
	full := must[api.Mapping](t, a, http.StatusOK)
	for i := range reflect.TypeFor[api.Mapping]().NumField() {
		if reflect.ValueOf(full).Field(i).IsZero() {
			t.Errorf("%s is not there", reflect.TypeFor[api.Mapping]().Field(i).Name)
		}
	}
	if a.header.Get("ETag") != `"5"` || !strings.Contains(a.body, `"reviewed_at":"2026-11-24T07:00:00.5Z"`) ||
		!strings.Contains(a.body, `"alternative_mappings":[{"source_field":"x.y.z","score":4,"reason":"near"}]`) {
		t.Errorf("ETag and body: got %s, %s, want \"5\", the time of the review and the alternative",
			a.header.Get("ETag"), a.body)
	}
}

func TestARowOfAnotherReportIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	attribute := must[api.Page[api.Attribute]](t, f.get(reportURL("/attributes")), http.StatusOK).Items[0].ID
	source := must[api.Page[api.DataSource]](t, f.get(reportURL("/data-sources")), http.StatusOK).Items[0].ID
	f.importReport(schema.ReportData{CycleID: cycle, ReportID: "other", Author: "test"})
	other := "/api/v1/planning/cycles/" + cycle + "/reports/"
	for _, path := range []string{
		"/pde-mappings/" + id, "/pde-mappings/" + id + "/history", "/attributes/" + attribute,
		"/data-sources/" + source,
	} {
		refused(t, f.get(other+"other"+path), http.StatusNotFound, "not-found")
		refused(t, f.get(other+"missing"+path), http.StatusNotFound, "report-not-found")
	}
	for _, path := range []string{"/pde-mappings", "/attributes", "/data-sources"} {
		t.Run(path, func(t *testing.T) {
			f := f.in(t)
			refused(t, f.get(other+"missing"+path), http.StatusNotFound, "report-not-found")
			page := must[api.Page[json.RawMessage]](t, f.get(other+"other"+path), http.StatusOK)
			if len(page.Items) != 0 ||
				page.Items == nil {
				t.Errorf("%s of an empty report: got %v, want an empty array", path, page.Items)
			}
		})
	}
	refused(t, f.post(other+"missing/attributes", `{"attribute_name": "A"}`), http.StatusNotFound, "report-not-found")
	refused(t, f.post(other+"missing/data-sources", `{"name": "A"}`), http.StatusNotFound, "report-not-found")
}

func TestHistoryListsChangesNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.imported(1)[0]
	for _, steward := range []string{"Ann", "Ben", "Cy"} {
		must[api.Imported](
			t,
			f.upload(
				piece{
					"mappings",
					"m.csv",
					"line_item_number,data_steward,pde_name\n0," + steward + "," + steward + "\n",
				},
			),
			http.StatusOK,
		)
	}

	entries := pages[api.HistoryEntry](t, f, reportURL("/pde-mappings/"+id+"/history"), url.Values{"limit": {"1"}})

	if len(entries) != 3 {
		t.Fatalf("entries: got %d, want 3", len(entries))
	}
	for i, want := range []string{"Cy", "Ben", "Ann"} {
		e := entries[i]
		if e.After.PDEName == nil || *e.After.PDEName != want || e.MappingID != id || e.JobID != nil ||
			e.ChangedBy != "tina" ||
			*e.Comment != "imported" ||
			e.After.Version != e.Before.Version+1 ||
			e.ChangedAt.Location() != time.UTC {
			t.Errorf("entry %d: got %+v, want the PDE name %q, by tina", i, e, want)
		}
	}
	refused(
		t,
		f.get(reportURL("/pde-mappings/"+id+"/history?cursor=WyJhIiwiYiJd")),
		http.StatusUnprocessableEntity,
		"invalid",
	)
}

func TestReportsAreListedWithTheirCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if page := must[api.Page[api.ReportSummary]](t, f.get("/api/v1/planning/reports"), http.StatusOK); len(
		page.Items,
	) != 0 {
		t.Errorf("reports: got %+v, want none", page.Items)
	}
	f.mixed(20)
	for i := range 4 {
		f.importReport(
			schema.ReportData{
				CycleID:  fmt.Sprint("cycle ", i%2),
				ReportID: fmt.Sprint("r", i),
				Name:     "A report",
				Author:   "test",
			},
		)
	}

	reports := pages[api.ReportSummary](t, f, "/api/v1/planning/reports", url.Values{"limit": {"2"}})

	var keys []string
	for _, r := range reports {
		keys = append(keys, r.CycleID+"/"+r.ReportID)
	}
	wantKeys := []string{cycle + "/" + report, "cycle 0/r0", "cycle 0/r2", "cycle 1/r1", "cycle 1/r3"}
	if diff := cmp.Diff(wantKeys, keys); diff != "" {
		t.Fatalf("reports differ (-want +got):\n%s", diff)
	}
	first := reports[0]
	counted := func(where string) int64 { return int64(f.Count("select count(*) from pde_mappings where " + where)) }
	got := []int64{
		first.MappingCount,
		first.Classifications.HRCI,
		first.Unclassified,
		first.Reviews.Approved,
		first.Reviews.NeedsRevision,
	}
	want := []int64{
		20, counted("information_security_classification = 'HRCI'"),
		counted("information_security_classification is null"),
		counted("review_status = 'approved'"), counted("review_status = 'needs_revision'"),
	}
	if diff := cmp.Diff(want, got); diff != "" || first.Name != report || reports[1].Name != "A report" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
}

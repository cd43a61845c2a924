package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdeflow/pdeflow/services/api"
)

func TestAnAttributeIsAddedWithItsMapping(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(2)

	a := f.post(reportURL("/attributes"), `{"attribute_name": " Fee ", "line_item_number": "7a", "is_cde": true, `+
		`"description": "What\nit costs"}`)

	added := must[api.Attribute](t, a, http.StatusCreated)
	if added.AttributeName != "Fee" || added.LineItemNumber != "7a" || !added.IsCDE || added.IsMandatory ||
		added.Description != "What\nit costs" {
		t.Errorf("attribute: got %+v, want the posted fields", added)
	}
	if diff := cmp.Diff(added, must[api.Attribute](t, f.get(a.header.Get("Location")), http.StatusOK)); diff != "" {
		t.Errorf("what lies at %s differs (-added +read):\n%s", a.header.Get("Location"), diff)
	}
	if !strings.Contains(a.body, `"is_mandatory":false`) || !strings.Contains(a.body, `"mdrm":""`) {
		t.Errorf("body: got %s, want every column", a.body)
	}
	mappings := pages[api.Mapping](t, f, reportURL("/pde-mappings"), url.Values{})
	if len(mappings) != 3 || mappings[2].AttributeID != added.ID || mappings[2].SourceField != nil ||
		mappings[2].CreatedBy != "tina" {
		t.Errorf("mappings: got %+v, want three, the last of the new attribute and without a column", mappings)
	}
	job := must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted)
	if got := job.MappingCount; got != 3 {
		t.Errorf("a job: got %d mappings, want 3", got)
	}
}

func TestADataSourceIsAdded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	a := f.post(reportURL("/data-sources"), `{"name": " Bureau & Co ", "description": "Scores"}`)
	added := must[api.DataSource](t, a, http.StatusCreated)
	if added.Name != "Bureau & Co" || added.Description != "Scores" || added.ColumnCount != 0 {
		t.Errorf("data source: got %+v, want Bureau & Co without columns", added)
	}
	if diff := cmp.Diff(added, must[api.DataSource](t, f.get(a.header.Get("Location")), http.StatusOK)); diff != "" {
		t.Errorf("what lies at %s differs (-added +read):\n%s", a.header.Get("Location"), diff)
	}
	sources := pages[api.DataSource](t, f, reportURL("/data-sources"), url.Values{"limit": {"1"}})
	if len(sources) != 2 || sources[0].ColumnCount != 1 || sources[1].ID != added.ID {
		t.Errorf("data sources: got %+v, want two, the last of them the new one", sources)
	}
}

func TestInvalidAttributesAndDataSourcesAreRefusedLikeThoseOfAFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	before := f.planned()
	for _, c := range []struct{ path, body, location string }{
		{"/attributes", `{}`, "body"},
		{"/attributes", `{"attribute_name": "  "}`, "body.attribute_name"},
		{"/attributes", `{"attribute_name": "A\u0007B"}`, "body.attribute_name"},
		{"/attributes", `{"attribute_name": "A", "is_cde": "yes"}`, "body.is_cde"},
		{"/attributes", `{"attribute_name": "A", "name": "123-45-6789"}`, "body.name"},
		{"/attributes", `{"attribute_name": "A", "mdrm": "` + strings.Repeat("x", 101) + `"}`, "body.mdrm"},
		{"/data-sources", `{"name": ""}`, "body.name"},
		{"/data-sources", `{"name": "A", "description": "\u0007"}`, "body.description"},
		{"/data-sources", `{"name": "A", "columns": []}`, "body.columns"},
	} {
		t.Run(c.path, func(t *testing.T) {
			f := f.in(t)
			a := f.post(reportURL(c.path), c.body)
			problem := refused(t, a, http.StatusUnprocessableEntity, "invalid")
			if len(problem.Errors) == 0 || problem.Errors[0].Location != c.location ||
				strings.Contains(a.body, "123-45") {
				t.Errorf("%s %s: got problem %s, want one at %s that repeats no value",
					c.path, c.body, a.body, c.location)
			}
		})
	}
	refused(t, f.post(reportURL("/attributes"), `{"attribute_name": "Another", "line_item_number": `+
		`"0"}`), http.StatusConflict, "already-exists")
	refused(t, f.post(reportURL("/data-sources"), `{"name": "cards"}`), http.StatusConflict, "already-exists")
	refused(t, f.post(reportURL("/attributes"), `{"attribute_name": `), http.StatusBadRequest, "malformed")
	refused(t, f.do(call{method: http.MethodPost, path: reportURL("/attributes"), body: `{"attribute_name": ` +
		`"A"}`, role: api.Viewer}), http.StatusForbidden, "role-too-low")
	refused(t, f.do(call{method: http.MethodPost, path: reportURL("/data-sources"), body: `{"name": ` +
		`"A"}`, role: api.Viewer}), http.StatusForbidden, "role-too-low")
	if diff := cmp.Diff(before, f.planned()); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
}

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestCorrectAttribute_ChangesOnlyTheFieldsSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(2)
	f.classified(ids[0])
	id := f.mapping(ids[0]).AttributeID
	correct := func(id, body string) answer {
		return f.do(call{
			method: http.MethodPut, path: reportURL("/attributes/" + id), body: body, role: api.Tester, user: "tina",
		})
	}
	before := f.mapping(ids[0])
	got := must[api.Attribute](t, correct(id, `{"description": " The balance ", "is_cde": true}`), http.StatusOK)
	want := api.Attribute{ID: id, AttributeBody: api.AttributeBody{
		AttributeName: "Attribute 0", LineItemNumber: "0", Description: "The balance", IsCDE: true,
	}}
	if got != want || must[api.Attribute](t, f.get(reportURL("/attributes/"+id)), http.StatusOK) != want {
		t.Errorf("attribute: got %+v, want %+v", got, want)
	}
	if after := f.mapping(ids[0]); after.Version != before.Version {
		t.Errorf("version of the mapping: got %d, want %d", after.Version, before.Version)
	}
	changes, err := schema.ListUnpublishedPlanningChanges(t.Context(), f.DB, 10)
	if err != nil {
		t.Fatal(err)
	}
	last := changes[len(changes)-1]
	if last.Action != schema.PlanningActionChanged || last.Object != schema.PlanningObjectAttribute ||
		last.ObjectID != id || last.ChangedBy != "tina" || last.Counts.Attributes.Updated != 1 {
		t.Errorf("planning change: got %+v, want one updated attribute, by tina", last)
	}
	must[api.Attribute](t, correct(id, `{"is_cde": true}`), http.StatusOK)
	if n := f.Count("select count(*) from planning_changes"); n != len(changes) {
		t.Errorf("planning changes after a correction without a change: got %d, want %d", n, len(changes))
	}

	// A new identity, and one that another attribute has.
	must[api.Attribute](t, correct(id, `{"line_item_number": "", "attribute_name": "Balance"}`), http.StatusOK)
	p := refused(t, correct(id, `{"line_item_number": "1"}`), http.StatusConflict, "already-exists")
	if !strings.Contains(p.Detail, "Attribute 1") {
		t.Errorf("got %q, want the name of the other attribute", p.Detail)
	}
	for body, location := range map[string]string{
		`{}`: "body", `{"attribute_name": " "}`: "body.attribute_name", `{"id": "x"}`: "body.id",
	} {
		p := refused(t, correct(id, body), http.StatusUnprocessableEntity, "invalid")
		if p.Errors[0].Location != location {
			t.Errorf("%s: got %+v, want %s", body, p.Errors, location)
		}
	}
	refused(t, correct("none", `{"is_cde": true}`), http.StatusNotFound, "not-found")
	must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted)
	refused(t, correct(id, `{"is_cde": false}`), http.StatusConflict, "job-active")
}

func TestCorrectDataSource_RenamesAndDescribes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	loans := must[api.DataSource](t, f.post(reportURL("/data-sources"), `{"name": "loans"}`), http.StatusCreated)
	correct := func(body string) answer {
		return f.do(call{
			method: http.MethodPut, path: reportURL("/data-sources/" + loans.ID), body: body, role: api.Tester,
			user: "tina",
		})
	}
	must[api.DataSource](t, correct(`{"name": " Loans "}`), http.StatusOK)
	got := must[api.DataSource](t, correct(`{"description": "The loans"}`), http.StatusOK)
	if got.Name != "Loans" || got.Description != "The loans" || got.ColumnCount != 0 {
		t.Errorf("data source: got %+v, want Loans without columns", got)
	}
	if n := f.Count("select count(*) from planning_changes where action = 'changed'"); n != 2 {
		t.Errorf("planning changes: got %d, want 2", n)
	}
	refused(t, correct(`{"name": "cards"}`), http.StatusConflict, "already-exists")
	for body, location := range map[string]string{`{}`: "body", `{"name": ""}`: "body.name"} {
		p := refused(t, correct(body), http.StatusUnprocessableEntity, "invalid")
		if p.Errors[0].Location != location {
			t.Errorf("%s: got %+v, want %s", body, p.Errors, location)
		}
	}
	must[api.Accepted](t, f.post(reportURL("/pde-mappings/regenerate-all"), ""), http.StatusAccepted)
	refused(t, correct(`{"name": "other"}`), http.StatusConflict, "job-active")
}

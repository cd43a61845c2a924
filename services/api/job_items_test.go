package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestItemsAreListedByOutcome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.imported(4)
	id := f.started()
	f.fail(id, schema.ErrorCodeClassifier, ids[1])
	f.Exec("update job_items set outcome = 'succeeded', ended_at = clock_timestamp(), classifier = 'rules@1' where "+
		"job_id = ? and mapping_id = ?", id, ids[2])

	tests := map[string][]string{
		"": ids, "?outcome=queued": {ids[0], ids[3]}, "?outcome=failed": {ids[1]}, "?outcome=succeeded": {ids[2]},
		"?outcome=cancelled": {},
	}
	for query, want := range tests {
		t.Run(query, func(t *testing.T) {
			f := f.in(t)
			page := must[api.Page[api.JobItem]](t, f.get(jobURL(id, "/items"+query)), http.StatusOK)
			got := []string{}
			for _, item := range page.Items {
				got = append(got, item.MappingID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("items%s: got %v, want %v", query, got, want)
			}
		})
	}

	first := must[api.Page[api.JobItem]](t, f.get(jobURL(id, "/items?limit=3")), http.StatusOK)
	if len(first.Items) != 3 || first.NextCursor == nil {
		t.Fatalf("first page: got %+v, want three items and a cursor", first)
	}
	if queued := first.Items[0]; queued.Outcome != nil || queued.ErrorCode != nil || queued.Classifier != nil ||
		queued.UpdatedAt.IsZero() {
		t.Errorf("a queued item: got %+v, want neither outcome nor code", queued)
	}
	if failed := first.Items[1]; *failed.Outcome != schema.OutcomeFailed || failed.Attempt != 5 ||
		*failed.ErrorCode != schema.ErrorCodeClassifier || *failed.Error != "does not work" {
		t.Errorf("a failed item: got %+v, want five attempts and the code and text of the error", failed)
	}
	second := must[api.Page[api.JobItem]](
		t,
		f.get(jobURL(id, "/items?limit=3&cursor="+*first.NextCursor)),
		http.StatusOK,
	)
	if len(second.Items) != 1 || second.Items[0].MappingID != ids[3] || second.NextCursor != nil {
		t.Errorf("second page: got %+v, want the last item and no cursor", second)
	}
}

func TestAnInvalidPageIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, query := range []string{
		"limit=0", "limit=501", "limit=many", "cursor=%21", "cursor=WzFd", "cursor=WyIxIiwiMiJd",
		"cursor=WyJcdTAwMDAiXQ", "status=lost", "page=2",
	} {
		t.Run(query, func(t *testing.T) {
			f := f.in(t)
			p := refused(t, f.get("/api/v1/jobs?"+query), http.StatusUnprocessableEntity, "invalid")
			field, _, _ := strings.Cut(query, "=")
			if len(p.Errors) != 1 || p.Errors[0].Location != "query."+field || p.Errors[0].Message == "" {
				t.Errorf("%s: errors: got %v, want one of query.%s", query, p.Errors, field)
			}
		})
	}
	for _, limit := range []int{1, 500} {
		must[api.Page[events.JobStatus]](t, f.get(fmt.Sprintf("/api/v1/jobs?limit=%d", limit)), http.StatusOK)
	}
	if a := f.get("/api/v1/jobs"); strings.TrimSpace(a.body) != `{"items":[],"next_cursor":null}` {
		t.Errorf("an empty list: got %s, want an empty array", a.body)
	}
}

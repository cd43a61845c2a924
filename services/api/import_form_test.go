package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api"
)

func TestATruncatedFormIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	contentType, body := form(t, piece{"attributes", "a.csv", "attribute_name\nA\n"}, piece{"name", "", "Cards"})
	for end := range len(body) - len("--\r\n") + 1 {
		a := f.do(call{
			method: http.MethodPost, path: reportURL("/import"), body: body[:end], role: api.Tester,
			header: map[string]string{"Content-Type": contentType},
		})
		if a.status != http.StatusBadRequest {
			t.Errorf("broken off after %q: got %d, want 400", body[:end], a.status)
		}
	}
	if n := f.Count("select count(*) from reports"); n != 0 {
		t.Errorf("reports: got %d, want 0", n)
	}
	a := f.do(call{
		method: http.MethodPost, path: reportURL("/import"), body: strings.TrimSuffix(body, "\r\n"), role: api.Tester,
		header: map[string]string{"Content-Type": contentType},
	})
	must[api.Imported](t, a, http.StatusOK)
}

func TestAnUploadOfFiftyMegabytesIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	refused(
		t,
		f.upload(piece{"attributes", "a.csv", strings.Repeat("x", 50<<20)}),
		http.StatusRequestEntityTooLarge,
		"body-too-large",
	)

	// A file below the limit is read.
	problem := refused(
		t,
		f.upload(piece{"attributes", "a.csv", "attribute_name\n" + strings.Repeat("x", 31<<20)}),
		http.StatusUnprocessableEntity,
		"invalid",
	)
	if problem.Errors[0].Line != 2 {
		t.Errorf("problem: got %+v, want one of line 2", problem.Errors[0])
	}
}

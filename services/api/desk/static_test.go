package desk_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/services/api/desk"
)

// static returns the response to a request for a file of the page.
func static(t *testing.T, d *desk.Desk, name, query string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	d.Static(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/static/"+name+query, nil), name)
	return w
}

func TestStatic_KeepsAFileForeverOnlyByItsDigest(t *testing.T) {
	t.Parallel()
	d, err := desk.New()
	if err != nil {
		t.Fatal(err)
	}
	page := render(t, desk.Frame{}, desk.SignIn{})
	for _, link := range page.named("link") {
		name, query, _ := strings.Cut(strings.TrimPrefix(link.attrs["href"], "/static/"), "?")
		if w := static(t, d, name, "?"+query); w.Code != http.StatusOK ||
			!strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %d, %v", link.attrs["href"], w.Code, w.Header())
		}
		if w := static(t, d, name, "?v=old"); w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s with another digest: got %d, %v", name, w.Code, w.Header())
		}
	}
	if w := static(t, d, "../desk.go", ""); w.Code != http.StatusNotFound {
		t.Errorf("another file: got %d, want 404", w.Code)
	}
}

func TestStatic_LeavesCommentsOut(t *testing.T) {
	t.Parallel()
	d, err := desk.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, comment := range map[string]string{"desk.css": "/*", "page.css": "/*", "desk.js": "// "} {
		w := static(t, d, name, "")
		if body := w.Body.String(); strings.Contains(body, comment) || strings.Contains(body, "\n ") ||
			len(body) < 1000 {
			t.Errorf("%s: got %d bytes with comments: %v", name, len(body), strings.Contains(body, comment))
		}
	}
	if w := static(t, d, "desk.js", ""); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("desk.js: got %v", w.Header())
	}
}

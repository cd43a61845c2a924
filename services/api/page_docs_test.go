package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

func TestTheDocsPageIsMadeOfTheDocument(t *testing.T) {
	t.Parallel()
	s, _, doc := described(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs", nil)
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, r)
	page := answer.Body.String()
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Security-Policy") != contentPolicy {
		t.Fatalf("got %d with %v", answer.Code, answer.Header())
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			if !strings.Contains(page, `id="`+op.OperationID+`"`) || !strings.Contains(page, "<code>"+path+"</code>") {
				t.Errorf("the page lacks %s %s", method, path)
			}
		}
	}
	ids := regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1)
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id[1]] {
			t.Errorf("the id %s is there twice", id[1])
		}
		seen[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !seen[link[1]] {
			t.Errorf("a link leads to %s, which is not on the page", link[1])
		}
	}
	if other := regexp.MustCompile(`(src|href)="(https?:)?//[^"]*"`).FindString(page); other != "" {
		t.Errorf("the page refers to another host: %s", other)
	}
	if strings.Contains(page, "<nil>") || strings.Contains(page, "style=") {
		t.Error("the page has a value that is absent, or an inline style")
	}
}

// jsonContent are the bodies and responses of an operation with JSON.
func jsonContent(o *huma.Operation) (all []*huma.MediaType) {
	if o.RequestBody != nil {
		all = append(all, o.RequestBody.Content[jsonType])
	}
	for status, response := range o.Responses {
		if strings.HasPrefix(status, "2") {
			all = append(all, response.Content[jsonType])
		}
	}
	return slices.DeleteFunc(all, func(media *huma.MediaType) bool { return media == nil })
}

func TestEveryRouteHasExamplesThatItsSchemasAllow(t *testing.T) {
	t.Parallel()
	s, _, _ := described(t)
	document := s.api.OpenAPI()
	check := func(at string, schema *huma.Schema, example any) {
		t.Helper()
		text, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		for _, part := range schema.OneOf {
			part.PrecomputeMessages() // huma does this only for the schemas of types, and needs it to require fields
		}
		var result huma.ValidateResult
		huma.Validate(document.Components.Schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value,
			&result)
		if value == nil || len(result.Errors) > 0 {
			t.Errorf("%s: got the example %s: %v", at, text, result.Errors)
		}
	}
	n := 0
	for path, item := range document.Paths {
		for _, operation := range operationsOf(item) {
			for _, media := range jsonContent(operation) {
				check(operation.Method+" "+path, media.Schema, media.Example)
				n++
			}
			for _, p := range operation.Parameters {
				if p.Required {
					check(operation.Method+" "+path+" "+p.Name, p.Schema, p.Example)
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("got %d examples of bodies, want at least 40", n)
	}
}

package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/go-chi/chi/v5"

	"github.com/pdeflow/pdeflow/schema"
)

// document is what the tests read of the OpenAPI document.
type document struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Title, Version string
	} `json:"info"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas         map[string]definition     `json:"schemas"`
		SecuritySchemes map[string]map[string]any `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	OperationID string `json:"operationId"`
	Summary     string `json:"summary"`
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   definition
	} `json:"parameters"`
	Responses map[string]struct{ Description string } `json:"responses"`
	Security  []map[string][]string                   `json:"security"`
}

type definition struct {
	Type       any                   `json:"type"`
	Enum       []string              `json:"enum"`
	Properties map[string]definition `json:"properties"`
}

// described returns a server without database and its OpenAPI document.
func described(t *testing.T) (*Server, []byte, document) {
	t.Helper()
	verify, err := SecretVerifier([]byte(strings.Repeat("s", minSecret)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(nil, nil, Options{Verify: verify, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	text := fetch(t, s, "/openapi.json", "application/openapi+json")
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return s, text, doc
}

func fetch(t *testing.T, s *Server, path, contentType string) []byte {
	t.Helper()
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != contentType {
		t.Fatalf("%s: got %d %s, want 200 and the content type", path, answer.Code, answer.Header())
	}
	return answer.Body.Bytes()
}

func TestTheDocumentIsCompleteOpenAPI31(t *testing.T) {
	t.Parallel()
	_, text, doc := described(t)
	if !regexp.MustCompile(`^3\.1\.\d+$`).MatchString(doc.OpenAPI) || doc.Info.Title == "" ||
		doc.Info.Version != "1.0.0" {
		t.Errorf("document: got OpenAPI %q, %+v, want 3.1 and version 1.0.0", doc.OpenAPI, doc.Info)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		name, ok := strings.CutPrefix(ref[1], "#/components/schemas/")
		if _, there := doc.Components.Schemas[name]; !ok || !there {
			t.Errorf("%s: got no such schema, want one", ref[1])
		}
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			at := strings.ToUpper(method) + " " + path
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s: got id %q and summary %q, want both, and the id once", at, op.OperationID, op.Summary)
			}
			ids[op.OperationID] = true
			if _, problem := op.Responses["default"]; !problem || len(op.Responses) < 2 {
				t.Errorf("%s: got responses %v, want the default and another one", at, op.Responses)
			}
			var described []string
			for _, p := range op.Parameters {
				if p.In == "path" {
					described = append(described, "{"+p.Name+"}")
				}
			}
			if named := regexp.MustCompile(`\{[^}]*\}`).FindAllString(path, -1); !slices.Equal(described, named) {
				t.Errorf("%s: got parameters %v, want %v", at, described, named)
			}
		}
	}
}

// isPage reports whether a route is of the web page, which the document does not describe.
func isPage(path string) bool {
	for _, prefix := range []string{"/sign", "/static/", "/jobs", "/cycles/", "/import", "/audit", "/docs"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return path == "/"
}

func TestTheDocumentListsExactlyTheRoutes(t *testing.T) {
	t.Parallel()
	s, _, doc := described(t)
	var listed, routed []string
	for path, item := range doc.Paths {
		for method := range item {
			listed = append(listed, strings.ToUpper(method)+" "+path)
		}
	}
	err := chi.Walk(s.router, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !isPage(path) {
			routed = append(routed, method+" "+path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(listed)
	slices.Sort(routed)
	if !slices.Equal(listed, routed) {
		t.Errorf("routes of the document: got\n%s\nwant\n%s", strings.Join(listed, "\n"), strings.Join(routed, "\n"))
	}
	for _, want := range []string{
		"POST /api/v1/planning/cycles/{cycle_id}/reports/{report_id}/pde-mappings/regenerate-all",
		"POST /api/v1/planning/cycles/{cycle_id}/reports/{report_id}/pde-mappings/auto-map",
		"POST /api/v1/planning/cycles/{cycle_id}/reports/{report_id}/pde-classifications/suggest-batch",
		"GET /api/v1/jobs", "GET /api/v1/jobs/active", "GET /api/v1/jobs/{job_id}/status",
		"GET /api/v1/jobs/{job_id}/items",
		"POST /api/v1/jobs/{job_id}/cancel", "POST /api/v1/jobs/{job_id}/pause", "POST /api/v1/jobs/{job_id}/resume",
		"POST /api/v1/jobs/{job_id}/retry",
		"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /openapi.yaml",
	} {
		if !slices.Contains(routed, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestEveryRouteRequiresARole(t *testing.T) {
	t.Parallel()
	_, _, doc := described(t)
	for path, item := range doc.Paths {
		for method, op := range item {
			if open := len(op.Security) == 0; open != !strings.HasPrefix(path, prefix) || op.Security == nil {
				t.Errorf("%s %s: got security %v, want a bearer token under %s only", method, path, op.Security, prefix)
			}
		}
	}
	if scheme := doc.Components.SecuritySchemes["bearer"]; scheme["scheme"] != "bearer" {
		t.Errorf("the scheme: got %v, want bearer", scheme)
	}
}

func TestTheDocumentIsTheSameInYAML(t *testing.T) {
	t.Parallel()
	s, text, _ := described(t)
	converted := new(strings.Builder)
	if err := yaml.Convert(converted, strings.NewReader(string(text))); err != nil {
		t.Fatal(err)
	}
	if got := string(fetch(t, s, "/openapi.yaml", "application/yaml")); got != converted.String() {
		t.Error("the YAML document is another one")
	}
}

func TestTheEnumsOfTheDocumentHaveTheValuesOfSchema(t *testing.T) {
	t.Parallel()
	_, _, doc := described(t)
	field := func(name, property string) []string { return doc.Components.Schemas[name].Properties[property].Enum }
	query := func(path, parameter string) []string {
		for _, p := range doc.Paths[prefix+path]["get"].Parameters {
			if p.Name == parameter {
				return p.Schema.Enum
			}
		}
		return nil
	}
	// A mapping that a person has confirmed is skipped, so no item can be retried.
	for name, tt := range map[string]struct{ got, want []string }{
		"classifier of regenerate-all": {field("RegenerateBody", "classifier"), texts(schema.ClassifierKinds())},
		"classifier of auto-map":       {field("AutoMapBody", "classifier"), texts(schema.ClassifierKinds())},
		"classifier of suggest-batch":  {field("SuggestBody", "classifier"), texts(schema.ClassifierKinds())},
		"error_code of retry":          {field("RetryBody", "error_code"), texts(schema.FailureCodes())},
		"outcome of an item":           {field("JobItem", "outcome"), nullable(schema.Outcomes())},
		"error_code of an item":        {field("JobItem", "error_code"), nullable(schema.ErrorCodes())},
		"status of a job":              {field("JobStatus", "status"), texts(schema.Statuses())},
		"type of a job":                {field("JobStatus", "job_type"), texts(schema.JobTypes())},
		"classifier of a job":          {field("JobMetadata", "classifier"), texts(schema.ClassifierKinds())},
		"status of the jobs":           {query("/jobs", "status"), texts(schema.Statuses())},
		"outcome of the items": {
			query("/jobs/{job_id}/items", "outcome"), append([]string{"queued"}, texts(schema.Outcomes())...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Equal(tt.got, tt.want) {
				t.Errorf("%s: got %v, want %v", name, tt.got, tt.want)
			}
		})
	}
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

// nullable is the texts of the values and null, which reads as an empty one.
func nullable[T ~string](values []T) []string { return append(texts(values), "") }

// neverConflicts reports whether a route that changes something needs no state of its report or mapping, other than a
// version.
func neverConflicts(method, path string) bool {
	return slices.Contains([]string{
		"put /pde-mappings/{id}", "post /pde-mappings/{id}/review", "post /pde-mappings/import-decisions",
		"put /auto-approval", "post /auto-approval/preview",
	}, method+" "+path)
}

func TestEveryRouteDeclaresItsProblems(t *testing.T) {
	t.Parallel()
	const planned = prefix + "/planning/cycles/{cycle_id}/reports/{report_id}"
	_, _, doc := described(t)
	for path, item := range doc.Paths {
		for method, op := range item {
			want := []string{"400", "500"}
			if strings.HasPrefix(path, prefix) {
				want = append(want, "401", "403", "422", "503")
			}
			if strings.Contains(path, "{") {
				want = append(want, "404")
			}
			if method != "get" {
				want = append(want, "413", "415")
			}
			conflicts := method != "get" && !neverConflicts(method, strings.TrimPrefix(path, planned))
			if conflicts {
				want = append(want, "409")
			}
			for _, status := range want {
				if op.Responses[status].Description == "" {
					t.Errorf("%s %s does not declare %s", method, path, status)
				}
			}
			if !conflicts && op.Responses["409"].Description != "" {
				t.Errorf("%s %s declares 409, which it never returns", method, path)
			}
		}
	}
}

func TestTheDocumentUsesOnlyKeywordsOfJSONSchema(t *testing.T) {
	t.Parallel()
	_, text, _ := described(t)
	if strings.Contains(string(text), "patternDescription") {
		t.Error("patternDescription is no keyword of JSON Schema")
	}
}

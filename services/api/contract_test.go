package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pdeflow/pdeflow/services/api"
)

// contract is the served document, by which every response of these tests is judged.
type contract struct {
	paths    map[string]map[string]operation
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
}

type operation struct {
	Responses map[string]struct {
		Content map[string]struct{} `json:"content"`
	} `json:"responses"`
}

// where is how the compiler names the document.
const where = "https://pdeflow.test/openapi.json"

var served contractOnce

type contractOnce struct {
	once sync.Once
	doc  *contract
	err  error
}

// of returns the document of the server; every server of these tests has the same one.
func (c *contractOnce) of(server *api.Server) (*contract, error) {
	c.once.Do(func() {
		answer := httptest.NewRecorder()
		server.Handler().
			ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(),
				http.MethodGet, "/openapi.json", nil))
		c.doc, c.err = readContract(answer.Body.Bytes())
	})
	return c.doc, c.err
}

func readContract(text []byte) (*contract, error) {
	var document struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(where, whole); err != nil {
		return nil, err
	}
	return &contract{paths: document.Paths, compiler: compiler, schemas: map[string]*jsonschema.Schema{}}, nil
}

// check returns how the response differs from the document's description of the route, or nil. A response that the
// route does not describe must be one of the problems.
func (c *contract) check(method, path string, a answer) error {
	if method == http.MethodHead {
		return nil // which has no body, and the headers of GET
	}
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil && a.body != "" {
		return fmt.Errorf("content type %q: %w", a.header.Get("Content-Type"), err)
	}
	template, op, found := c.route(method, path)
	if !found || a.status == http.StatusMethodNotAllowed || strings.HasSuffix(a.body, ":route-not-found") {
		return c.validate("/components/schemas/Problem", a.body)
	}
	status := strconv.Itoa(a.status)
	response, declared := op.Responses[status]
	if !declared {
		return fmt.Errorf("%s %s does not declare the status %s", method, template, status)
	}
	if a.body == "" {
		if len(response.Content) > 0 {
			return fmt.Errorf("%s %s: got %s without the declared body", method, template, status)
		}
		return nil
	}
	if _, declared := response.Content[kind]; !declared {
		return fmt.Errorf("%s %s does not declare %s for the status %s", method, template, kind, status)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	return c.validate(
		"/paths/"+escape.Replace(
			template,
		)+"/"+strings.ToLower(
			method,
		)+"/responses/"+status+"/content/"+escape.Replace(
			kind,
		)+"/schema",
		a.body,
	)
}

// route finds the operation of a request; a path without parameters comes first.
func (c *contract) route(method, path string) (template string, op operation, found bool) {
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	for candidate, methods := range c.paths {
		parts := strings.Split(candidate, "/")
		if len(parts) != len(segments) {
			continue
		}
		fits := true
		for i, part := range parts {
			fits = fits && (part == segments[i] || strings.HasPrefix(part, "{"))
		}
		offered, has := methods[strings.ToLower(method)]
		if fits && has && (!found || strings.Count(candidate, "{") < strings.Count(template, "{")) {
			template, op, found = candidate, offered, true
		}
	}
	return template, op, found
}

func (c *contract) validate(pointer, body string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	schema := c.schemas[pointer]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile(where + "#" + pointer); err != nil {
			return err
		}
		c.schemas[pointer] = schema
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// judge fails the test if the response does not match the OpenAPI document.
func (f *fixture) judge(method, path string, a answer) {
	f.T.Helper()
	doc, err := served.of(f.server)
	if err == nil {
		err = doc.check(method, path, a)
	}
	if err != nil {
		f.T.Errorf("%s %s breaks the OpenAPI document: %v\n%d %s", method, path, err, a.status, a.body)
	}
}

func TestTheContractCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	doc, err := served.of(f.server)
	if err != nil {
		t.Fatal(err)
	}
	good := http.Header{"Content-Type": {"application/json"}}
	for name, a := range map[string]answer{
		"a status that is not declared": {status: http.StatusTeapot, header: good, body: `{}`},
		"a field that is missing":       {status: http.StatusOK, header: good, body: `{"status": "ok"}`},
		"a value that is not in it": {
			status: http.StatusOK, header: good, body: `{"status": "fine", "version": "1"}`,
		},
		"a field too many": {
			status: http.StatusOK, header: good, body: `{"status": "ok", "version": "1", "more": 1}`,
		},
		"another content type": {
			status: http.StatusOK, header: http.Header{"Content-Type": {"text/html"}},
			body: `{"status": "ok", "version": "1"}`,
		},
		"no body": {status: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			if doc.check(http.MethodGet, "/healthz", a) == nil {
				t.Errorf("%s is not found", name)
			}
		})
	}
	if err := doc.check(http.MethodGet, "/healthz", answer{status: http.StatusOK, header: good, body: `{"status": ` +
		`"ok", "version": "1"}`}); err != nil {
		t.Error(err)
	}
}

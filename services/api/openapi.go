package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// documentOutput is the document itself, in one of its forms.
type documentOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// registerOpenAPI serves the description of all routes. It is written once, when it is first asked for: then all routes are there.
func (s *Server) registerOpenAPI() {
	document := func(name, contentType string, render func() ([]byte, error)) {
		once := sync.OnceValues(render)
		route(s, "", huma.Operation{
			OperationID: "openapi-" + name, Method: http.MethodGet, Path: "/openapi." + name, Tags: []string{"operating"},
			Summary: "Describes all routes, as OpenAPI 3.1",
			Responses: map[string]*huma.Response{"200": {
				Description: "The document",
				Content:     map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: "object"}}},
			}},
		}, func(context.Context, *struct{}) (*documentOutput, error) {
			body, err := once()
			if err != nil {
				return nil, fmt.Errorf("openapi document: %w", err)
			}
			return &documentOutput{ContentType: contentType, Body: body}, nil
		})
	}
	document("json", "application/openapi+json", func() ([]byte, error) { return json.Marshal(s.api.OpenAPI()) })
	document("yaml", "application/openapi+yaml", func() ([]byte, error) { return s.api.OpenAPI().YAML() })
}

// jsonResponse describes an answer that huma does not find in the handler's type.
func (s *Server) jsonResponse(description string, t reflect.Type) *huma.Response {
	return &huma.Response{
		Description: description,
		Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())},
		},
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

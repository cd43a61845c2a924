package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/pdeflow/pdeflow/schema"
)

// problemOfHuma turns the errors of huma itself into problems. It uses only the status and the locations of the errors:
// the messages are made from the OpenAPI document, because those of huma contain rejected values and may change.
func (s *Server) problemOfHuma(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(kindOfStatus(model.Status), "")
	p.Status = model.Status
	switch model.Status {
	case http.StatusUnsupportedMediaType:
		p.Detail = "Send the body with Content-Type: application/json."
		return p.bind(ctx.Context()), nil
	case http.StatusInternalServerError:
		p.cause = model
		return p.bind(ctx.Context()), nil
	}
	for _, e := range model.Errors[:min(len(model.Errors), schema.MaxProblems)] {
		if e != nil {
			p.addError(e.Location, s.requirement(ctx.Operation(), e.Location))
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	if more := len(model.Errors) - schema.MaxProblems; more > 0 {
		p.Detail += fmt.Sprintf("; the first %d of %d problems are listed", schema.MaxProblems, len(model.Errors))
	}
	return p.bind(ctx.Context()), nil
}

// kindOfStatus returns the kind of an error that huma finds before it calls a handler.
func kindOfStatus(status int) problemKind {
	switch status {
	case http.StatusBadRequest:
		return malformed
	case http.StatusNotAcceptable:
		return notAcceptable
	case http.StatusRequestTimeout:
		return bodyTimedOut
	case http.StatusRequestEntityTooLarge:
		return bodyTooLarge
	case http.StatusUnsupportedMediaType:
		return unknownContentType
	case http.StatusUnprocessableEntity:
		return invalid
	default:
		return internal
	}
}

// requirement returns what the document requires of the value at a location, such as query.limit.
func (s *Server) requirement(op *huma.Operation, location string) string {
	if described, found := s.described(op, location); found {
		return "must be " + valueOf(described)
	}
	if strings.HasPrefix(location, "query.") {
		return "there is no such parameter" + withNames("; the parameters are ", queryParameters(op))
	}
	return "is not valid"
}

func queryParameters(op *huma.Operation) (names []string) {
	for _, p := range op.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

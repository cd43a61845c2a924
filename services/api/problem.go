package api

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdeflow/pdeflow/schema"
)

// problemKind is the stable name of a kind of problem.
type problemKind string

// The kinds of problems. What programs may rely on is the type, urn:pdeflow:problem: and the name.
const (
	malformed          problemKind = "malformed"
	tokenMissing       problemKind = "token-missing"
	tokenMalformed     problemKind = "token-malformed"
	tokenSignature     problemKind = "token-signature"
	tokenExpired       problemKind = "token-expired"
	tokenNotYet        problemKind = "token-not-yet-valid"
	roleTooLow         problemKind = "role-too-low"
	routeNotFound      problemKind = "route-not-found"
	reportNotFound     problemKind = "report-not-found"
	noMappings         problemKind = "no-mappings"
	jobNotFound        problemKind = "job-not-found"
	notFound           problemKind = "not-found"
	methodNotAllowed   problemKind = "method-not-allowed"
	notAcceptable      problemKind = "not-acceptable"
	bodyTimedOut       problemKind = "body-timeout"
	jobActive          problemKind = "job-active"
	alreadyExists      problemKind = "already-exists"
	stateConflict      problemKind = "state-conflict"
	nothingToRetry     problemKind = "nothing-to-retry"
	bodyTooLarge       problemKind = "body-too-large"
	unknownContentType problemKind = "unknown-content-type"
	invalid            problemKind = "invalid"
	noDataSources      problemKind = "no-data-sources"
	keyReused          problemKind = "idempotency-key-reused"
	cancelled          problemKind = "cancelled"
	busy               problemKind = "busy"
	internal           problemKind = "internal"
	unavailable        problemKind = "database-unavailable"
	readOnly           problemKind = "database-read-only"
	confirmed          problemKind = "confirmed"
)

// meaning is the row of the error table for a kind: its HTTP status, and its title, which never changes.
func (k problemKind) meaning() (status int, title string) {
	switch k {
	case malformed:
		return http.StatusBadRequest, "The request cannot be understood"
	case tokenMissing:
		return http.StatusUnauthorized, "A token is needed"
	case tokenMalformed:
		return http.StatusUnauthorized, "The token cannot be understood"
	case tokenSignature:
		return http.StatusUnauthorized, "The token's signature does not fit"
	case tokenExpired:
		return http.StatusUnauthorized, "The token has expired"
	case tokenNotYet:
		return http.StatusUnauthorized, "The token is not valid yet"
	case roleTooLow:
		return http.StatusForbidden, "The role is too low"
	case routeNotFound:
		return http.StatusNotFound, "There is nothing here"
	case reportNotFound:
		return http.StatusNotFound, "There is no such report"
	case noMappings:
		return http.StatusNotFound, "The report has no mappings"
	case jobNotFound:
		return http.StatusNotFound, "There is no such job"
	case notFound:
		return http.StatusNotFound, "There is no such thing"
	case methodNotAllowed:
		return http.StatusMethodNotAllowed, "The method is not for this route"
	case notAcceptable:
		return http.StatusNotAcceptable, "There is no answer of the kind that is accepted"
	case bodyTimedOut:
		return http.StatusRequestTimeout, "The body did not come in time"
	case jobActive:
		return http.StatusConflict, "A job of the report is active"
	case alreadyExists:
		return http.StatusConflict, "There is such a thing already"
	case stateConflict:
		return http.StatusConflict, "The job's state does not allow it"
	case confirmed:
		return http.StatusConflict, "A person has confirmed some of it"
	case nothingToRetry:
		return http.StatusConflict, "There is nothing to try again"
	case bodyTooLarge:
		return http.StatusRequestEntityTooLarge, "The body is too large"
	case unknownContentType:
		return http.StatusUnsupportedMediaType, "The body is of a kind that is not understood"
	case invalid:
		return http.StatusUnprocessableEntity, "Something in the request is not right"
	case noDataSources:
		return http.StatusUnprocessableEntity, "The report has no data source with columns"
	case keyReused:
		return http.StatusUnprocessableEntity, "The idempotency key belongs to another request"
	case cancelled:
		return statusClientClosed, "The client went away"
	case busy:
		return http.StatusServiceUnavailable, "Something else has to end first"
	case unavailable:
		return http.StatusServiceUnavailable, "The database is not available"
	case readOnly:
		return http.StatusServiceUnavailable, "The database accepts no writes"
	case internal:
		return http.StatusInternalServerError, "Something went wrong in the server"
	default:
		return http.StatusInternalServerError, "Something went wrong in the server"
	}
}

// statusClientClosed is what the log says where there is nobody left to answer.
const statusClientClosed = 499

// Problem is why a request was refused or failed, as RFC 9457 has it.
type Problem struct {
	Type   string       `json:"type" format:"uri" doc:"The kind of problem, urn:pdeflow:problem: and a stable name." example:"urn:pdeflow:problem:job-active"`
	Title  string       `json:"title" doc:"What the kind means, always in the same words."`
	Status int          `json:"status" doc:"The HTTP status."`
	Detail string       `json:"detail,omitempty" doc:"What is wrong this time, and what would be right."`
	Errors []FieldError `json:"errors,omitempty" doc:"What is wrong, field by field."`
	// MoreErrors counts the errors that are not listed.
	MoreErrors int    `json:"more_errors,omitempty" doc:"How many more errors there are than are listed."`
	JobID      string `json:"job_id,omitempty" doc:"The job that is in the way."`
	// RequestID names the request in the server's log.
	RequestID string `json:"request_id,omitempty" doc:"The request, as the server's log names it."`

	header http.Header
	cause  error
}

// FieldError is what is wrong with one field, or in one place of a file. The value that stood there is not repeated.
type FieldError struct {
	Location string `json:"location,omitempty" doc:"Which field, such as body.mapping_ids[3], query.limit or attributes.csv:7: is_cde."`
	Message  string `json:"message" doc:"What would be right."`

	// Of an error in a file that was to be imported.
	File   string `json:"file,omitempty" doc:"The file's name, or that of its part."`
	Cell   string `json:"cell,omitempty" doc:"The cell of a workbook, such as Sheet1!B3."`
	Line   int    `json:"line,omitempty" doc:"Counts from 1, the header included; absent where the file as a whole is wrong."`
	Column string `json:"column,omitempty" doc:"The name of the column; absent where the whole line is wrong."`
	Reason string `json:"reason,omitempty" doc:"The message once more."`
}

// refuse makes a problem of the kind.
func refuse(kind problemKind, detail string) *Problem {
	status, title := kind.meaning()
	return &Problem{Type: "urn:pdeflow:problem:" + string(kind), Title: title, Status: status, Detail: detail}
}

// refuseField makes a problem with one field.
func refuseField(location, message string) *Problem {
	return refuse(invalid, location+": "+message).at(location, message)
}

// at adds what is wrong with one field.
func (p *Problem) at(location, message string) *Problem {
	p.Errors = append(p.Errors, FieldError{Location: location, Message: message})
	return p
}

// with adds a header to the answer.
func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Add(name, value)
	return p
}

// Error implements error.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.Title + ": " + p.Detail
}

// Unwrap is the error that the problem was made of, nil where the server itself refused.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemOf is the error table: what an error of a handler is to the caller. The request's last log line says which problem it was, and
// what it was made of where that is the server's affair.
func problemOf(ctx context.Context, err error) *Problem {
	p, ours := errors.AsType[*Problem](err)
	if !ours {
		kind := kindOf(ctx, err)
		p = refuse(kind, kind.advice(exchangeFrom(ctx).reads))
		p.cause = err
		if p.Status == http.StatusServiceUnavailable {
			p.with("Retry-After", "1")
		}
	}
	return p.of(ctx)
}

// advice is the detail where the kind is all that the caller may know of an error. Reads says that the request changes nothing.
func (k problemKind) advice(reads bool) string {
	switch k {
	case busy:
		return "The report is being imported, or others ask for the same at this moment. Nothing was changed; try again."
	case unavailable:
		if reads {
			return "Try again."
		}
		return "It is not known whether anything was changed. Look first, or repeat the request with the same Idempotency-Key if it had one."
	case readOnly:
		return "The database is read-only: it is a standby, or was set read-only, for example because its disk is full. Nothing was changed; try again later."
	case internal:
		return "The server's log says more, under this request's id."
	default:
		return ""
	}
}

// of ties the problem to the request of the context.
func (p *Problem) of(ctx context.Context) *Problem {
	x := exchangeFrom(ctx)
	x.problem = p
	p.RequestID = x.id
	return p
}

func kindOf(ctx context.Context, err error) problemKind {
	switch {
	case ctx.Err() != nil:
		return cancelled
	case errors.Is(err, schema.ErrNotFound):
		return notFound
	case errors.Is(err, errAgain), lockNotAvailable(err):
		return busy
	case schema.IsReadOnly(err):
		return readOnly
	case databaseAway(err):
		return unavailable
	default:
		return internal
	}
}

// lockNotAvailable tells whether the database gave up waiting for what somebody else holds.
func lockNotAvailable(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "55P03"
}

// databaseAway tells whether the database could not be asked, or ended the session.
func databaseAway(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Connection exceptions, too many of them, shutdown or start, a session that was ended, and a statement that took too long.
		return slices.ContainsFunc([]string{"08", "53", "57P", "25P03", "57014"}, func(class string) bool { return strings.HasPrefix(pg.Code, class) })
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// write answers with the problem, outside of huma.
func (s *Server) write(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.of(r.Context())
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("problem %s: %v", p.Type, err)) // it holds nothing that JSON could not
	}
	for name, values := range p.header {
		for _, value := range values {
			w.Header().Add(name, value)
		}
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, refuse(routeNotFound, "/openapi.json lists every route."))
}

func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.RawPath
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if s.router.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 { // the router asks for the method first where it does not know it
		s.notFound(w, r)
		return
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	list := strings.Join(allowed, ", ")
	s.write(w, r, refuse(methodNotAllowed, "This route takes "+list+".").with("Allow", list))
}

// problemResponse is how the OpenAPI document describes a refusal.
func (s *Server) problemResponse(description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "Problem")},
		},
	}
}

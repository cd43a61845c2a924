package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/pdeflow/pdeflow/schema"
)

// problemKind is the stable name of a kind of problem. The type of a problem is urn:pdeflow:problem: and this name.
type problemKind string

const (
	malformed          problemKind = "malformed"
	tokenMissing       problemKind = "token-missing"
	tokenMalformed     problemKind = "token-malformed"
	tokenSignature     problemKind = "token-signature"
	tokenExpired       problemKind = "token-expired"
	tokenNotYet        problemKind = "token-not-yet-valid"
	roleTooLow         problemKind = "role-too-low"
	crossOrigin        problemKind = "cross-origin"
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
	versionChanged     problemKind = "version-changed"
	versionMissing     problemKind = "version-required"
	nothingToUndo      problemKind = "nothing-to-undo"
	nothingSuggested   problemKind = "nothing-suggested"
	nothingMatches     problemKind = "nothing-matches"
	countChanged       problemKind = "count-changed"
	ownEdit            problemKind = "own-edit"
	otherReport        problemKind = "other-report"
	decisionsRefused   problemKind = "decisions-refused"
	alreadyDecided     problemKind = "already-decided"
	connectionFailed   problemKind = "connection-failed"
	noConnection       problemKind = "no-connection"
)

// meanings has the HTTP status and the title of each kind.
var meanings = map[problemKind]struct {
	status int
	title  string
}{
	malformed:          {http.StatusBadRequest, "The request is malformed"},
	tokenMissing:       {http.StatusUnauthorized, "A token is required"},
	tokenMalformed:     {http.StatusUnauthorized, "The token is malformed"},
	tokenSignature:     {http.StatusUnauthorized, "The signature of the token is invalid"},
	tokenExpired:       {http.StatusUnauthorized, "The token has expired"},
	tokenNotYet:        {http.StatusUnauthorized, "The token is not valid yet"},
	roleTooLow:         {http.StatusForbidden, "The role is too low"},
	crossOrigin:        {http.StatusForbidden, "The request comes from another site"},
	routeNotFound:      {http.StatusNotFound, "There is no such route"},
	reportNotFound:     {http.StatusNotFound, "There is no such report"},
	noMappings:         {http.StatusNotFound, "The report has no mappings"},
	jobNotFound:        {http.StatusNotFound, "There is no such job"},
	notFound:           {http.StatusNotFound, "Not found"},
	methodNotAllowed:   {http.StatusMethodNotAllowed, "The route does not support this method"},
	notAcceptable:      {http.StatusNotAcceptable, "There is no acceptable content type"},
	bodyTimedOut:       {http.StatusRequestTimeout, "The body was not received in time"},
	jobActive:          {http.StatusConflict, "The report has an active job"},
	alreadyExists:      {http.StatusConflict, "It already exists"},
	stateConflict:      {http.StatusConflict, "The state of the job does not allow this"},
	confirmed:          {http.StatusConflict, "A person has confirmed some of it"},
	versionChanged:     {http.StatusPreconditionFailed, "The mapping has changed"},
	versionMissing:     {http.StatusPreconditionRequired, "The version of the mapping is required"},
	nothingToUndo:      {http.StatusConflict, "There is nothing that you can undo"},
	nothingSuggested:   {http.StatusConflict, "The mapping has no suggestions"},
	nothingMatches:     {http.StatusConflict, "No mapping matches"},
	countChanged:       {http.StatusConflict, "The number of mappings has changed"},
	ownEdit:            {http.StatusForbidden, "A user cannot review their own edit"},
	otherReport:        {http.StatusUnprocessableEntity, "The file is an export of another report"},
	decisionsRefused:   {http.StatusUnprocessableEntity, "Some of the decisions cannot be made"},
	connectionFailed:   {http.StatusUnprocessableEntity, "The database cannot be read"},
	noConnection:       {http.StatusConflict, "The data source has no connection"},
	nothingToRetry:     {http.StatusConflict, "There is nothing to retry"},
	alreadyDecided:     {http.StatusConflict, "The report already has decisions"},
	bodyTooLarge:       {http.StatusRequestEntityTooLarge, "The body is too large"},
	unknownContentType: {http.StatusUnsupportedMediaType, "The content type is not supported"},
	invalid:            {http.StatusUnprocessableEntity, "The request is invalid"},
	noDataSources:      {http.StatusUnprocessableEntity, "The report has no data source with columns"},
	keyReused:          {http.StatusUnprocessableEntity, "The idempotency key was used for another request"},
	cancelled:          {statusClientClosed, "The client closed the request"},
	busy:               {http.StatusServiceUnavailable, "The server is busy"},
	unavailable:        {http.StatusServiceUnavailable, "The database is unavailable"},
	readOnly:           {http.StatusServiceUnavailable, "The database is read-only"},
}

// meaning returns the HTTP status and the title of a kind. Every other kind is an internal error.
func (k problemKind) meaning() (status int, title string) {
	if m, ok := meanings[k]; ok {
		return m.status, m.title
	}
	return http.StatusInternalServerError, "Internal server error"
}

// statusClientClosed is the status in the log if the client has closed the request.
const statusClientClosed = 499

// Problem is the response to a request that was refused or failed, as in RFC 9457.
type Problem struct {
	Type       string        `json:"type" format:"uri" doc:"A stable name." example:"urn:pdeflow:problem:job-active"`
	Title      string        `json:"title" doc:"The meaning of the kind."`
	Status     int           `json:"status" doc:"The HTTP status."`
	Detail     string        `json:"detail,omitempty" doc:"The mistake and how to correct it."`
	Errors     []FieldError  `json:"errors,omitempty" doc:"The mistakes by field."`
	MoreErrors int           `json:"more_errors,omitempty" doc:"The number of errors that are not listed."`
	JobID      string        `json:"job_id,omitempty" doc:"The active job of the report."`
	Reason     string        `json:"reason,omitempty" doc:"Why a database cannot be read: a stable name, such as timeout."`
	Changes    []ChangeSince `json:"changes,omitempty" doc:"The changes that the caller has not seen, the newest first."`
	RequestID  string        `json:"request_id,omitempty" doc:"The id of the request in the log of the server."`

	header http.Header
	cause  error
}

// FieldError is a mistake in one field, or in one place of a file. It never repeats the value.
type FieldError struct {
	Location string `json:"location,omitempty" doc:"Such as body.mapping_ids[3] or attributes.csv:7: is_cde."`
	Message  string `json:"message" doc:"The mistake, or the requirement."`

	// The fields below are set for a mistake in a file.
	File   string `json:"file,omitempty" doc:"The name of the file, or of its part."`
	Cell   string `json:"cell,omitempty" doc:"The cell of a workbook, such as Sheet1!B3."`
	Line   int    `json:"line,omitempty" doc:"Counts from 1; absent if it is the whole file."`
	Column string `json:"column,omitempty" doc:"The name of the column; absent if the mistake concerns the whole line."`
	Reason string `json:"reason,omitempty" doc:"The same as message."`
}

// newProblem returns a problem of the kind.
func newProblem(kind problemKind, detail string) *Problem {
	status, title := kind.meaning()
	return &Problem{Type: "urn:pdeflow:problem:" + string(kind), Title: title, Status: status, Detail: detail}
}

// newFieldProblem returns a problem with one field.
func newFieldProblem(location, message string) *Problem {
	return newProblem(invalid, location+": "+message).addError(location, message)
}

// addError adds a mistake in one field.
func (p *Problem) addError(location, message string) *Problem {
	p.Errors = append(p.Errors, FieldError{Location: location, Message: message})
	return p
}

// addHeader adds a header to the response.
func (p *Problem) addHeader(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Add(name, value)
	return p
}

// Error returns the cause of the problem, or its title and detail.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.Title + ": " + p.Detail
}

// Unwrap returns the cause of the problem; nil if the server has refused the request.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemOf returns the problem for an error of a handler. The last log line of the request has its type and its cause.
func problemOf(ctx context.Context, err error) *Problem {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		kind := kindOf(ctx, err)
		p = newProblem(kind, kind.advice(exchangeFrom(ctx).reads))
		p.cause = err
		if p.Status == http.StatusServiceUnavailable {
			p.addHeader("Retry-After", "1")
		}
	}
	return p.bind(ctx)
}

// advice returns the detail for an error that the client must not see. Reads means that the request changes nothing.
func (k problemKind) advice(reads bool) string {
	switch k {
	case busy:
		return "The report is being imported, or is used by concurrent requests. Nothing was changed; try again."
	case unavailable:
		if reads {
			return "Try again."
		}
		return "The request may have changed something. Check first, or repeat it with the same Idempotency-Key if " +
			"it had one."
	case readOnly:
		return "It is a standby, or was set read-only, for example because its disk is full. Nothing was changed; " +
			"try again later."
	case internal:
		return "The log of the server has the cause, with the id of this request."
	default:
		return ""
	}
}

// bind sets the request of the context as the request of the problem.
func (p *Problem) bind(ctx context.Context) *Problem {
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
	case errors.Is(err, errConcurrent), schema.IsLockTimeout(err):
		return busy
	case schema.IsReadOnly(err):
		return readOnly
	case schema.IsUnavailable(err):
		return unavailable
	default:
		return internal
	}
}

// write writes the problem as the response, outside of huma.
func (s *Server) write(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.bind(r.Context())
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("problem %s: %v", p.Type, err)) // not possible: every field can be encoded
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
	s.write(w, r, newProblem(routeNotFound, "/openapi.json lists every route."))
}

func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.RawPath
	}
	var allowed []string
	for _, method := range []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		if s.router.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 { // for an unknown method, the router does not look at the path
		s.notFound(w, r)
		return
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	list := strings.Join(allowed, ", ")
	s.write(w, r, newProblem(methodNotAllowed, "This route supports "+list+".").addHeader("Allow", list))
}

// problemResponse describes a problem in the OpenAPI document.
func (s *Server) problemResponse(description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content: map[string]*huma.MediaType{
			"application/problem+json": {
				Schema: s.api.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "Problem"),
			},
		},
	}
}

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

const (
	// tokenCookie has the token of a user who has signed in on the page.
	tokenCookie = "pdeflow_token"
	// contentPolicy allows only what the program itself serves, and no inline style or script.
	contentPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
	// compression is the level of gzip for pages.
	compression = 5
)

// registerPages registers the web page. The routes that it consists of are not those of the API, so they are not in the
// OpenAPI document; the functions that read and decide are the same.
func (s *Server) registerPages() {
	s.router.Get("/static/{file}", s.compressed(func(w http.ResponseWriter, r *http.Request) {
		s.desk.Static(w, r, chi.URLParam(r, "file"))
	}))
	s.registerSignIn()
	s.registerReportPages()
	s.registerDecisionForms()
	s.registerEditForms()
	s.registerStartForms()
	s.registerImportPages()
	s.registerJobPages()
	s.registerAuditPages()
	s.registerLineagePages()
	s.registerFilePages()
	s.registerComparePages()
	s.registerDocs()
}

// reply is the response to a request for a page: a view, or the location of the page to go to. The status of a view is
// 200 unless there is another.
type reply struct {
	view     desk.View
	status   int
	location string
}

// page registers a page for callers with the role. Its errors are shown as a page. The handler finds the query and the
// form in the request, and must not call [http.Request.FormValue]: that would also parse a form with files.
func (s *Server) page(
	role Role, method, pattern string, handle func(ctx context.Context, r *http.Request) (reply, error),
) {
	s.router.Method(method, pattern, s.compressed(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin(w, r, maxForm(r)) {
			return
		}
		caller, problem := s.identify(r.Context(), credentials(r))
		if problem != nil {
			s.askToSignIn(w, r, problem)
			return
		}
		exchangeFrom(r.Context()).caller = caller
		if err := parseForm(r); err != nil {
			s.writeRefusal(w, r, problemOf(r.Context(), err))
			return
		}
		if !caller.Role.Includes(role) {
			s.writeRefusal(w, r, newProblem(roleTooLow, fmt.Sprintf("This needs the role %s.", role)))
			return
		}
		answer, err := handle(r.Context(), r)
		switch {
		case err != nil:
			s.writeRefusal(w, r, problemOf(r.Context(), err))
		case answer.location != "":
			http.Redirect(w, r, answer.location, http.StatusSeeOther)
		default:
			s.writePage(w, r, cmp.Or(answer.status, http.StatusOK), answer.view)
		}
	}))
}

// begin sets the headers of a page and the maximum size of the body. It refuses a form of another site, and returns
// false then.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, limit int64) bool {
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.Header().Set("Referrer-Policy", "same-origin")
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Cache-Control", "no-store") // shared computers
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := s.crossOrigin.Check(r); err != nil {
		s.writeRefusal(w, r, newProblem(crossOrigin, "The form was sent by a page of another site."))
		return false
	}
	return true
}

// maxForm returns the maximum size of the body of a form.
func maxForm(r *http.Request) int64 {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return maxUpload
	}
	return maxBody
}

// compressed compresses the responses of the handler.
func (s *Server) compressed(handle http.HandlerFunc) http.HandlerFunc {
	types := []string{"text/html", "text/css", "text/javascript", "image/svg+xml"}
	return middleware.Compress(compression, types...)(handle).ServeHTTP
}

// credentials returns the values of the header Authorization, or the token of the page's cookie as such a value. Only
// requests that change nothing accept the cookie, except for the forms of the page, which check where they come from.
func credentials(r *http.Request) []string {
	if header := r.Header.Values("Authorization"); len(header) > 0 {
		return header
	}
	cookie, err := r.Cookie(tokenCookie)
	if err != nil || cookie.Value == "" {
		return nil
	}
	return []string{"Bearer " + cookie.Value}
}

// callerView returns the caller as the page shows it.
func callerView(ctx context.Context) desk.Caller {
	caller := callerOf(ctx)
	return desk.Caller{
		User: caller.User, Role: string(caller.Role),
		CanEdit: caller.Role.Includes(Tester), CanReview: caller.Role.Includes(Manager),
	}
}

// writePage writes the view in the frame of the page.
func (s *Server) writePage(w http.ResponseWriter, r *http.Request, status int, view desk.View) {
	frame := desk.Frame{Caller: callerView(r.Context())}
	if frame.User != "" && status < http.StatusInternalServerError {
		active, err := s.newestActiveJob(r.Context())
		if err != nil {
			s.writeRefusal(w, r, problemOf(r.Context(), err))
			return
		}
		frame.Active = active
	}
	body, err := s.desk.Render(frame, view)
	if err != nil {
		s.write(w, r, problemOf(r.Context(), err))
		return
	}
	writeHTML(w, status, body)
}

func writeHTML(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// newestActiveJob returns the status of the newest active job, or nil.
func (s *Server) newestActiveJob(ctx context.Context) (*events.JobStatus, error) {
	page, err := s.listJobs(ctx, PageQuery{Limit: 1}, schema.JobFilter{Active: true})
	if err != nil || len(page.Body.Items) == 0 {
		return nil, err
	}
	return &page.Body.Items[0], nil
}

// writeRefusal writes the problem as a page.
func (s *Server) writeRefusal(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.bind(r.Context())
	view := desk.Refusal{
		Caller: callerView(r.Context()), Title: p.Title, Detail: p.Detail, RequestID: p.RequestID,
		Back: localPath(r.Form.Get("back")),
	}
	view.Forbidden = p.Status == http.StatusForbidden && view.User != ""
	for _, e := range p.Errors {
		view.Errors = append(view.Errors, desk.Mistake{Location: e.Location, Message: e.Message})
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	body, err := s.desk.Render(desk.Frame{Caller: view.Caller}, view)
	if err != nil {
		s.write(w, r, p)
		return
	}
	writeHTML(w, p.Status, body)
}

// localPath returns the text if it is a path of this server with an optional query, and else "".
func localPath(text string) string {
	to, err := url.Parse(text)
	if err != nil || to.IsAbs() || to.Host != "" || to.User != nil || !strings.HasPrefix(to.Path, "/") ||
		strings.HasPrefix(text, "//") || strings.Contains(text, `\`) {
		return ""
	}
	return text
}

// parameter returns a parameter of the path.
func parameter(r *http.Request, name string) string {
	value := chi.URLParam(r, name)
	if r.URL.RawPath != "" {
		if plain, err := url.PathUnescape(value); err == nil {
			return plain
		}
	}
	return value
}

// reportOf returns the report in the path.
func reportOf(r *http.Request) ReportPath {
	return ReportPath{CycleID: parameter(r, "cycle_id"), ReportID: parameter(r, "report_id")}
}

// mappingOf returns the mapping in the path.
func mappingOf(r *http.Request) MappingPath {
	return MappingPath{ReportPath: reportOf(r), ID: parameter(r, "id")}
}

// parseForm parses the query and the form of a request, but not a form with files.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(maxBody)
	}
	if err != nil {
		return newProblem(malformed, "The form cannot be read.")
	}
	return nil
}

// decisionOf returns the decision of a form and its comment.
func decisionOf(r *http.Request) (decision schema.ReviewStatus, comment string, err error) {
	switch decision = schema.ReviewStatus(r.PostForm.Get("decision")); decision {
	case schema.ReviewStatusApproved, schema.ReviewStatusRejected, schema.ReviewStatusNeedsRevision:
		comment, err = commentOf(r)
		return decision, comment, err
	default:
		return "", "", newFieldProblem("decision", "must be approved, rejected or needs_revision")
	}
}

// commentOf returns the comment of a form.
func commentOf(r *http.Request) (string, error) {
	comment := normal(r.PostForm.Get("comment"))
	if !isText(comment) || len([]rune(comment)) > maxComment {
		return "", newFieldProblem("comment", "must have at most "+strconv.Itoa(maxComment)+" characters")
	}
	return comment, nil
}

// maxComment is the maximum length of a comment, as in the JSON bodies.
const maxComment = 2000

package api

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5/middleware"
)

// recovered turns a panic into a problem and a log line with the stack. A handler that cannot complete a response that
// it has begun panics with [http.ErrAbortHandler], which closes the connection.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			x := exchangeFrom(r.Context())
			if cause == http.ErrAbortHandler { //nolint:errorlint // a value that is compared, as in net/http
				status := http.StatusInternalServerError
				if x.problem != nil {
					status = x.problem.Status
				}
				x.logResponse(r.Context(), status)
				panic(cause)
			}
			x.log.ErrorContext(r.Context(), "panic", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			if response, ok := w.(middleware.WrapResponseWriter); ok && response.Status() != 0 {
				// The response has already begun, so it can only be aborted.
				x.logResponse(r.Context(), http.StatusInternalServerError)
				panic(http.ErrAbortHandler)
			}
			s.write(w, r, newProblem(internal, internal.advice(x.reads)))
		}()
		next.ServeHTTP(w, r)
	})
}

// readable refuses paths and queries that cannot be stored as text.
func (s *Server) readable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.QueryUnescape(r.URL.RawQuery)
		if err != nil || !isText(query) || !isText(r.URL.Path) {
			s.write(w, r, newProblem(malformed, "The URL must be percent-encoded UTF-8 without the character NUL."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

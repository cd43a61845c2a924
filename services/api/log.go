package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// exchange is what is known of a request and its answer while it is dealt with. One goroutine at a time uses it.
type exchange struct {
	id    string
	began time.Time
	log   *slog.Logger
	// reads says that the request changes nothing, by its method.
	reads   bool
	caller  Caller
	problem *Problem
}

type exchangeKey struct{}

// exchangeFrom returns the exchange of the request that the context belongs to.
func exchangeFrom(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{log: slog.New(slog.DiscardHandler)}
}

// logged writes the first and the last line of every request. It gives the request its id and its place in a trace.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.Add(1)
		defer s.inFlight.Done()
		trace := traceOf(r)
		x := &exchange{id: requestID(r), began: time.Now(), reads: r.Method == http.MethodGet || r.Method == http.MethodHead}
		x.log = s.log.With(requestAttrs(r, x.id, trace)...)
		x.log.InfoContext(r.Context(), "request", "remote", r.RemoteAddr)

		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		answer.Header().Set("X-Request-Id", x.id)
		answer.Header().Set("X-Content-Type-Options", "nosniff")
		answer.Header().Set("Cache-Control", "private, no-cache")
		ctx := context.WithValue(events.WithTraceparent(r.Context(), trace), exchangeKey{}, x)
		if job := namedIn(r.URL.EscapedPath(), "jobs"); job != "" {
			ctx = schema.WithSubject(ctx, job, "")
		}
		next.ServeHTTP(answer, r.WithContext(ctx))
		x.answered(r.Context(), answer.Status())
	})
}

// requestAttrs are the attributes of every line that is about the request.
func requestAttrs(r *http.Request, id string, trace events.Traceparent) []any {
	path := r.URL.EscapedPath()
	attrs := []any{
		slog.String("method", r.Method), slog.String("path", path),
		slog.String("request_id", id), slog.String("trace_id", trace.TraceID()),
	}
	for _, noun := range []struct{ segment, key string }{{"cycles", "cycle_id"}, {"reports", "report_id"}, {"jobs", "job_id"}} {
		if name := namedIn(path, noun.segment); name != "" {
			attrs = append(attrs, slog.String(noun.key, name))
		}
	}
	return attrs
}

// namedIn returns what follows the noun in the path. It looks at the path and not at the route, since the first line is written of
// requests that have none, too.
func namedIn(escapedPath, noun string) string {
	_, rest, found := strings.Cut(escapedPath, "/"+noun+"/")
	segment, _, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(segment)
	if !found || err != nil || noun == "jobs" && name == "active" {
		return ""
	}
	return name
}

// answered writes the last line. The server's own errors are handled here, by writing them down.
func (x *exchange) answered(ctx context.Context, status int) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.Int("status", status), slog.Duration("duration", time.Since(x.began))}
	if x.caller.User != "" {
		attrs = append(attrs, slog.String("user", x.caller.User))
	}
	if x.problem != nil {
		attrs = append(attrs, slog.String("problem", x.problem.Type))
		if x.problem.cause != nil {
			attrs = append(attrs, slog.String("error", x.problem.cause.Error()))
		}
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	x.log.LogAttrs(ctx, level, "answer", attrs...)
}

// requestID is the id that the client gave the request, if it can be written into a log as it is, else a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	strange := func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-_.:", c)
	}
	if id != "" && len(id) <= 128 && !strings.ContainsFunc(id, strange) {
		return id
	}
	return uuid.NewString()
}

// traceOf is this request's step of the trace that the client is in, or of a new one.
func traceOf(r *http.Request) events.Traceparent {
	trace, err := events.ParseTraceparent(r.Header.Get("traceparent"))
	if err != nil {
		return events.NewTraceparent() // a trace context that cannot be read is as good as none
	}
	return trace.Next()
}

// recovered turns a panic into a problem, and into a log line with the stack.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			x := exchangeFrom(r.Context())
			x.log.ErrorContext(r.Context(), "panic", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			if answer, ok := w.(middleware.WrapResponseWriter); ok && answer.Status() != 0 {
				// The answer has begun as something else: all that is left is to break it off.
				x.answered(r.Context(), http.StatusInternalServerError)
				panic(http.ErrAbortHandler)
			}
			s.write(w, r, refuse(internal, "The server's log says more, under this request's id."))
		}()
		next.ServeHTTP(w, r)
	})
}

// readable refuses paths and queries that hold what cannot be kept as text.
func (s *Server) readable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.QueryUnescape(r.URL.RawQuery)
		if err != nil || !isText(query) || !isText(r.URL.Path) {
			s.write(w, r, refuse(malformed, "The URL has to be UTF-8 without the character NUL, percent-encoded."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

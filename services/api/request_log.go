package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// exchange is the state of a request that is being handled. One goroutine at a time uses it.
type exchange struct {
	id    string
	began time.Time
	log   *slog.Logger
	// reads means that the request changes nothing, by its method.
	reads   bool
	caller  Caller
	problem *Problem
}

type exchangeKey struct{}

// exchangeFrom returns the exchange of the request of the context, or an empty one.
func exchangeFrom(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{log: slog.New(slog.DiscardHandler)}
}

// logged logs the first and the last line of every request. It sets the id and the trace of the request.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.Add(1)
		defer s.inFlight.Done()
		trace := traceOf(r)
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		x := &exchange{id: requestID(r), began: time.Now(), reads: reads}
		x.log = s.log.With(requestAttrs(r, x.id, trace)...)
		x.log.InfoContext(r.Context(), "request", "remote", r.RemoteAddr)

		response := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		response.Header().Set("X-Request-Id", x.id)
		response.Header().Set("X-Content-Type-Options", "nosniff")
		response.Header().Set("Cache-Control", "private, no-cache")
		ctx := context.WithValue(events.WithTraceparent(r.Context(), trace), exchangeKey{}, x)
		if job := namedIn(r.URL.EscapedPath(), "jobs"); job != "" {
			ctx = schema.WithSubject(ctx, job, "")
		}
		next.ServeHTTP(response, r.WithContext(ctx))
		x.logResponse(r.Context(), response.Status())
	})
}

// requestAttrs returns the attributes of every log line of the request.
func requestAttrs(r *http.Request, id string, trace events.Traceparent) []any {
	path := r.URL.EscapedPath()
	attrs := []any{
		slog.String("method", r.Method), slog.String("path", path),
		slog.String("request_id", id), slog.String("trace_id", trace.TraceID()),
	}
	for _, noun := range []struct{ segment, key string }{
		{"cycles", "cycle_id"}, {"reports", "report_id"}, {"jobs", "job_id"},
	} {
		if name := namedIn(path, noun.segment); name != "" {
			attrs = append(attrs, slog.String(noun.key, name))
		}
	}
	return attrs
}

// namedIn returns the segment after the noun in the path. It uses the path and not the route, because the first line is
// logged before the request is routed.
func namedIn(escapedPath, noun string) string {
	_, rest, found := strings.Cut(escapedPath, "/"+noun+"/")
	segment, _, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(segment)
	if !found || err != nil || noun == "jobs" && name == "active" {
		return ""
	}
	return name
}

// logResponse logs the last line. Internal errors are handled here, by logging them.
func (x *exchange) logResponse(ctx context.Context, status int) {
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
	x.log.LogAttrs(ctx, level, "response", attrs...)
}

// requestID returns the id that the client has sent if it is safe to log, else a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	unsafe := func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-_.:", c)
	}
	if id != "" && len(id) <= 128 && !strings.ContainsFunc(id, unsafe) {
		return id
	}
	return uuid.NewString()
}

// traceOf returns the next step of the trace of the client, or of a new trace.
func traceOf(r *http.Request) events.Traceparent {
	trace, err := events.ParseTraceparent(r.Header.Get("traceparent"))
	if err != nil {
		return events.NewTraceparent() // an invalid traceparent is ignored, as the specification requires
	}
	return trace.Next()
}

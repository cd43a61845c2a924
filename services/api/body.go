package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// readBody reads and checks the whole body before huma does, so that each thing that can be wrong with it gets its own problem: huma calls
// a body that breaks off an error of the server.
func (s *Server) readBody(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Body == nil {
		next(ctx)
		return
	}
	body, refusal := s.body(ctx.Operation(), w, r)
	if refusal != nil {
		s.write(w, r, refusal)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next(ctx)
}

func (s *Server) body(op *huma.Operation, w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	limit := op.MaxBodyBytes - 1
	if r.ContentLength > limit {
		// Nothing was read: the rest of the connection is body.
		w.Header().Set("Connection", "close")
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, s.bodyProblem(err)
	}
	if len(body) == 0 || op.RequestBody == nil || op.RequestBody.Content[jsonType] == nil {
		return body, nil
	}
	if kinds := r.Header.Values("Content-Type"); len(kinds) != 1 || !isJSON(kinds[0]) {
		return nil, refuse(unknownContentType, "Send the body with Content-Type: application/json.")
	}
	return body, s.checkJSON(op, body)
}

// spooled receives the body into a file, so that a slow upload holds neither memory nor one of the places for imports. A client that asks
// before it sends the body learns at once that there is no place.
func (s *Server) spooled(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	limit := ctx.Operation().MaxBodyBytes - 1
	if r.ContentLength > limit || len(s.imports) == cap(s.imports) {
		next(ctx) // which refuses it before the body is sent
		return
	}
	file, err := os.CreateTemp("", "pdeflow-upload-*")
	if err != nil {
		s.write(w, r, problemOf(r.Context(), fmt.Errorf("file for the upload: %w", err)))
		return
	}
	defer func() { _ = file.Close() }() // it was only read, and goes with the request
	// It has no name any more, so nothing is left of it, however the process ends.
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, http.MaxBytesReader(w, r.Body, limit))
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if _, ours := errors.AsType[*fs.PathError](err); ours {
		s.write(w, r, problemOf(r.Context(), fmt.Errorf("file for the upload: %w", err)))
		return
	}
	if err != nil {
		s.write(w, r, s.bodyProblem(err))
		return
	}
	r.Body = file
	next(ctx)
}

func (s *Server) bodyProblem(err error) *Problem {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return refuse(bodyTimedOut, fmt.Sprintf("A request has to be here within %s.", s.bodyTimeout))
	}
	return refuse(malformed, "The body broke off before it was complete.")
}

func tooLarge(limit int64) *Problem {
	detail := fmt.Sprintf("A request to this route may have at most %d MiB.", limit>>20)
	if limit == maxUpload {
		detail += " Send several, such as one for each file of an import."
	}
	return refuse(bodyTooLarge, detail)
}

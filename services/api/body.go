package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// readBody reads and checks the whole body before huma does, so that each mistake gets its own problem: huma reports a
// truncated body as an internal error.
func (s *Server) readBody(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Body == nil {
		next(ctx)
		return
	}
	body, problem := s.body(ctx.Operation(), w, r)
	if problem != nil {
		s.write(w, r, problem)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next(ctx)
}

func (s *Server) body(op *huma.Operation, w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	limit := op.MaxBodyBytes - 1
	if r.ContentLength > limit {
		// The body was not read, so the connection cannot be used again.
		w.Header().Set("Connection", "close")
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, s.bodyProblem(err)
	}
	if op.RequestBody == nil || op.RequestBody.Content[jsonType] == nil {
		return body, nil
	}
	if len(body) == 0 {
		if op.RequestBody.Required {
			return nil, malformedBody("is required; send JSON")
		}
		return body, nil
	}
	if kinds := r.Header.Values("Content-Type"); len(kinds) != 1 || !isJSON(kinds[0]) {
		return nil, newProblem(unknownContentType, "Send the body with Content-Type: application/json.")
	}
	return body, s.checkJSON(op, body)
}

// spooled receives the body into a file, so that a slow upload uses neither memory nor one of the slots for imports. A
// client that sends Expect: 100-continue learns that there is no free slot before it sends the body.
func (s *Server) spooled(ctx huma.Context, next func(huma.Context)) {
	s.receive(ctx, func(file *os.File) {
		r, _ := humachi.Unwrap(ctx)
		r.Body = file
		next(ctx)
	})
}

// received does what spooled does, for a handler that reads the body from the file, which [receivedFrom] returns. Large
// files have more time.
func (s *Server) received(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	connection := http.NewResponseController(w)
	now := time.Now()
	err := connection.SetReadDeadline(now.Add(s.bodyTimeout * time.Duration(max(1, r.ContentLength/maxUpload))))
	if err == nil {
		err = connection.SetWriteDeadline(now.Add(importTimeout))
	}
	if err != nil {
		s.write(w, r, problemOf(r.Context(), fmt.Errorf("deadline of the import: %w", err)))
		return
	}
	s.receive(ctx, func(file *os.File) {
		r.Body = http.NoBody
		next(huma.WithValue(ctx, receivedKey{}, file))
	})
}

type receivedKey struct{}

// receivedFrom returns the file with the body of the request, at its start.
func receivedFrom(ctx context.Context) *os.File {
	file, _ := ctx.Value(receivedKey{}).(*os.File)
	return file
}

// receive receives the body into a file and calls then, unless the body is too large or no slot is free.
func (s *Server) receive(ctx huma.Context, then func(*os.File)) {
	r, w := humachi.Unwrap(ctx)
	limit := ctx.Operation().MaxBodyBytes - 1
	switch {
	case r.ContentLength > limit:
		w.Header().Set("Connection", "close") // the body was not read, so the connection cannot be used again
		s.write(w, r, tooLarge(limit))
		return
	case len(s.imports) == cap(s.imports):
		s.write(w, r, importsBusy())
		return
	}
	file, problem := s.spool(r.Context(), http.MaxBytesReader(w, r.Body, limit))
	if problem != nil {
		s.write(w, r, problem)
		return
	}
	defer func() { _ = file.Close() }() // the content is no longer needed
	then(file)
}

// spool copies the body to a file, which no longer has a name, so that nothing remains if the process is killed. The
// caller must close the file.
func (s *Server) spool(ctx context.Context, body io.Reader) (*os.File, *Problem) {
	file, err := os.CreateTemp("", "pdeflow-upload-*")
	if err != nil {
		return nil, problemOf(ctx, fmt.Errorf("file for the upload: %w", err))
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, body)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil {
		return file, nil
	}
	_ = file.Close() // the content is incomplete
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, problemOf(ctx, fmt.Errorf("file for the upload: %w", err))
	}
	return nil, s.bodyProblem(err)
}

func (s *Server) bodyProblem(err error) *Problem {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return newProblem(bodyTimedOut, "The request took too long to arrive. Nothing was changed; try again.")
	}
	return newProblem(malformed, "The body is incomplete.")
}

func tooLarge(limit int64) *Problem {
	detail := fmt.Sprintf("A request to this route may have at most %d MiB.", limit>>20)
	if limit == maxUpload {
		detail += " Send several smaller requests."
	}
	return newProblem(bodyTooLarge, detail)
}

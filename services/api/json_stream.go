package api

import (
	"encoding/json"
	"fmt"
	"io"
)

// jsonStream writes JSON piece by piece. After an error it writes nothing more.
type jsonStream struct {
	to io.Writer
	// more reports that the next element follows another one, so that it needs a comma.
	more bool
	err  error
}

func (s *jsonStream) write(text []byte) {
	if s.err == nil {
		_, s.err = s.to.Write(text)
	}
}

// key begins a member of an object.
func (s *jsonStream) key(name string) *jsonStream {
	s.separate()
	s.encode(name)
	s.write([]byte(":"))
	s.more = false
	return s
}

// open begins an object or an array as a member or an element.
func (s *jsonStream) open(bracket string) *jsonStream {
	s.separate()
	s.write([]byte(bracket))
	s.more = false
	return s
}

// close ends an object or an array.
func (s *jsonStream) close(bracket string) *jsonStream {
	s.write([]byte(bracket))
	s.more = true
	return s
}

// value writes a member of an object.
func (s *jsonStream) value(name string, value any) { s.key(name).element(value) }

// element writes an element of an array.
func (s *jsonStream) element(value any) {
	s.separate()
	s.encode(value)
	s.more = true
}

func (s *jsonStream) separate() {
	if s.more {
		s.write([]byte(",\n"))
	}
}

func (s *jsonStream) encode(value any) {
	text, err := json.Marshal(value)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("JSON: %w", err)
	}
	s.write(text)
}

package tabular

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// spool is a temporary file of texts, which need no memory. The file is removed when it is created, so that nothing
// remains if the process is killed. The zero value is empty; it creates the file for the first text.
type spool struct {
	file *os.File
	out  *bufio.Writer
	size int64
}

// spoolError is an error of a temporary file: that of the texts, or the one that is read. It is the server's, and no
// problem of the contents.
type spoolError struct{ error }

// Error implements error.
func (e spoolError) Error() string { return "temporary file: " + e.error.Error() }

func (e spoolError) Unwrap() error { return e.error }

// add appends a text and returns its position.
func (s *spool) add(text []byte) (at int64, err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "pdeflow-rows-*"); err != nil {
			return 0, spoolError{err}
		}
		s.out = bufio.NewWriterSize(s.file, 64<<10)
		if err := os.Remove(s.file.Name()); err != nil {
			return 0, spoolError{err}
		}
	}
	at = s.size
	length := binary.AppendUvarint(nil, uint64(len(text)))
	if _, err = s.out.Write(length); err == nil {
		_, err = s.out.Write(text)
	}
	if err != nil {
		return 0, spoolError{err}
	}
	s.size += int64(len(length) + len(text))
	return at, nil
}

// usualText is the number of bytes that are read to find the length of a text, and for most texts the whole text.
const usualText = 512

// read returns the text at a position.
func (s *spool) read(at int64) ([]byte, error) {
	if s.out.Buffered() > 0 {
		if err := s.out.Flush(); err != nil {
			return nil, spoolError{err}
		}
	}
	start := make([]byte, min(usualText, s.size-at))
	if _, err := s.file.ReadAt(start, at); err != nil {
		return nil, spoolError{err}
	}
	length, n := binary.Uvarint(start)
	if n <= 0 || length > math.MaxInt32 {
		return nil, spoolError{fmt.Errorf("no text at %d", at)}
	}
	if start = start[n:]; length <= uint64(len(start)) {
		return start[:length], nil
	}
	text := make([]byte, length)
	copied := copy(text, start)
	if _, err := s.file.ReadAt(text[copied:], at+int64(n+copied)); err != nil {
		return nil, spoolError{err}
	}
	return text, nil
}

// Close releases the file. A nil spool has none.
func (s *spool) Close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}

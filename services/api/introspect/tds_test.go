//go:build unix

package introspect

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

// The types of packets, and the tokens of responses, of the TDS protocol.
const (
	tdsBatch, tdsReply, tdsAttention, tdsLogin, tdsPrelogin = 1, 4, 6, 16, 18

	tokenColumns, tokenError, tokenLoginAck, tokenRow, tokenDone = 0x81, 0xaa, 0xad, 0xd1, 0xfd
)

// tdsServer speaks as much of the protocol of SQL Server as a client needs that logs in and runs batches of SQL. It is
// no SQL Server: run answers the batches.
type tdsServer struct {
	net.Listener
	// config is nil for a server without TLS.
	config *tls.Config
	// refuse returns the numbers and messages of the errors of a login; none if it is accepted.
	refuse func(tdsLoginRequest) []tdsError
	// run answers a batch. An answer of nil is never sent.
	run func(sql string) ([][]*string, error)

	mu       sync.Mutex
	batches  []string
	login    tdsLoginRequest
	canceled int
}

// tdsLoginRequest is what a client has sent to log in.
type tdsLoginRequest struct {
	user, password, database, program string
	readOnly                          bool
}

// tdsError is an error as the server reports it.
type tdsError struct {
	number  int32
	message string
}

// Error implements error.
func (e tdsError) Error() string { return e.message }

// startTDS starts the server on loopback. It ends with the test.
func startTDS(t *testing.T, s *tdsServer) *tdsServer {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = listener
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				defer func() { _ = conn.Close() }()
				if err := s.serve(ctx, conn); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					s.note("error: " + err.Error())
				}
			})
		}
	})
	return s
}

func (s *tdsServer) note(batch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, batch)
}

func (s *tdsServer) serve(ctx context.Context, raw net.Conn) error {
	var conn io.ReadWriter = raw
	if _, _, err := readTDS(conn); err != nil { // the client's prelogin
		return err
	}
	encryption := byte(2) // not supported
	if s.config != nil {
		encryption = 3 // required
	}
	prelogin := []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, encryption}
	if err := writeTDS(conn, tdsReply, prelogin); err != nil {
		return err
	}
	if s.config != nil {
		wrapped := &tdsHandshake{Conn: raw}
		secure := tls.Server(wrapped, s.config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		wrapped.done = true
		conn = secure
	}
	kind, body, err := readTDS(conn)
	if err != nil || kind != tdsLogin {
		return fmt.Errorf("login: packet %d: %w", kind, err)
	}
	request := parseTDSLogin(body)
	s.mu.Lock()
	s.login = request
	s.mu.Unlock()
	if refused := s.refuse(request); len(refused) > 0 {
		return writeTDS(conn, tdsReply, tdsErrors(refused...))
	}
	name := tdsText("Test")
	ack := append([]byte{1, 0x74, 0, 0, 4, 4}, append(name, 16, 0, 0, 0)...)
	token := append([]byte{tokenLoginAck, byte(len(ack)), 0}, ack...)
	if err := writeTDS(conn, tdsReply, append(token, tdsDone(0)...)); err != nil {
		return err
	}
	for {
		if err := s.serveBatch(conn); err != nil {
			return err
		}
	}
}

func (s *tdsServer) serveBatch(conn io.ReadWriter) error {
	kind, body, err := readTDS(conn)
	if err != nil {
		return err
	}
	if kind == tdsAttention {
		s.mu.Lock()
		s.canceled++
		s.mu.Unlock()
		return writeTDS(conn, tdsReply, tdsDone(0x20))
	}
	headers := binary.LittleEndian.Uint32(body)
	sql := fromTDSText(body[headers:])
	s.note(sql)
	rows, err := s.run(sql)
	if err != nil {
		failed, ok := err.(tdsError) //nolint:errorlint // made by run
		if !ok {
			failed = tdsError{50000, err.Error()}
		}
		return writeTDS(conn, tdsReply, tdsErrors(failed))
	}
	if rows == nil {
		return nil
	}
	return writeTDS(conn, tdsReply, tdsRows(rows))
}

// tdsRows returns rows of nvarchar(4000).
func tdsRows(rows [][]*string) []byte {
	var out []byte
	if len(rows) > 0 {
		out = append(out, tokenColumns, byte(len(rows[0])), 0)
		for range rows[0] {
			out = append(out, 0, 0, 0, 0, 1, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34, 1)
			out = append(out, tdsText("c")...)
		}
	}
	for _, row := range rows {
		out = append(out, tokenRow)
		for _, value := range row {
			if value == nil {
				out = append(out, 0xff, 0xff)
				continue
			}
			text := tdsText(*value)
			out = append(binary.LittleEndian.AppendUint16(out, uint16(len(text))), text...)
		}
	}
	return append(out, tdsDone(0)...)
}

func tdsErrors(all ...tdsError) (out []byte) {
	for _, e := range all {
		text := tdsText(e.message)
		body := binary.LittleEndian.AppendUint32(nil, uint32(e.number))
		body = append(body, 1, 14) // state and class
		body = binary.LittleEndian.AppendUint16(body, uint16(len(text)/2))
		body = append(
			append(body, text...),
			0,
			0,
			0,
			0,
			0,
			0,
		) // no server, no procedure, line 0
		out = binary.LittleEndian.AppendUint16(append(out, tokenError), uint16(len(body)))
		out = append(out, body...)
	}
	return append(out, tdsDone(2)...)
}

func tdsDone(status byte) []byte { return append([]byte{tokenDone, status}, make([]byte, 11)...) }

// tdsText returns the text in UTF-16, and fromTDSText the text of it.
func tdsText(text string) (out []byte) {
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}

func fromTDSText(data []byte) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

func parseTDSLogin(body []byte) tdsLoginRequest {
	field := func(at int) []byte {
		start, length := binary.LittleEndian.Uint16(body[at:]), binary.LittleEndian.Uint16(body[at+2:])
		return bytes.Clone(body[start : int(start)+2*int(length)])
	}
	password := field(44)
	for i, b := range password {
		b ^= 0xa5
		password[i] = b<<4 | b>>4
	}
	return tdsLoginRequest{
		user: fromTDSText(field(40)), password: fromTDSText(password), program: fromTDSText(field(48)),
		database: fromTDSText(field(68)), readOnly: body[26]&32 != 0,
	}
}

// readTDS reads the packets of a message.
func readTDS(from io.Reader) (kind byte, body []byte, err error) {
	for {
		var header [8]byte
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return 0, nil, err
		}
		part := make([]byte, int(binary.BigEndian.Uint16(header[2:]))-len(header))
		if _, err := io.ReadFull(from, part); err != nil {
			return 0, nil, err
		}
		if body = append(body, part...); header[1]&1 != 0 {
			return header[0], body, nil
		}
	}
}

// writeTDS writes a message in packets of at most 4096 bytes.
func writeTDS(to io.Writer, kind byte, body []byte) error {
	for n := byte(1); ; n++ {
		part := body[:min(len(body), 4088)]
		body = body[len(part):]
		last := byte(0)
		if len(body) == 0 {
			last = 1
		}
		header := []byte{kind, last, 0, 0, 0, 0, n, 0}
		binary.BigEndian.PutUint16(header[2:], uint16(len(part)+len(header)))
		if _, err := to.Write(append(header, part...)); err != nil || last == 1 {
			return err
		}
	}
}

// tdsHandshake puts the records of a TLS handshake into packets.
type tdsHandshake struct {
	net.Conn
	left []byte
	done bool
}

// Read implements [net.Conn].
func (h *tdsHandshake) Read(p []byte) (n int, err error) {
	if len(h.left) == 0 {
		if h.done {
			return h.Conn.Read(p)
		}
		if _, h.left, err = readTDS(h.Conn); err != nil {
			return 0, err
		}
	}
	n = copy(p, h.left)
	h.left = h.left[n:]
	return n, nil
}

// Write implements [net.Conn].
func (h *tdsHandshake) Write(p []byte) (int, error) {
	if h.done {
		return h.Conn.Write(p)
	}
	return len(p), writeTDS(h.Conn, tdsPrelogin, p)
}

// url returns the URL of a user of the server.
func (s *tdsServer) url(user, password, query string) string {
	_, port, _ := strings.Cut(s.Addr().String(), ":")
	return fmt.Sprintf("sqlserver://%s:%s@localhost:%s/loans%s", user, password, port, query)
}

// serverTLS returns the configuration of a server and the certificate of its authority. A ticket would be sent after
// the handshake, when a server of TDS sends no record outside of an answer.
func serverTLS(t *testing.T) (config *tls.Config, ca string) {
	t.Helper()
	files := schematest.NewCertificates(t, t.TempDir(), "localhost")
	pair, err := tls.LoadX509KeyPair(files.Server, files.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	config = &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
	}
	return config, string(text)
}

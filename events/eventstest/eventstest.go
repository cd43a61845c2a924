// Package eventstest gives each test a nats-server of its own, which the test may stop, wipe and start again.
package eventstest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events/localnats"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// Server is a nats-server with JetStream on a loopback port that no other test uses, with a temporary store. It
// ends with the test.
type Server struct {
	t       testing.TB
	options localnats.Options
	running *localnats.Server
	url     string
}

// Start runs a server for this test.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartConfig(t, "")
}

// StartConfig runs a server for this test with a configuration file, of which it leaves the client port, the
// monitoring port and the store aside.
func StartConfig(t testing.TB, config string) *Server {
	t.Helper()
	// Below the ephemeral ports of the kernel, so that no other process gets this one while the server is stopped.
	port := 20_000 + rand.IntN(12_000) //nolint:gosec // no secret
	s := &Server{t: t, options: localnats.Options{
		StoreDir:     t.TempDir(),
		Listen:       net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		NextFreePort: true,
		Config:       config,
		Logger:       slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}}
	s.Restart()
	t.Cleanup(s.Stop)
	at, err := url.Parse(s.running.URL())
	if err != nil {
		t.Fatal(err)
	}
	s.url = s.running.URL()
	s.options.Listen, s.options.NextFreePort = at.Host, false
	return s
}

// StartTLS runs a server that accepts only clients with a certificate of the returned files' authority. The config
// is appended to its configuration.
func StartTLS(t testing.TB, config string) (*Server, schematest.Certificates) {
	t.Helper()
	files := schematest.NewCertificates(t, t.TempDir(), "127.0.0.1")
	config = fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n%s",
		files.Server, files.ServerKey, files.CA, config)
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return StartConfig(t, file), files
}

// URL is where the server is, running or not.
func (s *Server) URL() string { return s.url }

// Stop ends the server and waits for it. Connections break; the store stays.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Stop()
		s.running = nil
	}
}

// Wipe removes the store of a server that is stopped: every stream, consumer and message.
func (s *Server) Wipe() {
	s.t.Helper()
	if s.running != nil {
		s.t.Fatal("a store is wiped while its server is stopped: a running one would go on with the files it has open")
	}
	if err := os.RemoveAll(s.options.StoreDir); err != nil {
		s.t.Fatal(err)
	}
}

// Restart starts a stopped server again, on the same port and store.
func (s *Server) Restart() {
	s.t.Helper()
	running, err := localnats.Start(s.t.Context(), s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.running = running
}

// Conn opens a connection that comes back whenever the server does, and that may be opened while the server is
// stopped. It is closed when the test ends. The options given win over its own.
func (s *Server) Conn(t testing.TB, options ...nats.Option) *nats.Conn {
	t.Helper()
	all := append([]nats.Option{
		nats.Name(t.Name()),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(20 * time.Millisecond),
		nats.ReconnectJitter(5*time.Millisecond, 5*time.Millisecond),
	}, options...)
	nc, err := nats.Connect(s.url, all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

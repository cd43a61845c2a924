package schematest

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// FreeAddress returns a loopback host and port on which no process listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t)))
}

// FreePort returns a port of 127.0.0.1 on which no process listens.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it listens on tcp
}

// Proxy is a network between a client and a server. After Forget, it drops what the server sends on the connections
// that are open, without an error to either side, as a firewall does that has forgotten them. New connections work.
type Proxy struct {
	// Address is the host and port for the client.
	Address string

	opened, forgotten atomic.Int64
}

// NewProxy starts a proxy for the server at the address, which works until the test ends. The network is tcp or unix.
func NewProxy(t testing.TB, network, address string) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: listener.Addr().String()}
	ctx := context.WithoutCancel(t.Context())
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				t.Error(err)
				_ = client.Close()
				continue
			}
			number := p.opened.Add(1)
			open.Go(func() { p.forward(client, server, number) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	return p
}

// Forget drops what the server sends from now on over the connections that are open.
func (p *Proxy) Forget() { p.forgotten.Store(p.opened.Load()) }

func (p *Proxy) forward(client, server net.Conn, number int64) {
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(answerWriter(func(b []byte) (int, error) {
			if number <= p.forgotten.Load() {
				return len(b), nil
			}
			return client.Write(b)
		}), server)
		_ = client.Close() // the server has closed it
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	answers.Wait()
}

type answerWriter func(b []byte) (int, error)

func (w answerWriter) Write(b []byte) (int, error) { return w(b) }

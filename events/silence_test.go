package events_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// firewall is a proxy in front of a server. After forget, it drops everything that the server sends on the connections
// that are open, and keeps them open.
type firewall struct {
	address           string
	opened, forgotten atomic.Int64
}

func (w *firewall) forget() { w.forgotten.Store(w.opened.Load()) }

func newFirewall(t *testing.T, server string) *firewall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &firewall{address: listener.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { w.forward(t, client, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		open.Wait()
	})
	return w
}

func (w *firewall) forward(t *testing.T, client net.Conn, address string) {
	number := w.opened.Add(1)
	server, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(writer(func(p []byte) (int, error) {
			if number <= w.forgotten.Load() {
				return len(p), nil
			}
			return client.Write(p)
		}), server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	answers.Wait()
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A firewall that forgets a connection drops its packets, and neither end learns of it. Eventually has the limit.
func TestConnect_ReplacesAConnectionThatIsSilentFor20s(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	w := newFirewall(t, strings.TrimPrefix(f.URL(), "nats://"))
	nc := connect(t, "nats://"+w.address, f.log.Logger())
	js, err := events.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan string, 10)
	run(t, events.Consume(js, events.ClassifierRules(),
		func(_ context.Context, _ events.Delivery, work events.MappingRequested) error {
			received <- work.MappingID
			return nil
		}, f.options()))
	w.forget()
	eventstest.Eventually(t, "the connection is replaced", func() bool { return nc.Stats().Reconnects > 0 })
	f.sendUntilAccepted(t, work("j", "later"))
	if mapping := next(t, received); mapping != "later" {
		t.Errorf("received mapping: got %s, want later", mapping)
	}
}

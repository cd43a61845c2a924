package eventstest_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestServer_KeepsStreamsOverARestartButNotAWipe(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	back := make(chan struct{}, 1)
	js, err := jetstream.New(server.Conn(t, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} })))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", []byte("kept")); err != nil {
		t.Fatal(err)
	}

	server.Stop()
	server.Restart()
	<-back
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if kept := stream.CachedInfo().State.Msgs; kept != 1 {
		t.Errorf("after a restart the stream: got %d messages, want 1", kept)
	}

	server.Stop()
	server.Wipe()
	server.Restart()
	<-back
	if _, err := js.Stream(t.Context(), "S"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("after a wipe the stream: got %v, want not found", err)
	}
}

func TestAConnectionMayBeOpenedBeforeItsServer(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	server.Stop()
	connected := make(chan struct{}, 1)
	nc := server.Conn(t, nats.ConnectHandler(func(*nats.Conn) { connected <- struct{}{} }))
	if nc.IsConnected() {
		t.Fatal("the connection is there though its server is stopped")
	}
	server.Restart()
	<-connected
	if err := nc.Flush(); err != nil {
		t.Error(err)
	}
}

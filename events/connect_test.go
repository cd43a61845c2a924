package events_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestConnect_KeepsThePasswordOutOfErrorsAndLogs(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t"
	log := eventstest.NewLog(t)
	for _, bad := range []string{
		"nats://u:" + password + "@ho st:4222", "nats://u:" + password + "@:4222", "://u:" + password, "nats://u:" +
			password + "%zz@h:1",
	} {
		t.Run(bad, func(t *testing.T) {
			_, err := events.Connect(bad, "test", "", log.Logger())
			if err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("Connect: got %v, want an error without the password", err)
			}
		})
	}
	s := eventstest.Start(t)
	with := strings.Replace(s.URL(), "://", "://u:"+password+"@", 1)
	nc := connect(t, with, log.Logger())
	if !nc.IsConnected() {
		t.Error("not connected")
	}
	s.Stop()
	eventstest.Eventually(
		t,
		"the loss is logged",
		func() bool { return strings.Contains(log.String(), "nats disconnected") || !nc.IsConnected() },
	)
	s.Restart()
	eventstest.Eventually(
		t,
		"the return is logged",
		func() bool { return strings.Contains(log.String(), "nats reconnected") },
	)
	if strings.Contains(log.String(), password) {
		t.Error("the password is in the log")
	}
}

func TestConnect_LogsAWrongPasswordAndRetries(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(config, []byte(`authorization { user: u, password: "right" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := eventstest.StartConfig(t, config)
	log := eventstest.NewLog(t)
	var attempts atomic.Int32
	wrong := connect(
		t,
		strings.Replace(s.URL(), "://", "://u:wr0ng@", 1),
		log.Logger(),
		nats.CustomReconnectDelay(func(int) time.Duration {
			attempts.Add(1)
			return 10 * time.Millisecond
		}),
	)
	eventstest.Eventually(
		t,
		"the reason is logged",
		func() bool { return strings.Contains(log.String(), "Authorization Violation") },
	)
	if strings.Contains(log.String(), "wr0ng") {
		t.Error("the password is in the log")
	}
	if right := connect(t, strings.Replace(s.URL(), "://", "://u:right@", 1), log.Logger()); !right.IsConnected() {
		t.Error("the right password does not connect")
	}
	// By itself the client gives up for good when it is refused twice.
	eventstest.Eventually(t, "it has been tried again", func() bool { return attempts.Load() > 3 })
	s.Stop()
	if err := os.WriteFile(config, []byte(`authorization { user: u, password: "wr0ng" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	eventstest.Eventually(t, "the connection is taken", wrong.IsConnected)
}

func TestConnect_RefusesUnreadableCredentials(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "none.creds")
	_, err := events.Connect("nats://127.0.0.1:1", "test", file, slog.New(slog.DiscardHandler))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Connect: got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestConnect_BeforeTheServerStarts(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	s.Stop()
	nc := connect(t, s.URL(), slog.New(slog.DiscardHandler))
	if nc.IsConnected() {
		t.Fatal("connected to nothing")
	}
	s.Restart()
	eventstest.Eventually(t, "the connection is there", nc.IsConnected)
}

func TestServers_ParsesAsTheClientDoes(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	bare := strings.TrimPrefix(s.URL(), "nats://")
	for _, list := range []string{s.URL(), bare, s.URL() + ",", ", " + bare + " ,nats://127.0.0.1:1"} {
		t.Run(list, func(t *testing.T) {
			if nc := connect(t, list, slog.New(slog.DiscardHandler)); !nc.IsConnected() {
				t.Errorf("Connect(%q): got %s, want a connection", list, nc.Status())
			}
		})
	}
	for _, list := range []string{"", ",", "nats://", "nats://u:secret@"} {
		t.Run(list, func(t *testing.T) {
			_, err := events.Connect(list, "test", "", slog.New(slog.DiscardHandler))
			if err == nil || strings.Contains(err.Error(), "secret") ||
				!strings.Contains(err.Error(), "nats://host:port") {
				t.Errorf("Connect(%q): got %v, want an error with nats://host:port", list, err)
			}
		})
	}
}

package dispatcher

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// on is a dispatcher of the desk's jobs that uses another NATS server.
func (k *fixture) on(serverURL string) *Dispatcher {
	k.T.Helper()
	nc, err := events.Connect(serverURL, k.T.Name(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		k.T.Fatal(err)
	}
	k.T.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		k.T.Fatal(err)
	}
	return New(k.DB, js, eventstest.Topology(), k.Logger(), Options{Interval: time.Nanosecond, Look: time.Nanosecond, LaneLook: time.Nanosecond})
}

// blockedAndNotReady wants the job and the dispatcher to name the reason.
func (k *fixture) blockedAndNotReady(d *Dispatcher, report, reason string) {
	k.T.Helper()
	k.blocked(d, k.job(report, 3), reason)
	_, err := d.turn(k.T.Context())
	d.setReady(err)
	if err := d.Ready(); err == nil || !strings.Contains(err.Error(), reason) {
		k.T.Errorf("ready: %v", err)
	}
}

func TestAJobWaitsForAStreamThatCannotBeCreated(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	if err := k.JS.DeleteStream(t.Context(), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if _, err := k.JS.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVERYTHING", Subjects: []string{"job.>"}}); err != nil {
		t.Fatal(err)
	}
	d := k.dispatcher(Options{})
	k.blockedAndNotReady(d, "cards", "stream PDE_EVENTS: subjects overlap with an existing stream EVERYTHING; remove these subjects")
	if err := k.JS.DeleteStream(t.Context(), "EVERYTHING"); err != nil {
		t.Fatal(err)
	}
	k.Eventually("the turns are whole", func() bool {
		_, err := d.turn(t.Context())
		return err == nil && k.Count("select count(*) from jobs where blocked_by is null") == 1
	})
}

func TestAJobWaitsForAServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	plain, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	plain.Start()
	t.Cleanup(plain.Shutdown)
	k.blockedAndNotReady(k.on(plain.ClientURL()), "cards", "set jetstream { store_dir: ... } in the server's configuration")
}

func TestAJobWaitsForAnAccountWithoutJetStreamOrWithoutRoom(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	for name, tc := range map[string]struct{ config, reason string }{
		"account": {"accounts { A { users: [{user: a, password: a}] } }\nno_auth_user: a", "jetstream: enabled"},
		"streams": {
			"accounts { A { jetstream { max_streams: 1 }\nusers: [{user: a, password: a}] } }\nno_auth_user: a",
			"stream PDE_WORK: maximum number of streams reached; raise max_streams of the account",
		},
		"pending": {"jetstream { limits: { max_ack_pending: 10 } }", "consumer classifier-rules: consumer max ack pending exceeds system limit of 10; set PDEFLOW_NATS_MAX_ACK_PENDING"},
	} {
		file := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(file, []byte(tc.config), 0o600); err != nil {
			t.Fatal(err)
		}
		k.blockedAndNotReady(k.on(eventstest.StartConfig(t, file).URL()), name, tc.reason)
	}
}

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

// on returns a dispatcher that uses another NATS server.
func (f *fixture) on(serverURL string) *Dispatcher {
	f.T.Helper()
	nc, err := events.Connect(serverURL, f.T.Name(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(nc.Close)
	js, err := events.JetStream(nc)
	if err != nil {
		f.T.Fatal(err)
	}
	options := Options{Interval: time.Nanosecond, BellCheck: time.Nanosecond, LaneCheck: time.Nanosecond}
	return New(f.DB, js, eventstest.Topology(), f.Logger(), options)
}

// blockedAndNotReady checks that the job and the dispatcher report the reason.
func (f *fixture) blockedAndNotReady(d *Dispatcher, report, reason string) {
	f.T.Helper()
	f.blocked(d, f.job(report, 3), reason)
	_, err := d.turn(f.T.Context())
	d.setReady(err)
	if err := d.Ready(); err == nil || !strings.Contains(err.Error(), reason) {
		f.T.Errorf("Ready: got %v, want %q", err, reason)
	}
}

func TestAJobWaitsForAStreamThatCannotBeCreated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.JS.DeleteStream(t.Context(), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	other := jetstream.StreamConfig{Name: "EVERYTHING", Subjects: []string{"job.>"}}
	if _, err := f.JS.CreateStream(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	d := f.dispatcher(Options{})
	f.blockedAndNotReady(d, "cards",
		"stream PDE_EVENTS: subjects overlap with an existing stream EVERYTHING; remove these subjects")
	if err := f.JS.DeleteStream(t.Context(), "EVERYTHING"); err != nil {
		t.Fatal(err)
	}
	f.Eventually("a turn is complete", func() bool {
		_, err := d.turn(t.Context())
		return err == nil && f.Count("select count(*) from jobs where blocked_by is null") == 1
	})
}

func TestAJobWaitsForAServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	options := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true}
	plain, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	plain.Start()
	t.Cleanup(plain.Shutdown)
	f.blockedAndNotReady(f.on(plain.ClientURL()), "cards",
		"set jetstream { store_dir: ... } in the server's configuration")
}

func TestAJobWaitsForAnAccountWithoutJetStreamOrWithLowLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, tc := range map[string]struct{ config, reason string }{
		"account": {"accounts { A { users: [{user: a, password: a}] } }\nno_auth_user: a", "jetstream: enabled"},
		"streams": {
			"accounts { A { jetstream { max_streams: 1 }\nusers: [{user: a, password: a}] } }\nno_auth_user: a",
			"stream PDE_WORK: maximum number of streams reached; raise max_streams of the account",
		},
		"pending": {
			"jetstream { limits: { max_ack_pending: 10 } }",
			"consumer classifier-rules: consumer max ack pending exceeds system limit of 10; " +
				"set PDEFLOW_NATS_MAX_ACK_PENDING",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nats.conf")
			if err := os.WriteFile(file, []byte(tc.config), 0o600); err != nil {
				t.Fatal(err)
			}
			f.blockedAndNotReady(f.on(eventstest.StartConfig(t, file).URL()), name, tc.reason)
		})
	}
}

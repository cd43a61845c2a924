package events_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// inAccount is the configuration of a server with one account that has these JetStream limits.
func inAccount(limits string) string {
	return `jetstream { max_file_store: 1GB }
		accounts { A { ` + limits + `
			users: [{user: a, password: a}] } }
		no_auth_user: a`
}

func TestDeclare_NamesTheSettingToCorrect(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config   string
		topology events.Topology
		want     []string
	}{
		"no JetStream in the account": {
			inAccount(""), events.Topology{}, []string{"stream PDE_EVENTS: ", "jetstream: enabled"},
		},
		"too few streams": {
			inAccount("jetstream { max_streams: 1 }"),
			events.Topology{},
			[]string{"stream PDE_WORK: maximum number of streams", "max_streams"},
		},
		"too few consumers": {
			inAccount("jetstream { max_consumers: 1 }"),
			events.Topology{},
			[]string{"consumer classifier-llm: ", "maximum consumers limit reached", "max_consumers"},
		},
		"too little room in the account": {
			inAccount("jetstream { max_file: 10KB }"),
			events.Topology{},
			[]string{"stream PDE_EVENTS: ", "raise max_file of the account or"},
		},
		"too little room on the server": {
			"jetstream { max_file_store: 10KB }",
			events.Topology{},
			[]string{"stream PDE_EVENTS: ", "max_file_store of the server"},
		},
		"fewer messages than may be out": {
			"jetstream { limits: { max_ack_pending: 10 } }",
			events.Topology{},
			[]string{"consumer classifier-rules: ", "limit of 10", "PDEFLOW_NATS_MAX_ACK_PENDING"},
		},
		"replicas without a cluster": {
			"",
			events.Topology{Replicas: 3},
			[]string{"stream PDE_EVENTS: ", "PDEFLOW_NATS_REPLICAS (--nats-replicas) to 1"},
		},
		"a domain that does not exist": {
			"",
			events.Topology{Domain: "none"},
			[]string{`no JetStream answers in the domain "none"`, "NATS_DOMAIN (--nats-domain)"},
		},
		"a domain, and the server's is other": {
			"jetstream { domain: hub }",
			events.Topology{Domain: "leaf"},
			[]string{`in the domain "leaf"`, "NATS_DOMAIN"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, err := tc.topology.JetStream(serverWith(t, tc.config).Conn())
			if err != nil {
				t.Fatal(err)
			}
			err = tc.topology.Declare(t.Context(), js)
			if err == nil {
				_, err = tc.topology.DeclareConsumer(t.Context(), js, events.Auditor(nil))
			}
			if err == nil ||
				slices.ContainsFunc(tc.want, func(text string) bool { return !strings.Contains(err.Error(), text) }) {
				t.Errorf("the error: got %v, want one of %q", err, tc.want)
			}
		})
	}
}

func TestDeclare_ServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	plain, err := server.NewServer(
		&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	plain.Start()
	t.Cleanup(plain.Shutdown)
	js, err := events.JetStream(connect(t, plain.ClientURL(), eventstest.NewLog(t).Logger()))
	if err != nil {
		t.Fatal(err)
	}
	err = events.Topology{}.Declare(t.Context(), js)
	const want = "set jetstream { store_dir: ... } in the server's configuration"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Declare: got %v, want an error with %q", err, want)
	}
}

func TestDeclare_NamesAStreamWithTheSameSubjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.js.CreateStream(
		t.Context(), jetstream.StreamConfig{Name: "EVERYTHING", Subjects: []string{"job.>"}},
	); err != nil {
		t.Fatal(err)
	}
	err := events.Topology{}.Declare(t.Context(), f.js)
	const want = "stream PDE_EVENTS: subjects overlap with an existing stream EVERYTHING; remove these subjects " +
		"from the other stream"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Declare: got %v, want an error with %q", err, want)
	}
	// It stores the events, but the publish fails, because no consumer of pdeflow reads that stream.
	err = f.pub.Publish(t.Context(), events.JobStarted("j1"))
	if got, want := events.BlockedReason(err), "NATS takes no messages: no stream takes the message"; got != want {
		t.Errorf("BlockedReason: got %q, want %q", got, want)
	}
}

func TestDeclare_AccountWithLimits(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		config     string
		topology   events.Topology
		news, work int64
		pending    int
	}{
		"maximum bytes are required": {
			inAccount("jetstream { max_bytes_required: true }"), events.Topology{
				MaxBytes: 30 * mib, MaxWorkBytes: 20 * mib,
			}, 30 * mib, 20 * mib, 4000,
		},
		"maximum bytes are required, and none are set": {
			inAccount(
				"jetstream { max_bytes_required: true, max_file: 90MB }",
			), events.Topology{MaxWorkBytes: mib}, 0, mib, 4000,
		},
		"few messages may be out": {
			"jetstream { limits: { max_ack_pending: 10 } }", events.Topology{
				MaxAckPending: 10, MaxBytes: 30 * mib, Replicas: 1,
			}, 30 * mib, 10 * mib, 10,
		},
		"a domain": {
			"jetstream { domain: hub }", events.Topology{Domain: "hub", MaxBytes: 30 * mib}, 30 * mib, 10 * mib, 4000,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, err := tc.topology.JetStream(serverWith(t, tc.config).Conn())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time changes nothing
				if err := tc.topology.Declare(t.Context(), js); err != nil {
					t.Fatal(err)
				}
			}
			news, work := limitsOf(t, js)
			if tc.news > 0 && news != tc.news || news <= 0 || work != tc.work {
				t.Errorf("bytes of PDE_EVENTS and PDE_WORK: got %d and %d, want %d and %d",
					news, work, tc.news, tc.work)
			}
			consumer, err := js.Consumer(t.Context(), events.StreamWork, events.ClassifierRules().Name)
			if err != nil {
				t.Fatal(err)
			}
			if got := consumer.CachedInfo().Config.MaxAckPending; got != tc.pending {
				t.Errorf("max ack pending: got %d, want %d", got, tc.pending)
			}
			if name := tc.topology.Domain; js.Options().Domain != name {
				t.Errorf("domain: got %q, want %q", js.Options().Domain, name)
			}
			if err := events.NewPublisher(js, "dispatcher").Publish(t.Context(), events.JobStarted("j1")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeclare_AppliesExplicitLimitsToExistingStreams(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	const mib = 1 << 20
	if err := (events.Topology{MaxBytes: 40 * mib, MaxWorkBytes: 30 * mib}).Declare(t.Context(), f.js); err != nil {
		t.Fatal(err)
	}
	if news, work := limitsOf(t, f.js); news != 40*mib || work != 30*mib {
		t.Errorf("bytes of PDE_EVENTS and PDE_WORK: got %d and %d, want %d and %d", news, work, 40*mib, 30*mib)
	}
}

package events_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestTLS_ClientCertificate(t *testing.T) {
	t.Parallel()
	s, files := eventstest.StartTLS(t, "")
	other := schematest.NewCertificates(t, t.TempDir(), "127.0.0.1")
	address := strings.Replace(s.URL(), "tls://", "nats://", 1) // the files are enough
	// Depending on who is faster, the client reads the server's alert or finds the connection closed.
	const refused = "remote error: tls|connection closed by remote after TLS handshake"
	for name, tc := range map[string]struct {
		tls  events.TLS
		want string
	}{
		"all files": {
			events.TLS{CA: files.CA, Certificate: files.Client, Key: files.ClientKey}, "nats connected",
		},
		"no certificate":        {events.TLS{CA: files.CA}, refused},
		"another's certificate": {events.TLS{CA: files.CA, Certificate: other.Client, Key: other.ClientKey}, refused},
		"another's authority": {
			events.TLS{CA: other.CA, Certificate: files.Client, Key: files.ClientKey},
			"certificate signed by unknown authority",
		},
		"the system's authority": {
			events.TLS{Certificate: files.Client, Key: files.ClientKey}, "certificate signed by unknown authority",
		},
	} {
		t.Run(name, func(t *testing.T) {
			options, err := tc.tls.Options()
			if err != nil {
				t.Fatal(err)
			}
			log := eventstest.NewLog(t)
			connect(t, address, log.Logger(), options...)
			eventstest.Eventually(
				t,
				name+": the log has "+tc.want,
				func() bool { return regexp.MustCompile(tc.want).MatchString(log.String()) },
			)
		})
	}
}

func TestTLS_NamesAWrongFile(t *testing.T) {
	t.Parallel()
	files := schematest.NewCertificates(t, t.TempDir(), "127.0.0.1")
	other := schematest.NewCertificates(t, t.TempDir(), "127.0.0.1")
	for want, tls := range map[string]events.TLS{
		"/no/such.pem":              {CA: "/no/such.pem"},
		"has no PEM certificate":    {CA: files.ClientKey},
		"go together":               {Certificate: files.Client},
		"/no/such.key":              {Certificate: files.Client, Key: "/no/such.key"},
		"does not match":            {Certificate: files.Client, Key: other.ClientKey},
		"failed to find any PEM":    {Certificate: "tls_test.go", Key: files.ClientKey},
		"find certificate PEM data": {Certificate: files.ClientKey, Key: files.ClientKey},
	} {
		t.Run(want, func(t *testing.T) {
			if _, err := tls.Options(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Options of %+v: got %v, want an error with %q", tls, err, want)
			}
		})
	}
}

// The client is at a leaf node without JetStream; the streams are at its hub, which has a domain.
func TestTopology_DomainThroughALeafNode(t *testing.T) {
	t.Parallel()
	begin := func(o *server.Options) *server.Server {
		t.Helper()
		o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Shutdown)
		if !s.ReadyForConnections(eventstest.Patience) {
			t.Fatal("the server does not start")
		}
		return s
	}
	hub := &server.Options{JetStream: true, JetStreamDomain: "hub", StoreDir: t.TempDir()}
	hub.LeafNode.Host, hub.LeafNode.Port = "127.0.0.1", server.RANDOM_PORT
	begin(hub)
	at := &url.URL{Scheme: "nats-leaf", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(hub.LeafNode.Port))}
	leaf := &server.Options{}
	leaf.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{at}}}
	leafServer := begin(leaf)
	eventstest.Eventually(t, "the leaf node is connected", func() bool { return leafServer.NumLeafNodes() == 1 })

	nc := connect(t, leafServer.ClientURL(), slog.New(slog.DiscardHandler))
	topology := events.Topology{Domain: "hub", AckWait: time.Second}
	js, err := topology.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(
		t,
		"the streams are declared",
		func() bool { return topology.Declare(t.Context(), js) == nil },
	)
	f := &fixture{nc: nc, js: js, pub: events.NewPublisher(js, "dispatcher"), log: eventstest.NewLog(t)}
	got := make(chan events.MappingRequested, 1)
	run(
		t,
		events.Consume(
			js,
			events.ClassifierRules(),
			func(_ context.Context, _ events.Delivery, w events.MappingRequested) error {
				got <- w
				return nil
			},
			events.Options{Log: f.log.Logger(), Topology: topology},
		),
	)
	f.sendUntilAccepted(t, work("j", "m"))
	if w := next(t, got); w != work("j", "m") {
		t.Errorf("got %+v, want the work of m", w)
	}
	f.workDone(t)
}

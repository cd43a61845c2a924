package events

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// reconnectWait is the pause between attempts to connect, to each server.
	reconnectWait = 250 * time.Millisecond
	// pingInterval, twice, is how long a connection may be dead without anybody noticing.
	pingInterval = 10 * time.Second
	// publishTimeout is how long the acknowledgement of a pipelined message is waited for.
	publishTimeout = 5 * time.Second
)

// Connect opens a connection that never gives up: it succeeds while the server is away, and comes back for as long as it is not closed.
// What is published while it is away fails at once with [ErrDisconnected]: a message kept for later would reach a server whose streams
// may be others by then. Name is what the server shows for it. Credentials, a file, may be empty; a user and a password may stand in
// the URL, which is never logged and never part of an error. More options win over these.
func Connect(serverURL, name, credentials string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	if _, err := Servers(serverURL); err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if credentials != "" {
		// The client reads it whenever it connects, and would try for ever.
		if _, err := os.ReadFile(credentials); err != nil {
			return nil, fmt.Errorf("nats credentials: %w", err)
		}
		more = append([]nats.Option{nats.UserCredentials(credentials)}, more...)
	}
	log = log.With("connection", name)
	refused := &refusals{log: log}
	options := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			// Without an error somebody closed the connection on purpose.
			if err != nil {
				log.Warn("nats is away", "error", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { refused.note(err) }),
		nats.ConnectHandler(func(nc *nats.Conn) { log.Info("nats is connected", "server", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("nats is back", "server", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("nats reports an error", "subject", subject, "error", err)
		}),
	}
	nc, err := nats.Connect(serverURL, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if !nc.IsConnected() {
		log.Warn("nats is not there yet, trying on")
	}
	return nc, nil
}

// refusals logs why attempts to connect fail, each reason when it is another than the last.
type refusals struct {
	log  *slog.Logger
	mu   sync.Mutex
	last string
}

func (r *refusals) note(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := err.Error(); text != r.last {
		r.log.Warn("nats does not take the connection", "error", err)
		r.last = text
	}
}

// Servers reads a NATS URL, which may name several servers of a cluster, with commas between and with or without a scheme, as the client
// does. The error does not repeat the URL, in which a password may stand, as the client's would.
func Servers(serverURL string) ([]*url.URL, error) {
	var servers []*url.URL
	for server := range strings.SplitSeq(serverURL, ",") {
		server = strings.TrimSpace(server)
		if server == "" {
			continue
		}
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		if err != nil || u.Hostname() == "" {
			return nil, errURL
		}
		servers = append(servers, u)
	}
	if len(servers) == 0 {
		return nil, errURL
	}
	return servers, nil
}

var errURL = errors.New("the NATS URL is not of the form nats://host:port or nats://user:password@host:port")

// JetStream is the view of a connection that everything else in this package works with.
func JetStream(nc *nats.Conn) (jetstream.JetStream, error) { return Topology{}.JetStream(nc) }

// JetStream is [JetStream] in the topology's domain.
func (t Topology) JetStream(nc *nats.Conn) (js jetstream.JetStream, err error) {
	if t.Domain == "" {
		js, err = jetstream.New(nc, jetstream.WithPublishAsyncTimeout(publishTimeout))
	} else {
		js, err = jetstream.NewWithDomain(nc, t.Domain, jetstream.WithPublishAsyncTimeout(publishTimeout))
	}
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	return js, nil
}

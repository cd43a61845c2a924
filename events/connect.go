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
	// reconnectWait is the pause between attempts to connect to the same server.
	reconnectWait = 250 * time.Millisecond
	// pingInterval: a dead connection is noticed after two of these.
	pingInterval = 10 * time.Second
	// publishTimeout bounds the wait for the acknowledgement of a pipelined message.
	publishTimeout = 5 * time.Second
)

// Connect opens a connection that reconnects until it is closed. It succeeds even if the server is down. While
// there is no connection, publishing fails at once with [ErrDisconnected]: a buffered message would later
// reach a server whose streams may have been replaced. Name is the connection name that the server shows.
// Credentials is the path of a credentials file, or empty; the URL may contain a user and password and is
// neither logged nor part of an error. The options in more override those of Connect.
func Connect(serverURL, name, credentials string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	if _, err := Servers(serverURL); err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if credentials != "" {
		// The client reads the file at every attempt to connect and would retry a missing one for ever.
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
			// A connection that is closed on purpose has no error.
			if err != nil {
				log.Warn("nats disconnected", "error", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { refused.note(err) }),
		nats.ConnectHandler(func(nc *nats.Conn) { log.Info("nats connected", "server", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectHandler(
			func(nc *nats.Conn) { log.Info("nats reconnected", "server", nc.ConnectedUrlRedacted()) },
		),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("nats error", "subject", subject, "error", err)
		}),
	}
	nc, err := nats.Connect(serverURL, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if !nc.IsConnected() {
		log.Warn("nats is not reachable yet, retrying")
	}
	return nc, nil
}

// refusals logs why attempts to connect fail, once until the reason changes.
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
		r.log.Warn("nats connection failed", "error", err)
		r.last = text
	}
}

// Servers parses a NATS URL as the client does: one or more servers separated by commas, with or without a
// scheme. Unlike the client, it does not repeat the URL in its error, since the URL may contain a password.
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

// JetStream returns the JetStream context of a connection.
func JetStream(nc *nats.Conn) (jetstream.JetStream, error) { return Topology{}.JetStream(nc) }

// JetStream returns the JetStream context of a connection in the topology's domain.
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

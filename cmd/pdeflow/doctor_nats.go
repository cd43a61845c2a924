package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
)

// fullStore is the percentage of a limit above which a warning is due.
const fullStore = 80

// examineNATS checks whether the NATS server responds, has JetStream, has the declared streams and consumers, and has
// space.
func (d *doctor) examineNATS(ctx context.Context, server natsServer, topology events.Topology) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	nc, err := server.connect("pdeflow-doctor", slog.New(slog.DiscardHandler),
		nats.Timeout(natsTimeout), nats.RetryOnFailedConnect(false))
	if err != nil {
		d.found("nats", wrong, connectionAdvice(err),
			"%s: %v", redacted(server.url), err)
		return
	}
	defer nc.Close()
	d.found("nats", fine, "", "nats-server %s responds at %s", nc.ConnectedServerVersion(), redacted(server.url))
	js, err := topology.JetStream(nc)
	if err != nil {
		d.found("jetstream", wrong, "", "%v", err)
		return
	}
	account, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		problem, remedy := events.Explain(err, server.domain)
		d.found("jetstream", wrong, remedy, "%s", problem)
		return
	case err != nil:
		d.found("jetstream", wrong, "allow this user to publish to $JS.API.> and to subscribe to _INBOX.>",
			"no response: %v%s", err, serverError(nc))
		return
	}
	d.judgeSpace("jetstream", int64(account.Store), account.Limits.MaxStore) //nolint:gosec // far below 2^63
	streams, consumers, err := topology.Compare(ctx, js)
	if err != nil {
		d.found("streams", wrong, "allow this user to publish to $JS.API.STREAM.INFO.> and $JS.API.CONSUMER.INFO.>",
			"%v%s", err, serverError(nc))
		return
	}
	d.judgeStreams(streams)
	d.judgeConsumers(consumers)
	if !slices.ContainsFunc(streams, func(s events.StreamState) bool { return s.Missing }) {
		d.judgePublishing(topology.Unpublishable(ctx, js), serverError(nc))
	}
}

// judgePublishing reports the subjects that the user cannot publish to.
func (d *doctor) judgePublishing(refused []events.Unpublishable, serverError string) {
	if len(refused) == 0 {
		d.found("nats publishing", fine, "", "the user can publish to every subject")
		return
	}
	subjects := make([]string, len(refused))
	for i, r := range refused {
		subjects[i] = r.Subject
	}
	d.found("nats publishing", wrong, "allow this user to publish to "+strings.Join(subjects, ", "),
		"%v%s", refused[0].Err, serverError)
}

// connectionAdvice returns what to do about a failed connection.
func connectionAdvice(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "set NATS_CA (--nats-ca) to the certificate of the authority that signed the server's"
	case errors.As(err, &host):
		return "use a host name in NATS_URL (--nats-url) that the server's certificate has"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "unset NATS_CA, NATS_CERT and NATS_KEY, or set tls in the server's configuration: it does not use TLS"
	case strings.Contains(err.Error(), "remote error: tls"),
		strings.Contains(err.Error(), "closed by remote after TLS handshake"):
		return "set NATS_CERT and NATS_KEY (--nats-cert, --nats-key) to a client certificate that the server accepts"
	default:
		return "check that it runs, and the host, user and password in NATS_URL (--nats-url, --nats-creds)"
	}
}

// serverError returns the last error that the server sent on the connection, or "".
func serverError(nc *nats.Conn) string {
	if err := nc.LastError(); err != nil {
		return fmt.Sprintf(" (%v)", err)
	}
	return ""
}

func (d *doctor) judgeSpace(check string, used, limit int64) {
	switch {
	case limit <= 0:
		d.found(check, fine, "", "%d MiB used, limited only by the disk", used>>20)
	case used*100 >= limit*fullStore:
		d.found(check, warned, "raise the limit, or lower the age of PDE_EVENTS: a full store stops publishing",
			"%d of %d MiB used", used>>20, limit>>20)
	default:
		d.found(check, fine, "", "%d of %d MiB used", used>>20, limit>>20)
	}
}

func (d *doctor) judgeStreams(streams []events.StreamState) {
	for _, s := range streams {
		check := "stream " + s.Name
		switch {
		case s.Missing:
			d.found(check, warned, "start pdeflow serve, which declares it", "does not exist")
			continue
		case len(s.Differences) > 0:
			d.found(check, wrong, "start pdeflow serve, which restores it, or delete it: no job is lost",
				"differs from the declaration: %s", strings.Join(s.Differences, ", "))
		default:
			d.judgeSpace(check, s.Bytes, s.MaxBytes)
		}
		if s.Name == events.StreamEvents && !s.Clock.IsZero() {
			d.compareClocks("nats clock", s.Skew)
		}
	}
}

func (d *doctor) judgeConsumers(consumers []events.ConsumerState) {
	for _, c := range consumers {
		pending := count(int64(c.Pending), "message") //nolint:gosec // far below 2^63
		check := "consumer " + c.Name
		switch {
		case c.Missing:
			d.found(check, warned, "start the service that reads it, which declares it", "it does not exist in %s",
				c.Stream)
		case len(c.Differences) > 0:
			d.found(check, wrong, "restart the service that reads it, which restores it",
				"differs from the declaration: %s",
				strings.Join(c.Differences, ", "))
		case c.Paused != "":
			d.found(check, warned, "resume it, unless it was paused on purpose", "%s, %s pending", c.Paused, pending)
		case c.Waiting == 0 && c.Pending > 0:
			d.found(check, warned, "start the service that reads it, unless it runs",
				"%s pending, and no service is reading them", pending)
		default:
			d.found(check, fine, "", "as declared, %s pending", pending)
		}
	}
}

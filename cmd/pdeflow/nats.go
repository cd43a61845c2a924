package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
)

// natsServer holds the settings of a connection to a NATS server. The zero value is no server.
type natsServer struct {
	url, credentials     string
	ca, certificate, key string
	domain               string
}

// NATS flags and their limits.
const (
	flagNATS          = "nats-url"
	flagCredentials   = "nats-creds"
	flagCA            = "nats-ca"
	flagCertificate   = "nats-cert"
	flagKey           = "nats-key"
	flagDomain        = "nats-domain"
	flagEventsBytes   = "nats-events-bytes"
	flagWorkBytes     = "nats-work-bytes"
	flagReplicas      = "nats-replicas"
	flagMaxAckPending = "nats-max-ack-pending"
	minStreamBytes    = 64 << 10
	maxReplicas       = 5
)

// natsFlags returns the flags of a command that connects to NATS.
func (a *app) natsFlags() []cli.Flag {
	flag := func(name, usage, variable string, isFile bool) cli.Flag {
		return &typedFlag{
			StringFlag: &cli.StringFlag{Name: name, Usage: usage, TakesFile: isFile, Sources: a.env(variable)},
		}
	}
	return []cli.Flag{
		flag(flagNATS, "NATS `URL`, such as nats://user:password@host:4222", "NATS_URL", false),
		flag(flagCredentials, "NATS credentials `FILE`", "NATS_CREDS", true),
		flag(flagCA, "PEM `FILE` of the authorities that NATS's certificate is checked against (default: the system's)",
			"NATS_CA", true),
		flag(flagCertificate, "PEM `FILE` of the client certificate for NATS", "NATS_CERT", true),
		flag(flagKey, "PEM `FILE` of the key of the client certificate for NATS", "NATS_KEY", true),
		flag(flagDomain, "JetStream domain of the streams, `NAME` (default: the server's own)", "NATS_DOMAIN", false),
	}
}

// topologyFlags returns the flags of a command that declares or compares the streams.
func (a *app) topologyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name:    flagEventsBytes,
			Usage:   "what PDE_EVENTS may hold, in `BYTES`, such as 2GB (default: 8GB, or what there is)",
			Sources: a.env("PDEFLOW_NATS_EVENTS_BYTES"),
		},
		&cli.StringFlag{
			Name: flagWorkBytes, Usage: "what PDE_WORK may hold, in `BYTES` (default: 64MB, or a third of PDE_EVENTS)",
			Sources: a.env("PDEFLOW_NATS_WORK_BYTES"),
		},
		&cli.IntFlag{
			Name:        flagReplicas,
			Usage:       "keep each stream on `N` servers of a cluster (default: as it is, and 1 for a new one)",
			HideDefault: true, Sources: a.env("PDEFLOW_NATS_REPLICAS"),
		},
		&cli.IntFlag{
			Name:        flagMaxAckPending,
			Usage:       "at most `N` messages of a consumer may be unacknowledged (default: 4000)",
			HideDefault: true, Sources: a.env("PDEFLOW_NATS_MAX_ACK_PENDING"),
		},
	}
}

// natsServerOf reads the flags.
func natsServerOf(cmd *cli.Command) natsServer {
	return natsServer{
		url: cmd.String(flagNATS), credentials: cmd.String(flagCredentials),
		ca: cmd.String(flagCA), certificate: cmd.String(flagCertificate), key: cmd.String(flagKey),
		domain: cmd.String(flagDomain),
	}
}

// dropUntyped clears the settings, except the URL, that come from the environment.
func (n *natsServer) dropUntyped(cmd *cli.Command) {
	for flag, value := range map[string]*string{
		flagCredentials: &n.credentials, flagCA: &n.ca, flagCertificate: &n.certificate, flagKey: &n.key,
		flagDomain: &n.domain,
	} {
		if !typed(cmd, flag) {
			*value = ""
		}
	}
}

// check validates the settings without connecting. It returns nil if there is no server.
func (n natsServer) check() error {
	if n.url == "" {
		return nil
	}
	if _, err := events.Servers(n.url); err != nil {
		return usagef("--%s (NATS_URL): %w", flagNATS, err)
	}
	if n.credentials != "" {
		if _, err := os.ReadFile(n.credentials); err != nil {
			return usagef("--%s (NATS_CREDS): %w; it is a file of NATS credentials", flagCredentials, err)
		}
	}
	if _, err := (events.TLS{CA: n.ca}).Options(); err != nil {
		return usagef("--%s (NATS_CA): %w; it is a file of PEM certificates", flagCA, err)
	}
	if _, err := (events.TLS{Certificate: n.certificate, Key: n.key}).Options(); err != nil {
		return usagef("--%s (NATS_CERT) and --%s (NATS_KEY): %w; both are PEM files, of a client certificate and "+
			"its key", flagCertificate, flagKey, err)
	}
	if strings.ContainsAny(n.domain, " \t.*>") {
		return usagef("--%s (NATS_DOMAIN) cannot be %s: must be one word, as in the server's jetstream { domain: ... }",
			flagDomain, quoted(n.domain))
	}
	return nil
}

// connect opens a connection.
func (n natsServer) connect(name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	options, err := events.TLS{CA: n.ca, Certificate: n.certificate, Key: n.key}.Options()
	if err != nil {
		return nil, fmt.Errorf("nats tls: %w", err)
	}
	return events.Connect(n.url, name, n.credentials, log, append(options, more...)...)
}

// topologyOf reads the flags of the streams on this server.
func topologyOf(cmd *cli.Command, server natsServer) (events.Topology, error) {
	t := events.Topology{
		Domain: server.domain, Replicas: cmd.Int(flagReplicas), MaxAckPending: cmd.Int(flagMaxAckPending),
	}
	var errs [2]error
	t.MaxBytes, errs[0] = streamBytes(cmd, flagEventsBytes, "PDEFLOW_NATS_EVENTS_BYTES")
	t.MaxWorkBytes, errs[1] = streamBytes(cmd, flagWorkBytes, "PDEFLOW_NATS_WORK_BYTES")
	err := errors.Join(errs[:]...)
	if cmd.IsSet(flagReplicas) && (t.Replicas < 1 || t.Replicas > maxReplicas) {
		err = errors.Join(err,
			usagef("--%s (PDEFLOW_NATS_REPLICAS) cannot be %d: must be a number from 1 to %d", flagReplicas, t.Replicas,
				maxReplicas))
	}
	if cmd.IsSet(flagMaxAckPending) && t.MaxAckPending < 1 {
		err = errors.Join(err,
			usagef("--%s (PDEFLOW_NATS_MAX_ACK_PENDING) cannot be %d: must be a number from 1", flagMaxAckPending,
				t.MaxAckPending))
	}
	return t, err
}

// streamBytes parses a number of bytes with the units of nats.conf: 1GB is 1024 MB.
func streamBytes(cmd *cli.Command, flag, variable string) (int64, error) {
	text := cmd.String(flag)
	if text == "" {
		return 0, nil
	}
	digits, shift := strings.ToUpper(text), 0
	for i, unit := range []string{"KB", "MB", "GB", "TB"} {
		if number, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = number, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n<<shift>>shift != n || n<<shift < minStreamBytes {
		return 0,
			usagef("--%s (%s) cannot be %s: must be a number of bytes from 64KB, such as 500MB or 2GB", flag, variable,
				quoted(text))
	}
	return n << shift, nil
}

package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NotDeclaredError is the error of a stream or consumer that the server does not create or update. Its text is for
// operators, names the setting to correct, and is the same for the same cause.
type NotDeclaredError struct {
	// Name is the stream or consumer, such as "stream PDE_EVENTS".
	Name string
	// Domain is the JetStream domain; empty for the server's own.
	Domain string
	// Other is the stream that already has some of the subjects, if that is the cause.
	Other string
	// Err is the server's error.
	Err error
}

func (e *NotDeclaredError) Error() string {
	problem, remedy := Explain(e.Err, e.Domain)
	if e.Other != "" {
		problem += " " + e.Other
	}
	if remedy != "" {
		remedy = "; " + remedy
	}
	return e.Name + ": " + problem + remedy
}

func (e *NotDeclaredError) Unwrap() error { return e.Err }

func (t Topology) notDeclared(name string, err error) error {
	return &NotDeclaredError{Name: name, Domain: t.Domain, Err: err}
}

// Error codes for streams and consumers that the client does not define.
const (
	noPeers                  jetstream.ErrorCode = 10005
	tooManyStreams           jetstream.ErrorCode = 10027
	subjectsOverlap          jetstream.ErrorCode = 10065
	replicasNotSupported     jetstream.ErrorCode = 10074
	maxBytesRequired         jetstream.ErrorCode = 10113
	noLimitsForReplicas      jetstream.ErrorCode = 10120
	maxAckPendingExceeded    jetstream.ErrorCode = 10121
	streamBytesExceedAccount jetstream.ErrorCode = 10122
)

// Explain describes an error of the JetStream API and names the setting that corrects it. Remedy is empty if
// that is unknown.
func Explain(err error, domain string) (problem, remedy string) {
	var api *jetstream.APIError
	if answer, ok := errors.AsType[jetstream.JetStreamError](err); ok {
		api = answer.APIError()
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders) && domain != "":
		return fmt.Sprintf("no JetStream answers in the domain %q", domain),
			"set NATS_DOMAIN (--nats-domain) to the domain in the server's jetstream { domain: ... }, and " +
				"enable JetStream for the account"
	case errors.Is(err, nats.ErrNoResponders):
		return "JetStream does not answer",
			"set jetstream { store_dir: ... } in the server's configuration and jetstream: enabled in the account," +
				" or NATS_DOMAIN (--nats-domain) if the streams are in another domain"
	case api == nil:
		return err.Error(), ""
	default:
		return cmp.Or(api.Description, err.Error()), remedies()[api.ErrorCode]
	}
}

// remedies returns the settings that correct errors of the JetStream API, by code.
func remedies() map[jetstream.ErrorCode]string {
	const serverRoom = "raise max_file of the account or max_file_store of the server, free disk space, or " +
		"remove other streams"
	return map[jetstream.ErrorCode]string{
		jetstream.JSErrCodeJetStreamNotEnabled: "set jetstream { store_dir: ... } in the server's " +
			"configuration",
		jetstream.JSErrCodeJetStreamNotEnabledForAccount: "set jetstream: enabled for the account in the " +
			"server's configuration",
		jetstream.JSErrCodeMaximumConsumersLimit: "raise max_consumers of the account; each stream needs 2",
		tooManyStreams: "raise max_streams of the account, which needs 2 for " +
			"pdeflow, or remove other streams",
		accountFull:       "raise max_file of the account, or remove other streams",
		serverFull:        serverRoom,
		serverStorageFull: serverRoom,
		subjectsOverlap: "remove these subjects from the other stream, or use " +
			"an account that has no such stream",
		noPeers: "set PDEFLOW_NATS_REPLICAS (--nats-replicas) to no " +
			"more than the servers that have JetStream and room",
		replicasNotSupported: "set PDEFLOW_NATS_REPLICAS (--nats-replicas) to 1; " +
			"only a cluster keeps more",
		noLimitsForReplicas: "set a JetStream limit of the account for this number " +
			"of replicas, or change PDEFLOW_NATS_REPLICAS (--nats-replicas)",
		maxBytesRequired: "set PDEFLOW_NATS_EVENTS_BYTES and " +
			"PDEFLOW_NATS_WORK_BYTES (--nats-events-bytes, --nats-work-bytes)",
		maxAckPendingExceeded: "set PDEFLOW_NATS_MAX_ACK_PENDING " +
			"(--nats-max-ack-pending) to at most that",
		streamBytesExceedAccount: "raise max_stream_bytes of the account, or lower PDEFLOW_NATS_EVENTS_BYTES " +
			"and PDEFLOW_NATS_WORK_BYTES" +
			" (--nats-events-bytes, --nats-work-bytes)",
	}
}

// overlapping returns the name of the stream that has one of the subjects; empty if none is found.
func overlapping(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) string {
	for _, subject := range config.Subjects {
		if name, err := js.StreamNameBySubject(ctx, subject); err == nil && name != config.Name {
			return name
		}
	}
	return ""
}

package events

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// The kinds of [Advisory] that report a message which a consumer will not deliver again.
const (
	// AdvisoryMaxDeliveries reports that the message was delivered as often as the consumer allows. A stream with
	// work-queue retention keeps such a message.
	AdvisoryMaxDeliveries = "MAX_DELIVERIES"
	// AdvisoryTerminated reports that a client terminated the message. A work queue has then deleted it.
	AdvisoryTerminated = "MSG_TERMINATED"
)

// advisoryPrefix is the beginning of the subjects PREFIX.KIND.STREAM.CONSUMER, on which the server publishes to all
// clients of the account. Source: docs.nats.io, "JetStream advisories".
const advisoryPrefix = "$JS.EVENT.ADVISORY.CONSUMER."

// Advisory is a notice of the server about a message. The server does not store it: a client that is not connected
// misses it.
type Advisory struct {
	Kind       string `json:"-"`
	Stream     string `json:"stream"`
	Consumer   string `json:"consumer"`
	Sequence   uint64 `json:"stream_seq"`
	Deliveries uint64 `json:"deliveries"`
	// Reason is the reason that the client gave for a termination.
	Reason string `json:"reason"`
}

// SubscribeAdvisories calls handle with each advisory of both kinds about a consumer of the stream, one at a time,
// until the subscription ends. Messages that are no advisory are ignored.
func SubscribeAdvisories(nc *nats.Conn, stream string, handle func(Advisory)) (*nats.Subscription, error) {
	sub, err := nc.Subscribe(advisoryPrefix+"*."+stream+".*", func(m *nats.Msg) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, advisoryPrefix), ".")
		if kind != AdvisoryMaxDeliveries && kind != AdvisoryTerminated {
			return
		}
		a := Advisory{Kind: kind}
		if json.Unmarshal(m.Data, &a) == nil && a.Stream == stream {
			handle(a)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("subscription to the advisories of %s: %w", stream, err)
	}
	return sub, nil
}

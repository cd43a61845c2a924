package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// defaultEventsBytes is room for the events of about ten million mappings.
	defaultEventsBytes = 8 << 30
	// leastEventsBytes is the smallest limit that is tried on a server with little room.
	leastEventsBytes = 64 << 10
	// maxWorkBytes and maxWorkMessages are many times the windows of all jobs.
	maxWorkBytes    = 64 << 20
	maxWorkMessages = 100_000
	leastWorkBytes  = 16 << 10
)

// Keys of the stream metadata that record the limits that pdeflow has set. A limit that differs from the record
// was set by an operator.
const (
	metadataMaxBytes = "pdeflow.max_bytes"
	metadataMaxMsgs  = "pdeflow.max_msgs"
)

// workBytes is the limit of PDE_WORK for a limit of PDE_EVENTS. Unless it is set explicitly, it leaves most of
// the room to events.
func (t Topology) workBytes(eventsBytes int64) int64 {
	return cmp.Or(t.MaxWorkBytes, min(maxWorkBytes, eventsBytes/3))
}

// createStream creates a stream. If the server or the account has less room than the configured limit, the
// limit becomes smaller.
func (t Topology) createStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	want.Replicas = max(want.Replicas, 1)
	least := int64(leastWorkBytes)
	if want.Name == StreamEvents {
		least = leastEventsBytes
	}
	size := want.MaxBytes
	if want.Name == StreamWork {
		// The account may have had less room for PDE_EVENTS than configured.
		if events, err := js.Stream(ctx, StreamEvents); err == nil && events.CachedInfo().Config.MaxBytes > 0 {
			size = min(size, max(t.workBytes(events.CachedInfo().Config.MaxBytes), leastWorkBytes))
		}
	}
	for ; ; size = size / 4 * 3 {
		reserve := size
		if want.Name == StreamEvents {
			// NATS reserves the room of a stream when it is created, so this also finds the room for PDE_WORK.
			reserve += t.workBytes(size)
		}
		_, err := js.CreateStream(ctx, limited(want, reserve))
		if noRoom(err) && size/4*3 >= least {
			continue
		}
		if err != nil || reserve == size {
			return err
		}
		if _, err := js.UpdateStream(ctx, limited(want, size)); err != nil {
			return fmt.Errorf("set max_bytes: %w", err)
		}
		return nil
	}
}

// limited returns the configuration with this limit, and with its limits recorded in the metadata.
func limited(config jetstream.StreamConfig, maxBytes int64) jetstream.StreamConfig {
	config.MaxBytes = maxBytes
	config.Metadata = noted(config.Metadata, metadataMaxBytes, maxBytes)
	if config.MaxMsgs > 0 {
		config.Metadata = noted(config.Metadata, metadataMaxMsgs, config.MaxMsgs)
	}
	return config
}

func noted(metadata map[string]string, key string, value int64) map[string]string {
	all := make(map[string]string, len(metadata)+1)
	for k, v := range metadata {
		all[k] = v
	}
	all[key] = strconv.FormatInt(value, 10)
	return all
}

// noRoom reports whether a stream was refused because its limit exceeds the room of the server or the account.
func noRoom(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode {
	case serverStorageFull, serverFull, accountFull, streamBytesExceedAccount:
		return true
	case noPeers:
		return strings.Contains(api.Description, "storage")
	default:
		return false
	}
}

// limits sets the limits of an existing stream that pdeflow may change: recorded ones if the configuration has
// changed, and missing ones without a record. A limit of an operator, including none, stays.
func (t Topology) limits(have, merged *jetstream.StreamConfig, want jetstream.StreamConfig) {
	own := func(key string, is int64) bool {
		note, ok := have.Metadata[key]
		return ok && note == strconv.FormatInt(is, 10) || !ok && is <= 0
	}
	unset := func(key string, is int64) bool { _, ok := have.Metadata[key]; return !ok && is <= 0 }
	explicit := t.MaxBytes > 0 && want.Name == StreamEvents || t.MaxWorkBytes > 0 && want.Name == StreamWork
	if unset(metadataMaxBytes, have.MaxBytes) ||
		explicit && (own(metadataMaxBytes, have.MaxBytes) || have.MaxBytes != want.MaxBytes) {
		merged.MaxBytes = want.MaxBytes
		merged.Metadata = noted(merged.Metadata, metadataMaxBytes, want.MaxBytes)
	}
	if want.MaxMsgs > 0 && own(metadataMaxMsgs, have.MaxMsgs) {
		merged.MaxMsgs = want.MaxMsgs
		merged.Metadata = noted(merged.Metadata, metadataMaxMsgs, want.MaxMsgs)
	}
}

// updateStream updates an existing stream. If the server has no room for its new limit, the limit becomes
// smaller.
func updateStream(ctx context.Context, js jetstream.JetStream, have, merged jetstream.StreamConfig) error {
	for {
		_, err := js.UpdateStream(ctx, merged)
		if !noRoom(err) || merged.MaxBytes == have.MaxBytes || merged.MaxBytes/4*3 < leastWorkBytes {
			return err
		}
		merged = limited(merged, merged.MaxBytes/4*3)
	}
}

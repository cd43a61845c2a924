package events

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// restoreConsumer compares the consumer with its declaration and restores the differences: an edit by an
// operator, such as a MaxAckPending of 1, would slow down every job without an error. A consumer that is ahead
// of its stream, after a reset or after the stream lost its tail, would skip messages; it is deleted, which
// ends the session, and created again. Errors are ignored here, because the session checks the consumer
// itself.
func (r *Runner) restoreConsumer(ctx context.Context, s *session) {
	info, err := s.consumer.Info(ctx)
	if err != nil || !info.Created.Equal(s.created) {
		s.invalidate()
		return
	}
	r.setPaused(Paused(info))
	declared := r.topology.declared(r.consumer, info.Config)
	if !reflect.DeepEqual(info.Config, declared) {
		if _, err := r.js.UpdateConsumer(ctx, r.consumer.Stream, declared); err != nil {
			r.recurring.Note(ctx, slog.LevelWarn, "consumer differs from its declaration and cannot be restored", err)
			return
		}
		r.log.Warn("consumer was edited, restored", "differences", differences(info.Config, declared))
	}
	if info.NumPending > 0 || info.NumAckPending > 0 {
		return
	}
	stream, err := r.js.Stream(ctx, r.consumer.Stream)
	if err != nil {
		return
	}
	if last := stream.CachedInfo().State.LastSeq; info.Delivered.Stream > last {
		r.log.Warn(
			"consumer is ahead of its stream, creating it again",
			"delivered",
			info.Delivered.Stream,
			"last",
			last,
		)
		if err := r.js.DeleteConsumer(ctx, r.consumer.Stream, r.consumer.Name); err != nil {
			r.recurring.Note(ctx, slog.LevelWarn, "consumer ahead of its stream cannot be deleted", err)
		}
		s.invalidate()
	}
}

// Paused returns why a consumer delivers nothing if an operator has paused it, and "" otherwise. A pause has an
// end and no other purpose than to stop the work, so it is reported and not restored. The text is the same for
// the whole pause.
func Paused(info *jetstream.ConsumerInfo) string {
	if !info.Paused || info.Config.PauseUntil == nil {
		return ""
	}
	return fmt.Sprintf("consumer %s is paused until %s; nats consumer resume %s %s ends the pause", info.Name,
		info.Config.PauseUntil.UTC().Format(time.RFC3339), info.Stream, info.Name)
}

// differences returns the names of the fields in which two configurations differ.
func differences(a, b any) (names []string) {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			names = append(names, va.Type().Field(i).Name)
		}
	}
	return names
}

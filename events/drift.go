package events

import (
	"context"
	"log/slog"
	"reflect"
)

// restoreConsumer compares the consumer with what is declared, and restores what differs: an operator's edit, such as a MaxAckPending of one, would
// slow every job down for good. A consumer that is ahead of its stream, after a reset or after the stream lost its end, would skip messages
// until the stream has caught up; it is deleted, which ends the session, and made anew. An error is left to the session, which asks for
// the consumer itself.
func (r *Runner) restoreConsumer(ctx context.Context, s *session) {
	info, err := s.consumer.Info(ctx)
	if err != nil || !info.Created.Equal(s.created) {
		s.invalidate()
		return
	}
	declared := r.topology.declared(r.consumer, info.Config)
	if !reflect.DeepEqual(info.Config, declared) {
		if _, err := r.js.UpdateConsumer(ctx, r.consumer.Stream, declared); err != nil {
			r.recurring.Note(ctx, slog.LevelWarn, "the consumer differs from what is declared and cannot be changed back", err)
			return
		}
		r.log.Warn("the consumer was changed and has been changed back", "differences", differences(info.Config, declared))
	}
	if info.NumPending > 0 || info.NumAckPending > 0 {
		return
	}
	stream, err := r.js.Stream(ctx, r.consumer.Stream)
	if err != nil {
		return
	}
	if last := stream.CachedInfo().State.LastSeq; info.Delivered.Stream > last {
		r.log.Warn("the consumer is ahead of its stream and is made anew", "delivered", info.Delivered.Stream, "last", last)
		if err := r.js.DeleteConsumer(ctx, r.consumer.Stream, r.consumer.Name); err != nil {
			r.recurring.Note(ctx, slog.LevelWarn, "the consumer that is ahead of its stream cannot be deleted", err)
		}
		s.invalidate()
	}
}

// differences names the fields in which two configurations differ.
func differences(a, b any) (names []string) {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			names = append(names, va.Type().Field(i).Name)
		}
	}
	return names
}

package dispatcher

import (
	"errors"
	"testing"

	"github.com/pdeflow/pdeflow/events"
)

func TestADispatcherIsReadyWhileItsTurnsAreWholeAndNATSIsThere(t *testing.T) {
	t.Parallel()
	k := newFixture(t)
	d := k.dispatcher(Options{})
	if d.Ready() == nil {
		t.Error("it is ready before its first turn")
	}
	k.Run(d.Run)
	k.Eventually("it is ready", func() bool { return d.Ready() == nil })
	k.Exec("alter table jobs rename to gone")
	k.Eventually("it is not ready", func() bool { return d.Ready() != nil && !errors.Is(d.Ready(), events.ErrDisconnected) })
	k.Exec("alter table gone rename to jobs")
	k.Eventually("it is ready again", func() bool { return d.Ready() == nil })
	k.Bus.Stop()
	k.Eventually("it says that NATS is away", func() bool { return errors.Is(d.Ready(), events.ErrDisconnected) })
}

package dispatcher

import (
	"errors"
	"testing"

	"github.com/pdeflow/pdeflow/events"
)

func TestReady_FollowsTheLastTurnAndTheConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := f.dispatcher(Options{})
	if d.Ready() == nil {
		t.Error("Ready before the first turn: got nil, want an error")
	}
	f.Run(d.Run)
	f.Eventually("it is ready", func() bool { return d.Ready() == nil })
	f.Exec("alter table jobs rename to gone")
	f.Eventually("it is not ready", func() bool {
		err := d.Ready()
		return err != nil && !errors.Is(err, events.ErrDisconnected)
	})
	f.Exec("alter table gone rename to jobs")
	f.Eventually("it is ready again", func() bool { return d.Ready() == nil })
	f.Bus.Stop()
	f.Eventually("it reports that NATS is disconnected",
		func() bool { return errors.Is(d.Ready(), events.ErrDisconnected) })
}

package dispatcher

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
)

// Run runs the loop until ctx ends. An error in a turn is logged, and the next turn tries again.
func (d *Dispatcher) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	sub, err := d.js.Conn().Subscribe(events.TopicRegenerateRequested.Filter(), func(*nats.Msg) {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("subscription of the dispatcher: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone, and the subscription with it
	advisories := make(chan events.Advisory, advisoryBuffer)
	watch, err := events.SubscribeAdvisories(d.js.Conn(), events.StreamWork, func(a events.Advisory) {
		select {
		case advisories <- a:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer watch.Unsubscribe() //nolint:errcheck // the same
	connected := d.js.Conn().StatusChanged(nats.CONNECTED)
	defer d.js.Conn().RemoveStatusListener(connected)

	logged := ""
	for {
		more, err := d.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		d.setReady(err)
		logged = d.report(ctx, logged, err)
		pause := d.options.Interval
		switch {
		case more:
			pause = 0
		case d.idle:
			pause *= idlePause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-connected:
			// Messages published just before the connection was lost may be lost too.
			d.forget()
		case <-wake:
		case a := <-advisories:
			d.handleAdvisory(ctx, a)
			for range len(advisories) { // before the next turn, which publishes all their messages
				d.handleAdvisory(ctx, <-advisories)
			}
		case <-time.After(pause):
		}
	}
}

// report logs an error once for each reason, and once when it is over. It returns the text of the logged error.
func (d *Dispatcher) report(ctx context.Context, logged string, err error) string {
	switch {
	case err != nil && err.Error() != logged:
		d.log.WarnContext(ctx, "turn failed, retrying", "error", err)
		return err.Error()
	case err == nil && logged != "":
		d.log.InfoContext(ctx, "turns succeed again")
		return ""
	default:
		return logged
	}
}

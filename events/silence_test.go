package events_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

// A firewall that forgets a connection drops its packets, and neither end learns of it. Eventually has the limit.
func TestConnect_ReplacesAConnectionThatIsSilentFor20s(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	proxy := schematest.NewProxy(t, "tcp", strings.TrimPrefix(f.URL(), "nats://"))
	nc := connect(t, "nats://"+proxy.Address, f.log.Logger())
	js, err := events.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan string, 10)
	run(t, events.Consume(js, events.ClassifierRules(),
		func(_ context.Context, _ events.Delivery, work events.MappingRequested) error {
			received <- work.MappingID
			return nil
		}, f.options()))
	proxy.Forget()
	eventstest.Eventually(t, "the connection is replaced", func() bool { return nc.Stats().Reconnects > 0 })
	f.sendUntilAccepted(t, work("j", "later"))
	if mapping := next(t, received); mapping != "later" {
		t.Errorf("received mapping: got %s, want later", mapping)
	}
}

package events_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

func TestTopology_UnpublishableFindsDeniedSubjectsAndStoresNothing(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(config, []byte(`
		authorization {
			users = [
				{ user: all, password: secret },
				{ user: some, password: secret,
					permissions: { publish: { deny: ["job.finished.>", "mapping.requested.>"] } } },
			]
		}`), 0o600); err != nil {
		t.Fatal(err)
	}
	server := eventstest.StartConfig(t, config)
	refused := func(user string) []string {
		js, err := events.JetStream(server.Conn(t, nats.UserInfo(user, "secret")))
		if err != nil {
			t.Fatal(err)
		}
		if err := (events.Topology{}).Declare(t.Context(), js); err != nil {
			t.Fatal(err)
		}
		var subjects []string
		for _, u := range (events.Topology{}).Unpublishable(t.Context(), js) {
			subjects = append(subjects, u.Subject)
		}
		for _, name := range []string{events.StreamEvents, events.StreamWork} {
			stream, err := js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if n := stream.CachedInfo().State.LastSeq; n != 0 {
				t.Errorf("%s: got %d messages stored, want none", name, n)
			}
		}
		return subjects
	}
	if got := refused("all"); len(got) != 0 {
		t.Errorf("user with every right: got %q refused, want none", got)
	}
	want := []string{"job.finished.*", "mapping.requested.rules.*.*", "mapping.requested.llm.*.*"}
	if got := refused("some"); !slices.Equal(got, want) {
		t.Errorf("user with denied subjects: got %q refused, want %q", got, want)
	}
}

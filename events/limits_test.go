package events_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
)

// serverWith is a server with this configuration of JetStream.
func serverWith(t *testing.T, config string) jetstream.JetStream {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	js, err := events.JetStream(eventstest.StartConfig(t, file).Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// limitsOf returns the limits of bytes of the two streams.
func limitsOf(t *testing.T, js jetstream.JetStream) (news, work int64) {
	t.Helper()
	for name, limit := range map[string]*int64{events.StreamEvents: &news, events.StreamWork: &work} {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		*limit = stream.CachedInfo().Config.MaxBytes
	}
	return news, work
}

func TestDeclare_SharesTheRoomOfTheServer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		store      int64
		news, work int64 // at least
	}{
		"a small one":         {900_000, 450_000, 100_000},
		"that of nats.conf":   {10 << 30, 8 << 30, 64 << 20},
		"one that is smaller": {2 << 30, 1 << 30, 64 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := serverWith(t, fmt.Sprintf("jetstream { max_file_store: %d }", tc.store))
			for range 2 { // the second time changes nothing
				if err := (events.Topology{}).Declare(t.Context(), js); err != nil {
					t.Fatal(err)
				}
				news, work := limitsOf(t, js)
				if news < tc.news || work < tc.work || news+work > tc.store || news < 2*work {
					t.Errorf(
						"PDE_EVENTS and PDE_WORK of %d bytes: got %d and %d, want at least %d and %d",
						tc.store,
						news,
						work,
						tc.news,
						tc.work,
					)
				}
			}
		})
	}
}

func TestDeclare_SharesTheRoomOfAnAccount(t *testing.T) {
	t.Parallel()
	js := serverWith(t, `jetstream { max_file_store: 1GB }
		accounts { A { jetstream { max_file: 900KB, max_streams: 5 }, users: [{user: a, password: a}] } }
		no_auth_user: a`)
	if err := (events.Topology{}).Declare(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	if news, work := limitsOf(t, js); news < 450_000 || work < 100_000 {
		t.Errorf("PDE_EVENTS and PDE_WORK: got %d and %d bytes, want at least 450000 and 100000", news, work)
	}
}

func TestDeclare_KeepsLimitsOfAnOperator(t *testing.T) {
	t.Parallel()
	f := newDeclaredFixture(t)
	set := func(bytes int64, metadata map[string]string) {
		t.Helper()
		config := f.streamConfig(t, events.StreamEvents)
		config.MaxBytes, config.Metadata = bytes, metadata
		if _, err := f.js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	ours := f.streamConfig(t, events.StreamEvents)
	const mib, gib = 1 << 20, 1 << 30
	for name, tc := range map[string]struct {
		set      int64
		metadata map[string]string
		topology events.Topology
		want     int64
	}{
		"stricter":             {mib, ours.Metadata, events.Topology{}, mib},
		"without any":          {-1, ours.Metadata, events.Topology{}, -1},
		"never set":            {-1, nil, events.Topology{}, ours.MaxBytes},
		"set before pdeflow":   {mib, nil, events.Topology{}, mib},
		"pdeflow's":            {ours.MaxBytes, ours.Metadata, events.Topology{}, ours.MaxBytes},
		"set in pdeflow":       {ours.MaxBytes, ours.Metadata, events.Topology{MaxBytes: gib}, gib},
		"set in both, pdeflow": {mib, ours.Metadata, events.Topology{MaxBytes: gib}, gib},
	} {
		t.Run(name, func(t *testing.T) {
			set(tc.set, tc.metadata)
			if err := tc.topology.Declare(t.Context(), f.js); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if now := f.streamConfig(t, events.StreamEvents); now.MaxBytes != tc.want {
				t.Errorf("%s: the limit: got %d, want %d", name, now.MaxBytes, tc.want)
			}
		})
	}
}

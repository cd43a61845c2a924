package localnats_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/events/localnats"
)

func start(t *testing.T, o localnats.Options) *localnats.Server {
	t.Helper()
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := localnats.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func take(t *testing.T) net.Listener {
	t.Helper()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	return taken
}

func TestAnAddressThatWasNamedAndIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	taken := take(t).Addr().String()
	store := t.TempDir()
	_, err := localnats.Start(t.Context(), localnats.Options{StoreDir: store, Listen: taken})
	if err == nil || !strings.Contains(err.Error(), "address "+taken+" is taken") {
		t.Errorf("got error %v, want one that names %s as taken", err, taken)
	}
}

func TestADefaultAddressMovesToTheNextFreePortAndSaysSo(t *testing.T) {
	t.Parallel()
	taken := take(t).Addr().String()
	var log safeBuffer
	s := start(
		t,
		localnats.Options{Listen: taken, NextFreePort: true, Logger: slog.New(slog.NewTextHandler(&log, nil))},
	)
	at, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if at.Host == taken {
		t.Fatalf("address: got %s, which is taken, want another one", taken)
	}
	connect(t, s.URL())
	if said := log.String(); !strings.Contains(said, "moved to the next free port") ||
		!strings.Contains(said, s.URL()) {
		t.Errorf("log: got %q, want the new address", said)
	}
}

func TestServersThatStartAtOnceGetDifferentPorts(t *testing.T) {
	t.Parallel()
	first := take(t).Addr().String()
	var wg sync.WaitGroup
	urls := make([]string, 4)
	for i := range urls {
		store := t.TempDir()
		wg.Go(func() {
			s, err := localnats.Start(
				t.Context(),
				localnats.Options{StoreDir: store, Listen: first, NextFreePort: true},
			)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(s.Stop)
			urls[i] = s.URL()
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, url := range urls {
		if seen[url] {
			t.Errorf("address of two servers: got %s for both, want two", url)
		}
		seen[url] = true
	}
}

func TestAServerComesBackOnItsDirectoryAndAddress(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	// Below the ephemeral ports of the kernel, so that no other process gets this one in between.
	port := 20_000 + rand.IntN(12_000)
	s := start(t, localnats.Options{StoreDir: store, Listen: fmt.Sprintf("127.0.0.1:%d", port), NextFreePort: true})
	js, err := jetstream.New(connect(t, s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Stop() // harmless

	again := start(t, localnats.Options{StoreDir: store, Listen: at.Host})
	if again.URL() != s.URL() {
		t.Errorf("address after the restart: got %s, want %s", again.URL(), s.URL())
	}
	js, err = jetstream.New(connect(t, again.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), "S"); err != nil {
		t.Errorf("stream after the restart: got %v, want nil", err)
	}
}

func TestAConfigurationFileCountsExceptForItsPortsWhereAnAddressIsGiven(t *testing.T) {
	t.Parallel()
	monitoring := take(t).Addr().String()
	config := filepath.Join(t.TempDir(), "nats.conf")
	text := "listen: \"127.0.0.1:1\"\nhttp: \"" + monitoring +
		"\"\nauthorization { users: [ { user: api, password: secret } ] }\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, localnats.Options{Listen: "127.0.0.1:0", Config: config})
	if nc, err := nats.Connect(s.URL()); err == nil {
		nc.Close()
		t.Error("the file asks for a user, and one without was let in")
	}
	connect(t, s.URL(), nats.UserInfo("api", "secret"))
}

func TestOnlyTheUserOfTheURLIsAccepted(t *testing.T) {
	t.Parallel()
	taken := take(t).Addr().String()
	var log safeBuffer
	s := start(t, localnats.Options{
		Listen: taken, NextFreePort: true, User: url.UserPassword("u", "hunter2"),
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	connect(t, s.URL())
	address := "nats://" + strings.TrimPrefix(s.URL(), "nats://u:hunter2@")
	if nc, err := nats.Connect(address); !errors.Is(err, nats.ErrAuthorization) {
		nc.Close()
		t.Errorf("connection without a user: got %v, want an authorization violation", err)
	}
	if strings.Contains(log.String(), "Plaintext") {
		t.Errorf("log: got %q, want no warning about the password", log.String())
	}
	if !strings.Contains(log.String(), address) || strings.Contains(log.String(), "hunter2") {
		t.Errorf("log: got %q, want the address and no password", log.String())
	}
}

func TestAWrongConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(config, []byte("no_such_thing: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]localnats.Options{
		"no_such_thing":         {Config: config, StoreDir: t.TempDir()},
		`"4222"`:                {Listen: "4222", StoreDir: t.TempDir()},
		"from 0 to 65535":       {Listen: "127.0.0.1:http", StoreDir: t.TempDir()},
		"no directory":          {Listen: "127.0.0.1:0"},
		"a user requires":       {Listen: "127.0.0.1:0", StoreDir: t.TempDir(), User: url.User("u")},
		"JetStream":             {Listen: "127.0.0.1:0", StoreDir: config},
		"Can't start JetStream": {Listen: "127.0.0.1:0", StoreDir: notADirectory(t)},
	} {
		t.Run(want, func(t *testing.T) {
			if _, err := localnats.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: the error: got %v, want one with %q", o, err, want)
			}
		})
	}
}

// notADirectory is a store in which JetStream finds a file where its own directory should be.
func notADirectory(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	if err := os.WriteFile(filepath.Join(store, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestAnAddressForEverybodyIsReachedByLoopback(t *testing.T) {
	t.Parallel()
	s := start(t, localnats.Options{Listen: "0.0.0.0:0"})
	if !strings.HasPrefix(s.URL(), "nats://127.0.0.1:") {
		t.Errorf("the URL: got %s, want one on the loopback interface", s.URL())
	}
	connect(t, s.URL())
}

// safeBuffer is a buffer that a server's goroutines write while the test reads.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

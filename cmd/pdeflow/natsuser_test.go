package main

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/events"
)

// readsEvents checks that a client can connect with the URL and find the event stream, and that it is refused without
// the URL's password. It returns the password.
func readsEvents(t *testing.T, natsURL string) (password string) {
	t.Helper()
	u, err := url.Parse(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ = u.User.Password()
	if len(password) < 20 {
		t.Fatalf("password: got %d characters, want at least 20", len(password))
	}
	for name, user := range map[string]*url.Userinfo{
		"no user": nil, "a wrong password": url.UserPassword(u.User.Username(), "x"),
		"a wrong user": url.UserPassword("x", password),
	} {
		t.Run(name, func(t *testing.T) {
			wrong := *u
			wrong.User = user
			nc, err := nats.Connect(wrong.String())
			if err == nil {
				nc.Close()
			}
			if !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("%s: got %v, want an authorization violation", name, err)
			}
		})
	}
	nc, err := nats.Connect(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), events.StreamEvents); err != nil {
		t.Errorf("stream of events: got %v, want nil", err)
	}
	return password
}

func TestServeEmbedsANATSServerThatOnlyAcceptsItsOwnUser(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	serve := begin(ctx, map[string]string{
		"PATH": "/usr/bin:/bin", "PDEFLOW_DATA_DIR": dir, "PDEFLOW_LOG_LEVEL": "debug", "PDEFLOW_LOG_SQL": "1",
	},
		"serve", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	serve.prints(t, "pdeflow started")
	at, err := datadir.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	password := readsEvents(t, at.NATS)
	awaitReady(t, at.HTTP)
	for _, name := range []string{"pdeflow.json", "nats-user"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s: got %o, want 600", name, info.Mode().Perm())
		}
	}
	shown := ""
	for _, command := range [][]string{{"check"}, {"doctor"}, {"doctor", "--json"}, {"rebuild"}} {
		got := pdeflow(t.Context(), map[string]string{"PDEFLOW_LOG_LEVEL": "debug"},
			append(command, "--data-dir", dir)...).ends(t, exitDone)
		shown += got.stdout + got.stderr
	}
	interrupt()
	serve.exits(t, exitDone)
	shown += serve.stdout.String() + serve.stderr.String()
	if strings.Contains(shown, password) {
		t.Errorf("got logs and output\n%s\nwant no password", shown)
	}
}

func TestServeOnATerminalPrintsTheNATSURL(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	a := &app{stdout: &stdout}
	if err := a.showNATS(t.Context(), address{Run: datadir.Run{NATS: "nats://u:p@127.0.0.1:4222"}}); err != nil {
		t.Fatal(err)
	}
	if got := stdout.String(); !strings.Contains(got, "NATS_URL=nats://u:p@127.0.0.1:4222 nats sub 'job.progress.>'") {
		t.Errorf("got %q, want a command with the user and the password", got)
	}
}

var natsCommand = regexp.MustCompile(`(?m)^  NATS_URL=(\S+) nats (.*)$`)

// demoConnects checks that the nats commands that a demo prints can connect.
func demoConnects(t *testing.T, shown string) {
	t.Helper()
	commands := natsCommand.FindAllStringSubmatch(shown, -1)
	if len(commands) != 3 {
		t.Errorf("commands for nats: got %d, want 3", len(commands))
	}
	for _, command := range commands {
		readsEvents(t, command[1])
	}
}

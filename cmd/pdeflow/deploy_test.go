package main_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// repository is the module's root, relative to this package's directory, in which its tests run.
const repository = "../.."

// services are the five services of pdeflow, each a container and a user of nats.conf.
func services() []string {
	return []string{"api", "dispatcher", "classifier", "projector", "auditor"}
}

// natsUsers are the services and the operator.
func natsUsers() []string { return append(services(), "operator") }

func natsPasswordVariable(user string) string {
	return "PDEFLOW_NATS_" + strings.ToUpper(user) + "_PASSWORD"
}

// natsPassword returns a different password for each user and purpose.
func natsPassword(user string) string { return "p" + user + "0123456789" }

// setNATSEnvironment sets every variable that nats.conf reads.
func setNATSEnvironment(t *testing.T) {
	t.Helper()
	t.Setenv("PDEFLOW_NATS_STORE_DIR", t.TempDir())
	for _, user := range natsUsers() {
		t.Setenv(natsPasswordVariable(user), natsPassword(user))
	}
}

// startConfiguredNATS runs a nats-server on the repository's nats.conf, at free ports, until the test ends. [natsURL]
// returns the URLs of its users.
func startConfiguredNATS(t *testing.T) *server.Server {
	t.Helper()
	setNATSEnvironment(t)
	opts, err := server.ProcessConfigFile(filepath.Join(repository, "nats.conf"))
	if err != nil {
		t.Fatalf("nats.conf: got %v, want nil", err)
	}
	opts.Port, opts.HTTPPort = server.RANDOM_PORT, server.RANDOM_PORT
	opts.NoSigs, opts.NoLog = true, true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatalf("new server: %v", err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server on nats.conf is not ready after 10 s")
	}
	return srv
}

func natsURL(srv *server.Server, user, password string) string {
	u := url.URL{Scheme: "nats", Host: srv.Addr().String(), User: url.UserPassword(user, password)}
	return u.String()
}

func TestNATSConfigurationAcceptsEachServiceAsItsOwnUser(t *testing.T) {
	srv := startConfiguredNATS(t)
	for _, user := range natsUsers() {
		nc, err := nats.Connect(natsURL(srv, user, natsPassword(user)))
		if err != nil {
			t.Errorf("user %s: got %v, want a connection", user, err)
			continue
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatalf("jetstream: %v", err)
		}
		if _, err := js.AccountInfo(t.Context()); err != nil {
			t.Errorf("JetStream of %s: got %v, want nil", user, err)
		}
	}
}

func TestNATSConfigurationRefusesUnknownUsers(t *testing.T) {
	srv := startConfiguredNATS(t)
	strangers := map[string]string{
		"a wrong password":        natsURL(srv, "api", "p0123456789"),
		"another user's password": natsURL(srv, "api", natsPassword("operator")),
		"no password":             natsURL(srv, "api", ""),
		"no such user":            natsURL(srv, "nobody", natsPassword("api")),
		"no user at all":          srv.ClientURL(),
	}
	for who, address := range strangers {
		t.Run(who, func(t *testing.T) {
			nc, err := nats.Connect(address)
			if err == nil {
				nc.Close()
				t.Errorf("%s: got a connection, want an authorization violation", who)
			} else if !strings.Contains(err.Error(), "Authorization Violation") {
				t.Errorf("%s: got %v, want an authorization violation", who, err)
			}
		})
	}
}

func TestNATSConfigurationNamesAMissingPassword(t *testing.T) {
	for _, user := range natsUsers() {
		t.Run(user, func(t *testing.T) {
			setNATSEnvironment(t)
			variable := natsPasswordVariable(user)
			if err := os.Unsetenv(variable); err != nil { // after Setenv, which restores it
				t.Fatal(err)
			}
			_, err := server.ProcessConfigFile(filepath.Join(repository, "nats.conf"))
			if err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("without %s: got error %v, want one that names it", variable, err)
			}
		})
	}
}

func TestNATSConfigurationMatchesItsComments(t *testing.T) {
	setNATSEnvironment(t)
	opts, err := server.ProcessConfigFile(filepath.Join(repository, "nats.conf"))
	if err != nil {
		t.Fatalf("nats.conf: got %v, want nil", err)
	}
	if opts.Host != "127.0.0.1" || opts.Port != 4222 {
		t.Errorf("clients: got %s:%d, want the usual port on loopback", opts.Host, opts.Port)
	}
	if opts.HTTPHost != "127.0.0.1" || opts.HTTPPort != 8222 {
		t.Errorf("monitoring: got %s:%d, want the usual port on loopback", opts.HTTPHost, opts.HTTPPort)
	}
	if !opts.JetStream || opts.StoreDir != os.Getenv("PDEFLOW_NATS_STORE_DIR") {
		t.Errorf("JetStream: got %v in %q, want the directory of the environment", opts.JetStream, opts.StoreDir)
	}
	if opts.SyncAlways || opts.SyncInterval != 2*time.Minute {
		t.Errorf("sync interval: got %v, always %v, want 2m", opts.SyncInterval, opts.SyncAlways)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// moduleVersion returns the version of a module in go.mod, without the v.
func moduleVersion(t *testing.T, module string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(module) +
		` v(\S+)`).FindStringSubmatch(readFile(t, "go.mod"))
	if match == nil {
		t.Fatalf("go.mod: got no requirement of %s, want one", module)
	}
	return match[1]
}

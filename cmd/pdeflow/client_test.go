package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

// unusedAddress returns the URL of a port on which nothing listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + listener.Addr().String()
}

// runningOn creates a data directory with a run file that names the URL and the token.
func runningOn(t *testing.T, server, token, database string) (dir string) {
	t.Helper()
	dir, err := datadir.Make(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := datadir.WriteToken(dir, token)
	if err != nil {
		t.Fatal(err)
	}
	published, err := datadir.Publish(dir, datadir.Run{
		HTTP: server, NATS: "nats://local", Database: database, TokenFile: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := published.Remove(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// recordingServer returns a server that records the tokens it receives and lists no jobs.
func recordingServer(t *testing.T) (url string, tokens *[]string) {
	t.Helper()
	tokens = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*tokens = append(*tokens, r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"items": [], "next_cursor": null}`))
	}))
	t.Cleanup(server.Close)
	return server.URL, tokens
}

func TestAServerIsFoundByItsRunFileUnlessFlagsSelectOne(t *testing.T) {
	t.Parallel()
	here, hereTokens := recordingServer(t)
	there, thereTokens := recordingServer(t)
	dir := runningOn(t, here, "local", "")
	tests := map[string]struct {
		args        []string
		environment map[string]string
		local, away []string
	}{
		"the directory that is typed": {args: []string{"--data-dir", dir}, local: []string{"Bearer local"}},
		"the directory of the environment": {
			environment: map[string]string{"PDEFLOW_DATA_DIR": dir}, local: []string{"Bearer local"},
		},
		"the server that is typed": {args: []string{"--server", there, "--data-dir", dir}, away: []string{""}},
		"the server of the environment": {
			environment: map[string]string{"PDEFLOW_SERVER": there, "PDEFLOW_DATA_DIR": dir}, away: []string{""},
		},
		"typed before the environment": {
			args: []string{"--data-dir", dir}, environment: map[string]string{"PDEFLOW_SERVER": there},
			local: []string{"Bearer local"},
		},
		"the same server, named": {
			args: []string{"--server", here + "/", "--data-dir", dir}, local: []string{"Bearer local"},
		},
		"a token that is typed": {
			args: []string{"--data-dir", dir, "--token", "mine"}, local: []string{"Bearer mine"},
		},
		"a token of the environment": {
			args: []string{"--server", there}, environment: map[string]string{"PDEFLOW_TOKEN": "mine"},
			away: []string{"Bearer mine"},
		},
		"typed before the environment's token": {
			args: []string{"--data-dir", dir}, environment: map[string]string{
				"PDEFLOW_SERVER": there, "PDEFLOW_TOKEN": "other",
			}, local: []string{"Bearer local"},
		},
		"a token typed with a directory": {
			args:        []string{"--data-dir", dir, "--token", "mine"},
			environment: map[string]string{"PDEFLOW_TOKEN": "other"}, local: []string{"Bearer mine"},
		},
		"a token typed that the environment has as well": {
			args:        []string{"--data-dir", dir, "--token", "mine"},
			environment: map[string]string{"PDEFLOW_TOKEN": "mine"}, local: []string{"Bearer mine"},
		},
		"a server typed that the environment has as well": {
			args:        []string{"--data-dir", dir, "--server", there},
			environment: map[string]string{"PDEFLOW_SERVER": there, "PDEFLOW_TOKEN": "other"},
			away:        []string{"Bearer other"},
		},
		"flags before, of which the environment has one as well": {
			args:        []string{"--data-dir", dir, "--token", "mine"},
			environment: map[string]string{"PDEFLOW_TOKEN": "mine"}, local: []string{"Bearer mine"},
		},
		"flags before the name of the subcommand": {args: []string{"--data-dir", dir}, local: []string{"Bearer local"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			*hereTokens, *thereTokens = nil, nil
			args := append([]string{"jobs", "list"}, tt.args...)
			if strings.HasPrefix(name, "flags before") {
				args = append(append([]string{"jobs"}, tt.args...), "list")
			}
			got := pdeflow(t.Context(), tt.environment, args...)
			if got.code != exitDone {
				t.Errorf("%s: got exit code %d, want 0: %s", name, got.code, got.stderr)
			}
			if strings.Join(*hereTokens, "|") != strings.Join(tt.local, "|") ||
				strings.Join(*thereTokens, "|") != strings.Join(tt.away, "|") {
				t.Errorf("%s: got tokens %q for the local server and %q for the other, want %q and %q",
					name, *hereTokens, *thereTokens, tt.local, tt.away)
			}
		})
	}
}

func TestAMissingServerIsReportedWithAdvice(t *testing.T) {
	t.Parallel()
	where := unusedAddress(t)
	pdeflow(t.Context(), nil, "jobs", "list", "--server", where).
		ends(t, exitFailed, "no server listens at "+where, "pdeflow serve", "--server (PDEFLOW_SERVER)")
	began := time.Now()
	pdeflow(t.Context(), nil, "jobs", "watch", "x", "--server", where).ends(t, exitFailed,
		"no server listens at "+where)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("a server that never responds: got an error after %v, want it within %v", took, patience/2)
	}
	pdeflow(t.Context(), nil, "jobs", "list", "--server", "http://no-such-host.invalid").ends(t, exitFailed,
		"http://no-such-host.invalid does not respond")
}

func TestATypedDirectoryWithoutAServerIsWrongUsage(t *testing.T) {
	t.Parallel()
	production, tokens := recordingServer(t)
	empty := t.TempDir()
	environment := map[string]string{
		"PDEFLOW_SERVER": production, "PDEFLOW_TOKEN": "other",
		"DATABASE_URL": "postgres://user@127.0.0.1:1/production",
	}
	for _, command := range []string{
		"jobs list", "jobs cancel x", "regenerate --cycle c --report r", "mappings list --cycle c --report r",
		"migrate", "migrate status", "check", "rebuild", "audit list", "audit tail", "audit verify",
	} {
		for _, environment := range []map[string]string{nil, environment} {
			pdeflow(t.Context(), environment, append(strings.Fields(command), "--data-dir", empty)...).
				ends(t, exitUsage, "no pdeflow is running on data directory "+empty,
					"pdeflow serve --data-dir "+empty+" starts one", "leave --data-dir out")
		}
	}
	if len(*tokens) > 0 {
		t.Errorf("the environment's server got %q, want no request", *tokens)
	}
}

func TestAServerThatIsNotPdeflowIsRecognised(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]int{
		"<html>not here</html>": http.StatusNotFound, "<html>welcome</html>": http.StatusOK,
		`{"title":"no"}`: http.StatusForbidden,
	} {
		t.Run(body, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				_, _ = w.Write([]byte(body))
			}))
			got := pdeflow(t.Context(), nil, "jobs", "list", "--json", "--server", server.URL).ends(t, exitFailed,
				server.URL, "not a pdeflow server", "--server")
			if strings.Contains(got.stdout+got.stderr, "html") {
				t.Errorf("got the output %s, want no HTML page", got.stdout+got.stderr)
			}
			server.Close()
		})
	}
}

func TestAProblemIsPrintedAsSentencesOrJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t, schema.ServiceAPI)
	ids := schematest.Report(t, f.db, 2)
	with := func(token string, args ...string) result {
		environment := f.environment()
		environment["PDEFLOW_TOKEN"] = token
		return pdeflow(t.Context(), environment, args...)
	}
	viewer, err := api.SignToken(testSecret, "vera", api.Viewer, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	regenerate := []string{"regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID}
	replies := []result{
		with("", "jobs", "list"),
		with("nonsense", "jobs", "list"),
		with(viewer, regenerate...),
		f.pdeflow("jobs", "status", "no-such-job"),
		f.pdeflow("jobs", "items", "no such/job"),
		f.pdeflow("regenerate", "--cycle", "none", "--report", "none"),
		f.pdeflow(append(regenerate, "--classifier", "llm")...),
		f.pdeflow(append(regenerate, "--mapping-id", "x,y", "--mapping-id", ids[0])...),
		f.pdeflow("mappings", "list", "--cycle", schematest.CycleID, "--report", schematest.ReportID,
			"--min-confidence", "9", "--max-confidence", "3"),
		f.pdeflow("mappings", "show", "--cycle", schematest.CycleID, "--report", schematest.ReportID, "none"),
		f.pdeflow("jobs", "watch", "no-such-job"),
		f.pdeflow("jobs", "status", "no-such-job", "--json"),
	}
	for _, reply := range replies {
		reply.ends(t, exitFailed)
	}
	golden(t, "problems", transcript(replies...))
}

func TestADatabaseIsFoundByTheRunFileUnlessFlagsSelectOne(t *testing.T) {
	t.Parallel()
	database := schematest.URL(t)
	dir := runningOn(t, unusedAddress(t), "t", database)
	const wrong = "postgres://user@127.0.0.1:1/none?connect_timeout=1"
	for name, tt := range map[string]struct {
		args        []string
		environment map[string]string
	}{
		"typed": {
			args: []string{"--database-url", database}, environment: map[string]string{"DATABASE_URL": wrong},
		},
		"of the environment":   {environment: map[string]string{"DATABASE_URL": database}},
		"of the directory":     {args: []string{"--data-dir", dir}},
		"of the environment's": {environment: map[string]string{"PDEFLOW_DATA_DIR": dir}},
		"typed before the environment": {
			args: []string{"--data-dir", dir}, environment: map[string]string{"DATABASE_URL": wrong},
		},
		"typed, with a directory": {args: []string{"--database-url", database, "--data-dir", t.TempDir()}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pdeflow(t.Context(), tt.environment,
				append([]string{"migrate", "status"}, tt.args...)...); got.code != exitDone {
				t.Errorf("%s: got exit code %d, want 0: %s", name, got.code, got.stderr)
			}
		})
	}
	pdeflow(t.Context(), nil, "check", "--database-url", wrong).ends(t, exitFailed, "database none on 127.0.0.1:1")
	secret := "postgres://u:hunter2@host:notaport/d"
	got := pdeflow(t.Context(), map[string]string{"DATABASE_URL": secret}, "check").ends(t, exitUsage, "database URL",
		"--database-url (DATABASE_URL)")
	if strings.Contains(got.stderr, "hunter2") {
		t.Errorf("got the output %s, want one without the password", got.stderr)
	}
}

func TestNATSBelongsToTheDatabaseUnlessItIsTyped(t *testing.T) {
	t.Parallel()
	dir := runningOn(t, unusedAddress(t), "t", "postgres:///local")
	const environmentURL, mine = "nats://environment", "nats://mine"
	creds, other := file(t, "environment.creds", ""), file(t, "mine.creds", "")
	environment := map[string]string{
		"DATABASE_URL": "postgres:///environment", "NATS_URL": environmentURL, "NATS_CREDS": creds,
		"NATS_DOMAIN": "hub",
	}
	for name, tt := range map[string]struct {
		args        []string
		environment map[string]string
		want        servers
	}{
		"of the environment": {
			nil, environment, servers{
				"postgres:///environment", natsServer{url: environmentURL, credentials: creds, domain: "hub"},
			},
		},
		"of the directory": {
			[]string{"--data-dir", dir},
			environment,
			servers{database: "postgres:///local", nats: natsServer{url: "nats://local"}},
		},
		"none, with a typed database": {
			[]string{"--database-url", "postgres:///mine"}, environment, servers{database: "postgres:///mine"},
		},
		"typed, with a database": {
			[]string{"--database-url", "postgres:///mine", "--nats-url", mine},
			environment,
			servers{database: "postgres:///mine", nats: natsServer{url: mine}},
		},
		"typed, with the environment's database": {
			[]string{"--nats-url", mine},
			environment,
			servers{database: "postgres:///environment", nats: natsServer{url: mine}},
		},
		"typed, and the environment's as well": {
			[]string{"--database-url", "postgres:///environment", "--nats-url", environmentURL},
			environment,
			servers{database: "postgres:///environment", nats: natsServer{url: environmentURL}},
		},
		"typed with its credentials": {
			[]string{"--nats-url", mine, "--nats-creds", other},
			environment,
			servers{"postgres:///environment", natsServer{url: mine, credentials: other}},
		},
		"of the environment, with credentials that are typed": {
			[]string{"--nats-creds", other},
			environment,
			servers{"postgres:///environment", natsServer{url: environmentURL, credentials: other, domain: "hub"}},
		},
		"typed, with a directory": {
			[]string{"--data-dir", dir, "--nats-url", mine},
			environment,
			servers{database: "postgres:///local", nats: natsServer{url: mine}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var at servers
			a := &app{
				stdout: io.Discard, stderr: io.Discard,
				getenv: func(name string) string { return tt.environment[name] },
			}
			command := a.checkCommand()
			command.Action = func(_ context.Context, cmd *cli.Command) (err error) {
				at, err = a.locate(cmd)
				return err
			}
			if err := command.Run(t.Context(), append([]string{"check"}, tt.args...)); err != nil || at != tt.want {
				t.Errorf("%s: got %+v (%v), want %+v", name, at, err, tt.want)
			}
		})
	}
}

func TestATokenIsSignedWithTheSecretOfTheServer(t *testing.T) {
	t.Parallel()
	dir := runningOn(t, unusedAddress(t), "t", "")
	secret, err := datadir.Secret(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		secret      string
		environment map[string]string
		args        []string
	}{
		"that is named": {
			string(testSecret),
			map[string]string{"PDEFLOW_AUTH_SECRET": string(testSecret)},
			[]string{"--data-dir", dir},
		},
		"of the directory":     {secret, nil, []string{"--data-dir", dir}},
		"of the one that runs": {secret, map[string]string{"PDEFLOW_DATA_DIR": dir}, nil},
		"of the directory by default": {
			secret, map[string]string{"XDG_DATA_HOME": filepath.Dir(dir), "PDEFLOW_DATA_DIR": dir}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := pdeflow(t.Context(), tt.environment,
				append([]string{"token", "--user", "tina", "--role", "tester", "--ttl", "1h"}, tt.args...)...).ends(t,
				exitDone)
			verify, err := api.SecretVerifier([]byte(tt.secret))
			if err != nil {
				t.Fatal(err)
			}
			caller, err := verify(t.Context(), strings.TrimSpace(got.stdout))
			if err != nil || caller != (api.Caller{User: "tina", Role: api.Tester}) {
				t.Errorf("secret %s: got claims %+v (%v), want the tester tina", name, caller, err)
			}
		})
	}
	for _, without := range []string{filepath.Join(t.TempDir(), "none"), runningOn(t, unusedAddress(t), "t", "")} {
		pdeflow(t.Context(), nil, "token", "--user", "tina", "--role", "tester", "--data-dir", without).
			ends(t, exitUsage, "there is no secret to sign with", "PDEFLOW_AUTH_SECRET (--auth-secret)", without)
		if _, err := os.Stat(filepath.Join(without, "secret")); err == nil {
			t.Errorf("got a new secret in %s, want none", without)
		}
	}
}

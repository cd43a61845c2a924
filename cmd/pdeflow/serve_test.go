package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestWrongSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment map[string]string
		args        []string
		code        int
		want        []string
	}{
		"fewer services than all without servers": {
			args: []string{"serve", "--services", "api"}, code: exitUsage, want: []string{"DATABASE_URL", "NATS_URL"},
		},
		"a service that does not exist": {
			args: []string{"serve", "--services", "api,web"}, code: exitUsage,
			want: []string{"--services", "api, dispatcher, classifier, projector, auditor"},
		},
		"a log level that does not exist": {
			environment: map[string]string{"PDEFLOW_LOG_LEVEL": "loud"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_LOG_LEVEL", "debug, info, warn, error"},
		},
		"a classifier without a model": {
			environment: map[string]string{"PDEFLOW_CLASSIFIER": "llm"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_CLASSIFIER", "PDEFLOW_LLM", "PDEFLOW_LLM_MODEL"},
		},
		"a classifier that does not exist": {
			environment: map[string]string{"PDEFLOW_CLASSIFIER": "magic"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_CLASSIFIER", "rules, llm, hybrid"},
		},
		"a protocol that does not exist": {
			environment: map[string]string{"PDEFLOW_LLM": "magic"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_LLM", "openai, anthropic"},
		},
		"a model without a protocol": {
			environment: map[string]string{"PDEFLOW_LLM_MODEL": "m"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_LLM_MODEL", "PDEFLOW_LLM"},
		},
		"a protocol without a model": {
			environment: map[string]string{"PDEFLOW_LLM": "openai", "OPENAI_API_KEY": "k"}, args: []string{"serve"},
			code: exitUsage, want: []string{"PDEFLOW_LLM_MODEL"},
		},
		"a model without a key": {
			environment: map[string]string{"PDEFLOW_LLM": "anthropic", "PDEFLOW_LLM_MODEL": "m"},
			args:        []string{"serve"}, code: exitUsage, want: []string{"ANTHROPIC_API_KEY is not set"},
		},
		"a price of no form": {
			environment: map[string]string{"PDEFLOW_LLM_PRICES": `{"m": {"input": 3}}`}, args: []string{"serve"},
			code: exitUsage, want: []string{"PDEFLOW_LLM_PRICES", "m: output is missing"},
		},
		"a policy that does not exist": {
			environment: map[string]string{"PDEFLOW_RULES": "/no/such/file"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_RULES", "/no/such/file"},
		},
		"a report of no size": {
			args: []string{"demo", "--mappings", "0"}, code: exitUsage, want: []string{"--mappings", "from 1"},
		},
		"a NATS URL of no form": {
			environment: map[string]string{"NATS_URL": "nats://u:hunter2@host:port"}, args: []string{"serve"},
			code: exitUsage, want: []string{"--nats-url (NATS_URL)", "nats://host:port"},
		},
		"a database URL of no form": {
			environment: map[string]string{"DATABASE_URL": "postgres://u:hunter2@host:port/d"}, args: []string{"serve"},
			code: exitUsage,
			want: []string{"--database-url (DATABASE_URL)", "postgres://user:password@host:port/database"},
		},
		"NATS credentials that are not there": {
			environment: map[string]string{"NATS_URL": "nats://127.0.0.1:1", "NATS_CREDS": "/no/such.creds"},
			args:        []string{"serve"}, code: exitUsage,
			want: []string{"--nats-creds (NATS_CREDS)", "/no/such.creds"},
		},
		"an address without a host": {
			environment: map[string]string{"PDEFLOW_LISTEN": "8080"}, args: []string{"serve"}, code: exitUsage,
			want: []string{`--listen (PDEFLOW_LISTEN) cannot be “8080”: must be host:port, such as 127.0.0.1:8080`},
		},
		"an address of NATS without a port": {
			args: []string{"serve", "--nats-listen", "127.0.0.1"}, code: exitUsage,
			want: []string{`--nats-listen cannot be “127.0.0.1”: must be host:port, such as 127.0.0.1:4222`},
		},
		"a port that there is not, in a demo": {
			args: []string{"demo", "--listen", "127.0.0.1:70000"}, code: exitUsage,
			want: []string{`--listen cannot be “127.0.0.1:70000”`},
		},
		"a folder without PostgreSQL": {
			environment: map[string]string{"PDEFLOW_PG_BIN": "/no/such/bin"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"PDEFLOW_PG_BIN=/no/such/bin", "initdb"},
		},
		"a short secret": {
			environment: map[string]string{"PDEFLOW_AUTH_SECRET": "hunter2"}, args: []string{"serve"}, code: exitUsage,
			want: []string{"--auth-secret (PDEFLOW_AUTH_SECRET)", "32 bytes"},
		},
		"an issuer": {
			environment: map[string]string{"PDEFLOW_AUTH_ISSUER": "https://login"}, args: []string{"serve"},
			code: exitUsage,
			want: []string{"--auth-issuer (PDEFLOW_AUTH_ISSUER)", "PDEFLOW_AUTH_SECRET"},
		},
		"no home for embedded servers": {
			environment: map[string]string{
				"PDEFLOW_DATA_DIR": "", "NATS_URL": "", "DATABASE_URL": "postgres://127.0.0.1:1/d",
			}, args: []string{"serve"}, code: exitUsage,
			want: []string{"HOME is not set", "--data-dir", "PDEFLOW_DATA_DIR"},
		},
		"no home for the secret of the api": {
			environment: map[string]string{
				"PDEFLOW_DATA_DIR": "", "NATS_URL": "nats://127.0.0.1:1", "DATABASE_URL": "postgres://127.0.0.1:1/d",
			},
			args: []string{"serve", "--services", "api"}, code: exitUsage,
			want: []string{"HOME is not set", "--data-dir"},
		},
		"no home for a service that keeps nothing": {
			environment: map[string]string{
				"PDEFLOW_DATA_DIR": "", "NATS_URL": "nats://127.0.0.1:1", "DATABASE_URL": "postgres://127.0.0.1:1/d",
			},
			args: []string{"serve", "--services", "projector"}, code: exitFailed,
			want: []string{"database d on 127.0.0.1:1"},
		},
		"a database that is not there": {
			environment: map[string]string{
				"DATABASE_URL": "postgres://pdeflow:hunter2@127.0.0.1:1/pdeflow", "NATS_URL": "nats://127.0.0.1:1",
			},
			args: []string{"serve"}, code: exitFailed, want: []string{"127.0.0.1:1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environment := map[string]string{"PATH": "/usr/bin:/bin", "PDEFLOW_DATA_DIR": t.TempDir()}
			for key, value := range test.environment {
				environment[key] = value
			}
			got := pdeflow(t.Context(), environment, test.args...)
			if got.code != test.code {
				t.Errorf("got exit code %d, want %d", got.code, test.code)
			}
			for _, part := range test.want {
				if !strings.Contains(got.stderr, part) {
					t.Errorf("got output without %q, want it: %s", part, got.stderr)
				}
			}
			if strings.Contains(got.stdout+got.stderr, "hunter2") {
				t.Errorf("got output %s, want no password", got.stderr)
			}
		})
	}
}

func TestANamedPortThatIsInUseIsAnError(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	got := pdeflow(t.Context(), map[string]string{
		"PATH": "/usr/bin:/bin", "DATABASE_URL": schematest.URL(t), "NATS_URL": "nats://127.0.0.1:1",
		"PDEFLOW_DATA_DIR": dir,
	}, "serve", "--listen", taken.Addr().String())
	if got.code != exitFailed || !strings.Contains(got.stderr, taken.Addr().String()) ||
		!strings.Contains(got.stderr, "in use") {
		t.Errorf("got exit code %d, want 1 and the address in use: %s", got.code, got.stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "token")); err == nil {
		t.Error("got a new token, want the token of the process that has the port")
	}
}

func TestListenError(t *testing.T) {
	t.Parallel()
	for reason, want := range map[syscall.Errno]int{
		syscall.EACCES: exitFailed, syscall.EADDRINUSE: exitFailed, syscall.EADDRNOTAVAIL: exitUsage,
	} {
		t.Run(reason.Error(), func(t *testing.T) {
			err := listenError("10.0.0.1:80", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", reason)})
			if code := exitCode(&workError{err}); code != want || !strings.Contains(err.Error(), "--listen") ||
				!strings.Contains(err.Error(), "10.0.0.1:80") {
				t.Errorf("%v: got exit code %d, want %d: %v", reason, code, want, err)
			}
		})
	}
}

// postmaster returns the PostgreSQL process that a serve or demo on the directory embeds.
func postmaster(t *testing.T, dir string) *os.Process {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(datadir.Postgres(dir), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

func TestServeReportsWhyItsEmbeddedDatabaseEnded(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	serve := begin(t.Context(), map[string]string{"PATH": "/usr/bin:/bin", "PDEFLOW_DATA_DIR": dir}, "serve",
		"--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	serve.prints(t, "pdeflow started")
	server := postmaster(t, dir)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	serve.exits(t, exitFailed)
	if result := serve.stderr.String(); !strings.Contains(result,
		"pdeflow: embedded database: PostgreSQL ended by itself (signal: killed)") {
		t.Errorf("got:\n%s\nwant that PostgreSQL was killed", result)
	}
}

func TestASecondServeOnTheSameDataDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := datadir.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release() //nolint:errcheck // the test's own directory
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := pdeflow(ctx, map[string]string{"PATH": "/usr/bin:/bin", "PDEFLOW_DATA_DIR": dir}, "serve")
	if got.code != exitFailed || !strings.Contains(got.stderr, dir) ||
		!strings.Contains(got.stderr, "in use by process") {
		t.Errorf("got exit code %d, want 1 and the directory in use: %s", got.code, got.stderr)
	}
}

func TestATakenDefaultPortMovesWithALogLine(t *testing.T) {
	t.Parallel()
	var result eventstest.Log
	log, err := (&app{stderr: &result, getenv: func(string) string { return "" }}).loggerAt(&cli.Command{}, "warn")
	if err != nil {
		t.Fatal(err)
	}
	var at []string
	for range 2 {
		listener, err := listen(t.Context(), "", log)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		at = append(at, listener.Addr().String())
	}
	if at[0] == at[1] || !strings.Contains(result.String(), "the default port is in use") ||
		!strings.Contains(result.String(), at[1]) {
		t.Errorf("listening at %v: got\n%s\nwant two ports", at, result.String())
	}
}

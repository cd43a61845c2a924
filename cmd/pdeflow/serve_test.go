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
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestWrongSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment map[string]string
		args        []string
		code        int
		says        []string
	}{
		"fewer services than all without servers": {
			args: []string{"serve", "--services", "api"}, code: exitUsage, says: []string{"DATABASE_URL", "NATS_URL"},
		},
		"a service that does not exist": {
			args: []string{"serve", "--services", "api,web"}, code: exitUsage,
			says: []string{"--services", "api, dispatcher, classifier, projector, auditor"},
		},
		"a log level that does not exist": {
			environment: map[string]string{"PDEFLOW_LOG_LEVEL": "loud"}, args: []string{"serve"}, code: exitUsage,
			says: []string{"PDEFLOW_LOG_LEVEL", "debug, info, warn, error"},
		},
		"a classifier that is not there yet": {
			environment: map[string]string{"PDEFLOW_CLASSIFIER": "llm"}, args: []string{"serve"}, code: exitUsage,
			says: []string{"PDEFLOW_CLASSIFIER", "rules"},
		},
		"a policy that does not exist": {
			environment: map[string]string{"PDEFLOW_RULES": "/no/such/file"}, args: []string{"serve"}, code: exitUsage,
			says: []string{"PDEFLOW_RULES", "/no/such/file"},
		},
		"a report of no size": {
			args: []string{"demo", "--mappings", "0"}, code: exitUsage, says: []string{"--mappings", "from 1"},
		},
		"a NATS URL of no form": {
			environment: map[string]string{"NATS_URL": "nats://u:hunter2@host:port"}, args: []string{"serve"},
			code: exitUsage, says: []string{"--nats-url (NATS_URL)", "nats://host:port"},
		},
		"a database URL of no form": {
			environment: map[string]string{"DATABASE_URL": "postgres://u:hunter2@host:port/d"}, args: []string{"serve"},
			code: exitUsage,
			says: []string{"--database-url (DATABASE_URL)", "postgres://user:password@host:port/database"},
		},
		"NATS credentials that are not there": {
			environment: map[string]string{"NATS_URL": "nats://127.0.0.1:1", "NATS_CREDS": "/no/such.creds"},
			args:        []string{"serve"}, code: exitUsage,
			says: []string{"--nats-creds (NATS_CREDS)", "/no/such.creds"},
		},
		"an address without a host": {
			environment: map[string]string{"PDEFLOW_LISTEN": "8080"}, args: []string{"serve"}, code: exitUsage,
			says: []string{`--listen (PDEFLOW_LISTEN) cannot be “8080”: it is host:port, such as 127.0.0.1:8080`},
		},
		"an address of NATS without a port": {
			args: []string{"serve", "--nats-listen", "127.0.0.1"}, code: exitUsage,
			says: []string{`--nats-listen cannot be “127.0.0.1”: it is host:port, such as 127.0.0.1:4222`},
		},
		"a port that there is not, in a demo": {
			args: []string{"demo", "--listen", "127.0.0.1:70000"}, code: exitUsage,
			says: []string{`--listen cannot be “127.0.0.1:70000”`},
		},
		"a folder without PostgreSQL": {
			environment: map[string]string{"PDEFLOW_PG_BIN": "/no/such/bin"}, args: []string{"serve"}, code: exitUsage,
			says: []string{"PDEFLOW_PG_BIN=/no/such/bin", "initdb"},
		},
		"a short secret": {
			environment: map[string]string{"PDEFLOW_AUTH_SECRET": "hunter2"}, args: []string{"serve"}, code: exitUsage,
			says: []string{"--auth-secret (PDEFLOW_AUTH_SECRET)", "32 bytes"},
		},
		"an issuer": {
			environment: map[string]string{"PDEFLOW_AUTH_ISSUER": "https://login"}, args: []string{"serve"},
			code: exitUsage,
			says: []string{"--auth-issuer (PDEFLOW_AUTH_ISSUER)", "PDEFLOW_AUTH_SECRET"},
		},
		"no home for what is embedded": {
			environment: map[string]string{
				"PDEFLOW_DATA_DIR": "", "NATS_URL": "", "DATABASE_URL": "postgres://127.0.0.1:1/d",
			}, args: []string{"serve"}, code: exitUsage,
			says: []string{"HOME is not set", "--data-dir", "PDEFLOW_DATA_DIR"},
		},
		"no home for the secret of the api": {
			environment: map[string]string{
				"PDEFLOW_DATA_DIR": "", "NATS_URL": "nats://127.0.0.1:1", "DATABASE_URL": "postgres://127.0.0.1:1/d",
			},
			args: []string{"serve", "--services", "api"}, code: exitUsage,
			says: []string{"HOME is not set", "--data-dir"},
		},
		"no home for a service that keeps nothing": {
			environment: map[string]string{
				"PDEFLOW_DATA_DIR": "", "NATS_URL": "nats://127.0.0.1:1", "DATABASE_URL": "postgres://127.0.0.1:1/d",
			},
			args: []string{"serve", "--services", "projector"}, code: exitFailed,
			says: []string{"database d on 127.0.0.1:1"},
		},
		"a database that is not there": {
			environment: map[string]string{
				"DATABASE_URL": "postgres://pdeflow:hunter2@127.0.0.1:1/pdeflow", "NATS_URL": "nats://127.0.0.1:1",
			},
			args: []string{"serve"}, code: exitFailed, says: []string{"127.0.0.1:1"},
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
				t.Errorf("exit %d, not %d", got.code, test.code)
			}
			for _, part := range test.says {
				if !strings.Contains(got.stderr, part) {
					t.Errorf("does not say %q: %s", part, got.stderr)
				}
			}
			if strings.Contains(got.stdout+got.stderr, "hunter2") {
				t.Errorf("the password is shown: %s", got.stderr)
			}
		})
	}
}

func TestAPortThatWasNamedAndIsInUseIsAnError(t *testing.T) {
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
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "token")); err == nil {
		t.Error("a token was written, over that of whoever has the port")
	}
}

func TestAPortThatIsNotToBeHadIsNoWrongUsage(t *testing.T) {
	t.Parallel()
	for reason, want := range map[syscall.Errno]int{
		syscall.EACCES: exitFailed, syscall.EADDRINUSE: exitFailed, syscall.EADDRNOTAVAIL: exitUsage,
	} {
		err := listenError("10.0.0.1:80", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", reason)})
		if code := exitCode(&workError{err}); code != want || !strings.Contains(err.Error(), "--listen") ||
			!strings.Contains(err.Error(), "10.0.0.1:80") {
			t.Errorf("%v exits %d, not %d: %v", reason, code, want, err)
		}
	}
}

// postmaster is the process of the PostgreSQL that is embedded in a serve or demo on the directory.
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

func TestTheReasonWhyAnEmbeddedDatabaseEndedIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve := begin(t.Context(), map[string]string{"PATH": "/usr/bin:/bin", "PDEFLOW_DATA_DIR": dir}, "serve",
		"--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	serve.says(t, "pdeflow runs")
	server := postmaster(t, dir)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	serve.exits(t, exitFailed)
	if said := serve.stderr.String(); !strings.Contains(said,
		"pdeflow: embedded database: PostgreSQL ended by itself (signal: killed)") {
		t.Errorf("it says:\n%s", said)
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
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
}

func TestADefaultPortThatIsTakenMovesAndEvenADemosLogSaysSo(t *testing.T) {
	t.Parallel()
	var said logBuffer
	log, err := (&app{stderr: &said, getenv: func(string) string { return "" }}).loggerAt(&cli.Command{}, "warn")
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
	if at[0] == at[1] || !strings.Contains(said.String(), "the default port is in use") ||
		!strings.Contains(said.String(), at[1]) {
		t.Errorf("listening at %v, it says:\n%s", at, said.String())
	}
}

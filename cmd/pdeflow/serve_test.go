package main

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestDemoDoesTheWholeJobAndPrintsOneObject(t *testing.T) {
	t.Parallel()
	got := pdeflow(t.Context(), map[string]string{"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://nobody@nowhere/nothing"},
		"demo", "--once", "--json", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if got.code != exitDone {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	var result demoResult
	decoder := json.NewDecoder(strings.NewReader(got.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&result); err != nil || decoder.More() {
		t.Fatalf("standard output is not one object: %v\n%s", err, got.stdout)
	}
	c := result.Classifications
	if result.Job.Status != schema.Completed || result.Job.Succeeded != 118 || c.HRCI+c.Confidential+c.Proprietary+c.Public != 118 {
		t.Errorf("job %+v, classifications %+v", result.Job, c)
	}
	if min(c.HRCI, c.Confidential, c.Proprietary, c.Public) == 0 {
		t.Errorf("a tier is empty: %+v", c)
	}
}

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
			args: []string{"serve", "--services", "api,web"}, code: exitUsage, says: []string{"--services", "api, dispatcher, classifier, projector, auditor"},
		},
		"a log level that does not exist": {
			environment: map[string]string{"PDEFLOW_LOG_LEVEL": "loud"}, args: []string{"serve"}, code: exitUsage, says: []string{"PDEFLOW_LOG_LEVEL", "debug, info, warn, error"},
		},
		"a classifier that is not there yet": {
			environment: map[string]string{"PDEFLOW_CLASSIFIER": "llm"}, args: []string{"serve"}, code: exitUsage, says: []string{"PDEFLOW_CLASSIFIER", "rules"},
		},
		"a policy that does not exist": {
			environment: map[string]string{"PDEFLOW_RULES": "/no/such/file"}, args: []string{"serve"}, code: exitUsage, says: []string{"PDEFLOW_RULES", "/no/such/file"},
		},
		"a report of no size": {
			args: []string{"demo", "--mappings", "0"}, code: exitUsage, says: []string{"--mappings", "from 1"},
		},
		"a database that is not there": {
			environment: map[string]string{"DATABASE_URL": "postgres://pdeflow:hunter2@127.0.0.1:1/pdeflow", "NATS_URL": "nats://127.0.0.1:1"},
			args:        []string{"serve"}, code: exitFailed, says: []string{"127.0.0.1:1"},
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
	got := pdeflow(t.Context(), map[string]string{
		"PATH": "/usr/bin:/bin", "DATABASE_URL": schematest.URL(t), "NATS_URL": "nats://127.0.0.1:1", "PDEFLOW_DATA_DIR": t.TempDir(),
	}, "serve", "--listen", taken.Addr().String())
	if got.code != exitFailed || !strings.Contains(got.stderr, taken.Addr().String()) || !strings.Contains(got.stderr, "in use") {
		t.Errorf("exit %d: %s", got.code, got.stderr)
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
	if got.code != exitFailed || !strings.Contains(got.stderr, dir) || !strings.Contains(got.stderr, "in use by process") {
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
}

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestRedacted(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		"nats://127.0.0.1:4222":                        "nats://127.0.0.1:4222",
		"tls://user:hunter2@host:4222":                 "tls://host:4222",
		"user:hunter2@host:4222":                       "nats://host:4222",
		"hunter2@host:4222":                            "nats://host:4222",
		"u:hunter2@a,nats://b":                         "nats://a,nats://b",
		"nats://u:hunter2@a:4222, nats://u:hunter2@b ": "nats://a:4222,nats://b",
		"nats://b?password=hunter2":                    "nats://b",
		",nats://a:4222,, nats://b:4222, ":             "nats://a:4222,nats://b:4222",
		" , ":                                          "a URL that cannot be read",
		"nats://u:hunter2@host:port":                   "a URL that cannot be read",
		"nats://u:hunter2%@host":                       "a URL that cannot be read",
	} {
		t.Run(where, func(t *testing.T) {
			if got := redacted(where); got != want {
				t.Errorf("redacted(%s): got %s, want %s", where, got, want)
			}
		})
	}
}

func TestAPasswordInTheNATSURLIsNeverPrinted(t *testing.T) {
	t.Parallel()
	schematest.New(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	serve := begin(ctx, map[string]string{
		"DATABASE_URL": schematest.URL(t), "NATS_URL": "pdeflow:hunter2@127.0.0.1:1", "PDEFLOW_DATA_DIR": t.TempDir(),
		"PDEFLOW_LOG_LEVEL": "debug",
	}, "serve", "--listen", "127.0.0.1:0")
	serve.prints(t, "pdeflow started")
	interrupt()
	serve.exits(t, exitDone)
	if result := serve.stdout.String() + serve.stderr.String(); strings.Contains(result, "hunter2") ||
		!strings.Contains(result, `"nats":"nats://127.0.0.1:1"`) {
		t.Errorf("got output\n%s\nwant the server and no password", result)
	}
}

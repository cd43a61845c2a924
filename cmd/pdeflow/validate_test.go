package main

import (
	"context"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestOfANATSURLOnlyTheHostsAreSaid(t *testing.T) {
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
		if got := redacted(where); got != want {
			t.Errorf("%s is shown as %s, not as %s", where, got, want)
		}
	}
}

func TestASecretOfTheNATSURLIsNeitherLoggedNorSaid(t *testing.T) {
	t.Parallel()
	schematest.New(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	serve := begin(ctx, map[string]string{
		"DATABASE_URL": schematest.URL(t), "NATS_URL": "pdeflow:hunter2@127.0.0.1:1", "PDEFLOW_DATA_DIR": t.TempDir(),
		"PDEFLOW_LOG_LEVEL": "debug",
	}, "serve", "--listen", "127.0.0.1:0")
	serve.says(t, "pdeflow runs")
	interrupt()
	serve.exits(t, exitDone)
	if said := serve.stdout.String() + serve.stderr.String(); strings.Contains(said, "hunter2") ||
		!strings.Contains(said, `"nats":"nats://127.0.0.1:1"`) {
		t.Errorf("the password is said, or the server is not:\n%s", said)
	}
}

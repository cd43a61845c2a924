package main

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestTheMainJobRunsOnAServerWithTLSADomainAndLimits(t *testing.T) {
	t.Parallel()
	server, files := eventstest.StartTLS(t, `
		jetstream { domain: hub, max_file_store: 1GB, limits: { max_ack_pending: 200 } }
		accounts { A { jetstream { max_bytes_required: true, max_file: 200MB, max_streams: 2, max_consumers: 2 }
			users: [{ user: a, password: a }] } }
		no_auth_user: a`)
	db := schematest.New(t)
	schematest.Report(t, db, 20)
	environment := map[string]string{
		"PATH": "/usr/bin:/bin", "DATABASE_URL": schematest.URL(t), "NATS_URL": server.URL(),
		"PDEFLOW_DATA_DIR": t.TempDir(),
		"NATS_CA":          files.CA, "NATS_CERT": files.Client, "NATS_KEY": files.ClientKey, "NATS_DOMAIN": "hub",
		"PDEFLOW_NATS_EVENTS_BYTES": "100MB", "PDEFLOW_NATS_WORK_BYTES": "10MB", "PDEFLOW_NATS_REPLICAS": "1",
		"PDEFLOW_NATS_MAX_ACK_PENDING": "200",
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	serve := begin(ctx, environment, "serve", "--listen", "127.0.0.1:0")
	serve.prints(t, "pdeflow started")
	pdeflow(ctx, environment, "regenerate", "--cycle", schematest.CycleID, "--report", schematest.ReportID,
		"--watch").ends(t, exitDone, "20 of 20")
	pdeflow(ctx, map[string]string{}, "check", "--database-url", schematest.URL(t), "--nats-url", server.URL(),
		"--nats-ca", files.CA,
		"--nats-cert", files.Client, "--nats-key", files.ClientKey, "--nats-domain", "hub").ends(t, exitDone)
	delete(environment, "PDEFLOW_DATA_DIR")
	environment["PDEFLOW_SERVER"] = unusedAddress(t)
	all := examined(t, exitFailed, pdeflow(ctx, environment, "doctor", "--json")) // no API listens there
	for _, check := range []string{
		"nats", "jetstream", "stream " + events.StreamEvents, "stream " + events.StreamWork,
		"consumer classifier-rules", "consumer classifier-llm", "consumer projector",
	} {
		if all[check].State != fine {
			t.Errorf("%s: got %+v, want ok", check, all[check])
		}
	}
	if detail := all["stream "+events.StreamEvents].Detail; !strings.Contains(detail, "of 100 MiB") {
		t.Errorf("stream of events: got %s, want a limit of 100 MiB", detail)
	}
	for drop, advice := range map[string]string{
		"NATS_CA": "set NATS_CA (--nats-ca)", "NATS_CERT NATS_KEY": "set NATS_CERT and NATS_KEY",
		"NATS_CERT": "correct the setting",
	} {
		t.Run(drop, func(t *testing.T) {
			without := maps.Clone(environment)
			for name := range strings.FieldsSeq(drop) {
				delete(without, name)
			}
			if f := examined(t, exitFailed, pdeflow(ctx, without, "doctor", "--json"))["nats"]; f.State != wrong ||
				!strings.Contains(f.Advice, advice) {
				t.Errorf("nats without %s: got %+v, want advice %q", drop, f, advice)
			}
		})
	}
	interrupt()
	serve.exits(t, exitDone)
}

func TestAWrongNATSSettingIsNamedAtStart(t *testing.T) {
	t.Parallel()
	files := schematest.NewCertificates(t, t.TempDir(), "127.0.0.1")
	for name, tc := range map[string]struct {
		setting, value string
		want           []string
	}{
		"no authority": {"NATS_CA", "/no/such.pem", []string{"--nats-ca (NATS_CA)", "/no/such.pem"}},
		"a key as an authority": {
			"NATS_CA", files.ClientKey, []string{"--nats-ca (NATS_CA)", "has no PEM certificate"},
		},
		"a certificate alone": {
			"NATS_CERT", files.Client, []string{"--nats-cert (NATS_CERT) and --nats-key (NATS_KEY)", "go together"},
		},
		"a key alone": {
			"NATS_KEY", files.ClientKey, []string{"--nats-cert (NATS_CERT) and --nats-key (NATS_KEY)", "go together"},
		},
		"a domain with a dot": {"NATS_DOMAIN", "a.b", []string{"--nats-domain (NATS_DOMAIN) cannot be “a.b”"}},
		"bytes without a number": {
			"PDEFLOW_NATS_EVENTS_BYTES", "much", []string{
				"--nats-events-bytes (PDEFLOW_NATS_EVENTS_BYTES) cannot be “much”", "2GB",
			},
		},
		"too few bytes": {
			"PDEFLOW_NATS_WORK_BYTES", "63KB", []string{
				"--nats-work-bytes (PDEFLOW_NATS_WORK_BYTES) cannot be “63KB”", "from 64KB",
			},
		},
		"too many bytes": {"PDEFLOW_NATS_WORK_BYTES", "99999999TB", []string{"--nats-work-bytes"}},
		"too many replicas": {
			"PDEFLOW_NATS_REPLICAS", "6", []string{
				"--nats-replicas (PDEFLOW_NATS_REPLICAS) cannot be 6", "from 1 to 5",
			},
		},
		"no replicas": {
			"PDEFLOW_NATS_REPLICAS", "0", []string{"--nats-replicas (PDEFLOW_NATS_REPLICAS) cannot be 0"},
		},
		"nothing pending": {
			"PDEFLOW_NATS_MAX_ACK_PENDING", "0", []string{
				"--nats-max-ack-pending (PDEFLOW_NATS_MAX_ACK_PENDING) cannot be 0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pdeflow(t.Context(), map[string]string{
				"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://127.0.0.1:1/d", "NATS_URL": "nats://127.0.0.1:1",
				"PDEFLOW_DATA_DIR": t.TempDir(),
				tc.setting:         tc.value,
			}, "serve").ends(t, exitUsage, tc.want...)
		})
	}
}

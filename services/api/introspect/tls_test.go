//go:build unix

package introspect

import (
	"crypto/tls"
	"net"
	"os"
	"testing"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

// newAuthority returns the certificate of a new authority as PEM.
func newAuthority(t *testing.T) string {
	t.Helper()
	return readFile(t, schematest.NewCertificates(t, t.TempDir(), "db.example").CA)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTLSConfig_VerifiesWhatTheModeRequires(t *testing.T) {
	t.Parallel()
	files := schematest.NewCertificates(t, t.TempDir(), "db.example")
	certificate, err := tls.LoadX509KeyPair(files.Server, files.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, other := readFile(t, files.CA), newAuthority(t)
	for name, tt := range map[string]struct {
		url, ca string
		refused bool
	}{
		"prefer, without an authority":          {"postgres://u@db.example/d", "", false},
		"require, for another host":             {"postgres://u@other.example/d?sslmode=require", "", false},
		"verify-ca":                             {"postgres://u@db.example/d?sslmode=verify-ca", ca, false},
		"verify-ca, for another host":           {"postgres://u@other.example/d?sslmode=verify-ca", ca, false},
		"verify-ca, of another authority":       {"postgres://u@db.example/d?sslmode=verify-ca", other, true},
		"verify-ca, of the system's":            {"postgres://u@db.example/d?sslmode=verify-ca", "", true},
		"verify-full":                           {"postgres://u@db.example/d?sslmode=verify-full", ca, false},
		"verify-full, for another host":         {"postgres://u@other.example/d?sslmode=verify-full", ca, true},
		"verify-full, for an address":           {"postgres://u@10.0.0.7/d?sslmode=verify-full", ca, true},
		"verify-full, of another authority":     {"postgres://u@db.example/d?sslmode=verify-full", other, true},
		"an authority without a mode verifies":  {"mysql://u@other.example/d", ca, true},
		"verify-full, of the system's":          {"mysql://u@db.example/d?sslmode=verify-full", "", true},
		"verify-ca, for an address of no names": {"mysql://u@10.0.0.7/d?sslmode=verify-ca", ca, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustParse(t, tt.url, tt.ca)
			config, err := c.tlsConfig()
			if err != nil {
				t.Fatal(err)
			}
			err = handshake(t, config, certificate)
			if refused := err != nil; refused != tt.refused {
				t.Fatalf("handshake: got %v, want refused %v", err, tt.refused)
			}
			if e := c.networkError(err); tt.refused && (e == nil || e.Reason != ReasonCertificate) {
				t.Errorf("reason: got %v for %v, want %s", e, err, ReasonCertificate)
			}
		})
	}
}

// handshake returns the client's error of a handshake with a server that has the certificate.
func handshake(t *testing.T, client *tls.Config, certificate tls.Certificate) error {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		server := tls.Server(far, &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate},
		})
		_ = server.HandshakeContext(t.Context())
		_ = far.Close()
	}()
	err := tls.Client(near, client).HandshakeContext(t.Context())
	_ = near.Close()
	<-served
	return err
}

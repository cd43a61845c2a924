//go:build unix

package foreigntest

import (
	"crypto/tls"
	"path/filepath"
	"testing"
)

// ServerTLS returns the configuration of a server in this process for localhost, and the certificate of the authority
// that has signed its certificate, as PEM.
func ServerTLS(t testing.TB) (config *tls.Config, ca string) {
	t.Helper()
	dir := t.TempDir()
	ca = certificate(t, dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, ca
}

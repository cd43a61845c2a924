package eventstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates names the PEM files of an authority, and of a server and a client with certificates of it.
type Certificates struct{ CA, Server, ServerKey, Client, ClientKey string }

// NewCertificates writes certificates of a new authority. The server's is for 127.0.0.1.
func NewCertificates(t testing.TB) Certificates {
	t.Helper()
	dir := t.TempDir()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(
			1,
		), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour),
	}
	ca, _, key := issue(t, dir, authority, authority, nil)
	leaf := func(name string, usage x509.ExtKeyUsage) (certificate, keyFile string) {
		certificate, keyFile, _ = issue(t, dir, &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{usage},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		}, authority, key)
		return certificate, keyFile
	}
	c := Certificates{CA: ca}
	c.Server, c.ServerKey = leaf("server", x509.ExtKeyUsageServerAuth)
	c.Client, c.ClientKey = leaf("client", x509.ExtKeyUsageClientAuth)
	return c
}

// issue writes a certificate, signed with the key of its authority or with its own, and its key.
func issue(
	t testing.TB,
	dir string,
	template, authority *x509.Certificate,
	signer *ecdsa.PrivateKey,
) (certificate, keyFile string, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	name := template.Subject.CommonName
	return write(name+".pem", "CERTIFICATE", der), write(name+".key", "PRIVATE KEY", private), key
}

// Config is the part of a server's configuration with which it accepts only clients with a certificate of the
// authority.
func (c Certificates) Config() string {
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n", c.Server, c.ServerKey, c.CA)
}

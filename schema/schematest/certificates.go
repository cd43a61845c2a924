package schematest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates names the PEM files of an authority, and of a server and a client with certificates of it.
type Certificates struct{ CA, Server, ServerKey, Client, ClientKey string }

// NewCertificates writes certificates of a new authority into the directory. The server's is for the host, a name or an
// IP address.
func NewCertificates(t testing.TB, dir, host string) Certificates {
	t.Helper()
	a := authority{dir: dir, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key: newKey(t)}
	c := Certificates{CA: a.issue(t, a.certificate, a.key)}
	c.Server, c.ServerKey = a.issueLeaf(t, "server", host, x509.ExtKeyUsageServerAuth)
	c.Client, c.ClientKey = a.issueLeaf(t, "client", "", x509.ExtKeyUsageClientAuth)
	return c
}

// authority signs certificates.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issueLeaf writes a certificate and its key.
func (a authority) issueLeaf(t testing.TB, name, host string, usage x509.ExtKeyUsage) (file, keyFile string) {
	t.Helper()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
	}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else if host != "" {
		leaf.DNSNames = []string{host}
	}
	key := newKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return a.issue(t, leaf, key), a.write(t, name+".key", "PRIVATE KEY", der)
}

// issue writes a certificate of the key, signed by the authority.
func (a authority) issue(t testing.TB, template *x509.Certificate, key *ecdsa.PrivateKey) (file string) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, template.Subject.CommonName+".crt", "CERTIFICATE", der)
}

func (a authority) write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

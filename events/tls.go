package events

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
)

// TLS has the PEM files for a TLS connection. Each may be empty.
type TLS struct {
	// CA has the certificates of the authorities that the server's certificate is verified against, instead of
	// those of the system.
	CA string
	// Certificate and Key are the client certificate, for servers that require one.
	Certificate, Key string
}

// Options returns the options for [Connect]. A connection uses TLS if any file is set, whatever the scheme of
// the URL. The files are read here, to report errors early, and again at every attempt to connect, so that
// they can be renewed.
func (t TLS) Options() (options []nats.Option, err error) {
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, err
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no PEM certificate", t.CA)
		}
		options = append(options, nats.RootCAs(t.CA))
	}
	switch {
	case (t.Certificate == "") != (t.Key == ""):
		return nil, errors.New("a certificate and its key go together")
	case t.Certificate != "":
		if _, err := tls.LoadX509KeyPair(t.Certificate, t.Key); err != nil {
			return nil, err
		}
		options = append(options, nats.ClientCert(t.Certificate, t.Key))
	}
	return options, nil
}

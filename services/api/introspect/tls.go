package introspect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// tlsConfig returns the configuration of TLS for the mode of the connection.
func (c Connection) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if net.ParseIP(c.host) == nil {
		config.ServerName = c.host
	}
	if c.ca != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(c.ca)) {
			return nil, errors.New("certificates of the authorities")
		}
	}
	switch c.mode {
	case TLSVerifyFull:
		config.ServerName = c.host
	case TLSVerifyCA:
		config.InsecureSkipVerify = true // the name; VerifyConnection verifies the chain
		roots := config.RootCAs
		config.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	case TLSPrefer, TLSRequire, TLSDisable:
		config.InsecureSkipVerify = true // as PostgreSQL defines these modes; see decision 4
	}
	return config, nil
}

// verifyChain verifies the certificate of the server without its name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}

package introspect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// Reason is the stable name of a reason why a database cannot be read.
type Reason string

const (
	// ReasonInvalid means that the URL or the certificates are malformed.
	ReasonInvalid Reason = "invalid"
	// ReasonUnsupported means that the product is not supported.
	ReasonUnsupported Reason = "unsupported"
	// ReasonUnknownHost means that the host has no address.
	ReasonUnknownHost Reason = "unknown_host"
	// ReasonUnreachable means that nothing accepts connections at the address.
	ReasonUnreachable Reason = "unreachable"
	// ReasonTimeout means that the database did not respond in time.
	ReasonTimeout Reason = "timeout"
	// ReasonAuthentication means that the user or the password is wrong.
	ReasonAuthentication Reason = "authentication_failed"
	// ReasonPasswordMissing means that the stored password cannot be decrypted.
	ReasonPasswordMissing Reason = "password_missing"
	// ReasonNoDatabase means that the server has no such database.
	ReasonNoDatabase Reason = "no_such_database"
	// ReasonTLSRequired means that the server accepts connections over TLS only, or asks for the password in clear
	// text.
	ReasonTLSRequired Reason = "tls_required"
	// ReasonTLSUnavailable means that the URL requires TLS and the server does not offer it.
	ReasonTLSUnavailable Reason = "tls_unavailable"
	// ReasonCertificate means that the certificate of the server is not trusted, or is for another host.
	ReasonCertificate Reason = "certificate_not_trusted"
	// ReasonPermission means that the user lacks a privilege.
	ReasonPermission Reason = "permission_denied"
	// ReasonNothingVisible means that the database shows no column to the user.
	ReasonNothingVisible Reason = "nothing_visible"
	// ReasonTooLarge means that there are more than MaxColumns columns.
	ReasonTooLarge Reason = "too_large"
	// ReasonOther is every other error.
	ReasonOther Reason = "other"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonInvalid, ReasonUnsupported, ReasonUnknownHost, ReasonUnreachable, ReasonTimeout, ReasonAuthentication,
		ReasonPasswordMissing, ReasonNoDatabase, ReasonTLSRequired, ReasonTLSUnavailable,
		ReasonCertificate, ReasonPermission,
		ReasonNothingVisible, ReasonTooLarge, ReasonOther,
	}
}

// Error is the reason why a database cannot be read, in sentences for the user.
type Error struct {
	Reason Reason
	// Message describes the fault, and Advice the remedy. Advice may be empty.
	Message, Advice string
}

// Error implements error.
func (e *Error) Error() string { return strings.TrimSpace(e.Message + " " + e.Advice) }

func invalid(message string) *Error { return &Error{Reason: ReasonInvalid, Message: message} }

// networkError returns the error for a failure of the connection below the protocol of the database, or nil if err is
// none.
func (c Connection) networkError(err error) *Error {
	if certificate := c.certificateError(err); certificate != nil {
		return certificate
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		return &Error{
			Reason: ReasonUnknownHost, Message: fmt.Sprintf("The host %s is unknown.", c.host),
			Advice: "Check the name; the server that runs pdeflow has to be able to look it up.",
		}
	}
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		isNetwork && network.Timeout():
		return c.timeout()
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{
			Reason: ReasonUnreachable, Message: fmt.Sprintf("Nothing listens at %s.", c.address()),
			Advice: "Check the host and the port, and whether the database runs.",
		}
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return &Error{
			Reason: ReasonUnreachable, Message: fmt.Sprintf("%s cannot be reached.", c.address()),
			Advice: "Check the host, the port and the firewalls between pdeflow and the database.",
		}
	}
	return nil
}

func (c Connection) timeout() *Error {
	return &Error{
		Reason: ReasonTimeout, Message: fmt.Sprintf("%s does not respond in time.", c.address()),
		Advice: fmt.Sprintf(
			"Check that it is a %s server and not overloaded, and the firewalls in between.",
			c.product,
		),
	}
}

// certificateError returns the error for a failed TLS handshake, or nil.
func (c Connection) certificateError(err error) *Error {
	if host, ok := errors.AsType[x509.HostnameError](err); ok && host.Certificate != nil {
		return &Error{
			Reason: ReasonCertificate, Message: fmt.Sprintf("The certificate of the database is not for %s.", c.host),
			Advice: "Use the host name of the certificate in the URL, or sslmode=verify-ca.",
		}
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return &Error{
			Reason: ReasonCertificate, Message: "The certificate of the database has expired, or is not valid yet.",
			Advice: "The administrator of the database has to renew it; check the clocks too.",
		}
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	if !unknown && !unverified {
		return nil
	}
	return &Error{
		Reason: ReasonCertificate, Message: "The certificate of the database is not signed by a trusted authority.",
		Advice: "Give the certificate of the authority (ca_certificate, --source-ca), or add it to the trusted " +
			"certificates of the server that runs pdeflow.",
	}
}

// tlsUnavailable is the error of a server without TLS.
func (c Connection) tlsUnavailable() *Error {
	return &Error{
		Reason: ReasonTLSUnavailable,
		Message: fmt.Sprintf("The URL requires TLS (sslmode=%s), and the server at %s does not offer it.", c.mode,
			c.address()),
		Advice: "Enable TLS in the database. In a trusted network, sslmode=prefer or disable connects without it.",
	}
}

// tlsRequired is the error of a server that refuses connections without TLS.
func (c Connection) tlsRequired() *Error {
	return &Error{
		Reason:  ReasonTLSRequired,
		Message: fmt.Sprintf("The server at %s accepts user %s over TLS only.", c.address(), c.user),
		Advice:  "Set sslmode=verify-full (or require) in the URL.",
	}
}

// clearText is the error of a server that asks for the password in clear text on a connection without TLS.
func (c Connection) clearText() *Error {
	return &Error{
		Reason: ReasonTLSRequired,
		Message: fmt.Sprintf("The server at %s asks for the password of user %s in clear text, which is sent over TLS "+
			"only.", c.address(), c.user),
		Advice: "Set sslmode=verify-full (or require) in the URL, or use scram-sha-256 in pg_hba.conf.",
	}
}

// wrongPassword is the error of a refused login.
func (c Connection) wrongPassword() *Error {
	e := &Error{
		Reason:  ReasonAuthentication,
		Message: fmt.Sprintf("The database refuses user %s: the user or the password is wrong.", c.user),
		Advice:  "Check both, and whether the user may log in. " + encodeAdvice,
	}
	if !c.HasPassword() {
		e.Message = fmt.Sprintf("The database refuses user %s: there is no password, or the user is wrong.", c.user)
		e.Advice = "Give the password."
	}
	return e
}

// noDatabase is the error of a database that does not exist.
func (c Connection) noDatabase() *Error {
	return &Error{
		Reason: ReasonNoDatabase, Message: fmt.Sprintf("There is no database %s at %s.", c.database, c.address()),
		Advice: "Check the name after the host in the URL.",
	}
}

// other returns the error for a text of a driver or a database that is not known.
func (c Connection) other(text string) *Error {
	return &Error{Reason: ReasonOther, Message: "The database cannot be read: " + c.scrub(text) + "."}
}

// maxText is the number of characters of a foreign text in an error.
const maxText = 200

// scrub removes the password and unprintable characters from a foreign text, and shortens it.
func (c Connection) scrub(text string) string {
	if password := c.secret(); password != "" {
		for _, form := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "..."
	}
	return strings.TrimRight(strings.TrimSpace(text), ".")
}

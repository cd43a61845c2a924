//go:build unix

package introspect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

func TestExplain_NamesTheReasonOfAFailedConnection(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	for name, tt := range map[string]struct {
		err    error
		reason Reason
		want   string
	}{
		"an unknown host": {
			dial(&net.DNSError{Err: "no such host", Name: "db.example"}), ReasonUnknownHost, "db.example is unknown",
		},
		"a name server that is down": {
			dial(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), ReasonTimeout, "in time",
		},
		"nothing listens": {
			dial(syscall.ECONNREFUSED), ReasonUnreachable, "Nothing listens at db.example:5432",
		},
		"no route":               {dial(syscall.EHOSTUNREACH), ReasonUnreachable, "cannot be reached"},
		"a deadline":             {context.DeadlineExceeded, ReasonTimeout, "PostgreSQL server"},
		"a deadline of a socket": {os.ErrDeadlineExceeded, ReasonTimeout, "in time"},
		"a connection that breaks": {
			&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, ReasonOther, "cannot be read",
		},
		"another host in the certificate": {
			x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, ReasonCertificate, "not for db.example",
		},
		"an expired certificate": {
			x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, ReasonCertificate, "expired",
		},
		"an unknown authority": {x509.UnknownAuthorityError{}, ReasonCertificate, "ca_certificate"},
		"a known reason":       {&Error{Reason: ReasonTooLarge, Message: "Too much."}, ReasonTooLarge, "Too much."},
		"another text":         {fmt.Errorf("out of %s", "coffee."), ReasonOther, "cannot be read: out of coffee."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, product := range []string{"postgres", "mysql"} {
				c := mustParse(t, product+"://reader@db.example:5432/loans", "")
				want := strings.Replace(tt.want, "PostgreSQL", string(c.product), 1)
				wantReason(t, c.explain(tt.err), tt.reason, want)
			}
		})
	}
}

func TestExplain_RemovesThePasswordFromForeignTexts(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "postgres://reader:"+encodedPassword+"@db.example/loans", "")
	for name, text := range map[string]string{
		"plain":   "refused " + password,
		"encoded": "cannot parse postgres://reader:" + encodedPassword + "@db.example",
		"twice":   password + password,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.explain(errors.New(text)).Error()
			shown := strings.Contains(got, password) || strings.Contains(got, encodedPassword)
			if shown || !strings.Contains(got, "***") {
				t.Errorf("explain: got %s, want *** for the password", got)
			}
		})
	}
	long := c.explain(errors.New("a\x00b\n" + strings.Repeat("é", 5000) + "\xff")).Error()
	if !utf8.ValidString(long) || strings.ContainsAny(long, "\x00\n") || len([]rune(long)) > maxText+50 {
		t.Errorf("explain: got %d characters %q, want one short line", len([]rune(long)), long)
	}
}

func TestWrongPassword_AsksForAMissingOne(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "mysql://reader@db.example/cards", "")
	wantReason(t, c.wrongPassword(), ReasonAuthentication, "Give the password.")
	wantReason(t, c.WithPassword(password).wrongPassword(), ReasonAuthentication, "percent-encoded")
}

func TestReasons_AreDifferent(t *testing.T) {
	t.Parallel()
	seen := map[Reason]bool{}
	for _, reason := range Reasons() {
		if seen[reason] || reason == "" {
			t.Errorf("Reasons: got %q twice or empty", reason)
		}
		seen[reason] = true
	}
	if len(seen) != 15 {
		t.Errorf("Reasons: got %d, want 15", len(seen))
	}
}

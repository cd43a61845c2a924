//go:build unix

package introspect

import (
	"errors"
	"strings"
	"testing"
)

func newSealer(t *testing.T, secret string) *Sealer {
	t.Helper()
	s, err := NewSealer([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer_OpensWhatItHasSealed(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "postgres://reader@db.example/loans", "").WithPassword(password)
	sealed := newSealer(t, "secret").Seal(c)
	if sealed == newSealer(t, "secret").Seal(c) {
		t.Error("Seal: got the same text twice, want a random nonce")
	}
	if strings.Contains(sealed, password) {
		t.Errorf("Seal: got %s, want no password", sealed)
	}
	opened, err := newSealer(t, "secret").Open(mustParse(t, c.URL(), ""), sealed)
	if err != nil || opened.secret() != password {
		t.Errorf("Open: got %s, %v; want the password", opened.secret(), err)
	}
}

func TestSeal_ReturnsNothingWithoutAPassword(t *testing.T) {
	t.Parallel()
	s := newSealer(t, "secret")
	c := mustParse(t, "postgres://reader@db.example/loans", "")
	for name, c := range map[string]Connection{"none": c, "an empty one": c.WithPassword("")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := s.Seal(c); got != "" {
				t.Errorf("Seal: got %q, want an empty text", got)
			}
		})
	}
}

func TestOpen_RefusesAPasswordOfAnotherSecretOrConnection(t *testing.T) {
	t.Parallel()
	const url = "postgres://reader@db.example/loans?sslmode=verify-full"
	ca := newAuthority(t)
	c := mustParse(t, url, ca)
	sealed := newSealer(t, "secret").Seal(c.WithPassword(password))
	for name, tt := range map[string]struct {
		secret, sealed string
		connection     Connection
	}{
		"another secret":   {"other", sealed, c},
		"another host":     {"secret", sealed, mustParse(t, strings.Replace(url, "db.", "evil.", 1), ca)},
		"another user":     {"secret", sealed, mustParse(t, strings.Replace(url, "reader", "owner", 1), ca)},
		"less TLS":         {"secret", sealed, mustParse(t, strings.Replace(url, "verify-full", "verify-ca", 1), ca)},
		"no authority":     {"secret", sealed, mustParse(t, url, "")},
		"no base64":        {"secret", "%%%", c},
		"a text cut off":   {"secret", sealed[:len(sealed)-8], c},
		"an empty text":    {"secret", "", c},
		"a changed letter": {"secret", flipped(sealed), c},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened, err := newSealer(t, tt.secret).Open(tt.connection, tt.sealed)
			if !errors.Is(err, ErrSealed) || opened.HasPassword() {
				t.Errorf("Open: got the password %q, %v; want %v", opened.secret(), err, ErrSealed)
			}
		})
	}
}

// flipped returns the text with another first letter.
func flipped(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

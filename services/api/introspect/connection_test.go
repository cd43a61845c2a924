//go:build unix

package introspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// password has the characters that a URL must encode, and encodedPassword is its form in a URL.
const password, encodedPassword = "p@ss/w:rd?#%", "p%40ss%2Fw%3Ard%3F%23%25"

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ url, want string }{
		"PostgreSQL":      {"postgres://reader@db.example/loans", "postgres://reader@db.example:5432/loans"},
		"another scheme":  {"postgresql://reader@db.example/loans", "postgres://reader@db.example:5432/loans"},
		"MySQL":           {"mysql://reader@db.example/cards", "mysql://reader@db.example:3306/cards"},
		"MariaDB":         {"MariaDB://reader@db.example/cards", "mysql://reader@db.example:3306/cards"},
		"spaces around":   {" postgres://reader@db.example/loans\n", "postgres://reader@db.example:5432/loans"},
		"another port":    {"postgres://reader@10.0.0.7:6543/loans", "postgres://reader@10.0.0.7:6543/loans"},
		"an IPv6 address": {"postgres://reader@[::1]/loans", "postgres://reader@[::1]:5432/loans"},
		"a mode of TLS": {
			"postgres://reader@db.example/loans?sslmode=verify-ca",
			"postgres://reader@db.example:5432/loans?sslmode=verify-ca",
		},
		"an encoded name": {"postgres://reader@db.example/my%20loans", "postgres://reader@db.example:5432/my%20loans"},
		"a password": {
			"postgres://reader:" + encodedPassword + "@db.example/loans", "postgres://reader@db.example:5432/loans",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Parse(tt.url, "")
			if err != nil {
				t.Fatal(err)
			}
			if c.URL() != tt.want {
				t.Errorf("URL: got %s, want %s", c.URL(), tt.want)
			}
			if again, err := Parse(c.URL(), ""); err != nil || again.URL() != tt.want {
				t.Errorf("Parse of the URL: got %s, %v; want %s", again.URL(), err, tt.want)
			}
			if want := strings.Contains(tt.url, encodedPassword); c.HasPassword() != want {
				t.Errorf("HasPassword: got %v, want %v", c.HasPassword(), want)
			}
			if c.HasPassword() && c.secret() != password {
				t.Errorf("password: got %s, want %s", c.secret(), password)
			}
		})
	}
}

func TestParse_NamesTheMistakeAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		url, ca string
		reason  Reason
		want    string
	}{
		"no URL":             {"Zebra77", "", ReasonInvalid, "must be of the form"},
		"another product":    {"oracle://sa:Zebra77@db/loans", "", ReasonUnsupported, "must begin with postgres://"},
		"an unencoded slash": {"postgres://u:Zebra77/x@db/loans", "", ReasonInvalid, "percent-encoded"},
		"an unencoded at":    {"postgres://u:Zebra77@x@db/l@ans", "", ReasonInvalid, "percent-encoded"},
		"an unencoded query": {"postgres://u:p@db/loans?Zebra77=1", "", ReasonInvalid, "percent-encoded"},
		"a fragment":         {"postgres://u:p@db/loans#Zebra77", "", ReasonInvalid, "cannot be parsed"},
		"a wrong escape":     {"postgres://u:Zebra77%zz@db/loans", "", ReasonInvalid, "cannot be parsed"},
		"no host":            {"postgres://u:Zebra77@/loans", "", ReasonInvalid, "one host"},
		"a list of hosts":    {"postgres://u:Zebra77@a,b/loans", "", ReasonInvalid, "one host"},
		"a socket":           {"postgres://u:Zebra77@%2Ftmp/loans", "", ReasonInvalid, "cannot be parsed"},
		"no user":            {"postgres://db/Zebra77", "", ReasonInvalid, "needs a user"},
		"no database":        {"postgres://u:Zebra77@db", "", ReasonInvalid, "name of one database"},
		"two databases":      {"postgres://u:Zebra77@db/a/b", "", ReasonInvalid, "name of one database"},
		"a NUL":              {"postgres://u:Zebra77%00@db/loans", "", ReasonInvalid, "NUL"},
		"port zero":          {"postgres://u:Zebra77@db:0/loans", "", ReasonInvalid, "1 to 65535"},
		"a high port":        {"postgres://u:Zebra77@db:65536/loans", "", ReasonInvalid, "1 to 65535"},
		"an unknown mode":    {"postgres://u:Zebra77@db/loans?sslmode=allow", "", ReasonInvalid, "must be disable"},
		"two modes": {
			"postgres://u:Zebra77@db/loans?sslmode=require&sslmode=disable", "", ReasonInvalid, "one parameter",
		},
		"no certificate": {"postgres://u:p@db/loans", "Zebra77", ReasonInvalid, "BEGIN CERTIFICATE"},
		"a certificate without verification": {
			"postgres://u:Zebra77@db/loans?sslmode=require", newAuthority(t), ReasonInvalid, "need sslmode=verify-full",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tt.url, tt.ca)
			wantReason(t, err, tt.reason, tt.want)
			if strings.Contains(err.Error(), "Zebra77") {
				t.Errorf("the error repeats the input: %v", err)
			}
		})
	}
}

func TestParse_VerifiesTheHostIfAnAuthorityIsGiven(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for url, want := range map[string]TLSMode{
		"postgres://u@db/loans":                     TLSVerifyFull,
		"postgres://u@db/loans?sslmode=verify-ca":   TLSVerifyCA,
		"postgres://u@db/loans?sslmode=verify-full": TLSVerifyFull,
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			c, err := Parse(url, "\n"+ca+"\n")
			if err != nil {
				t.Fatal(err)
			}
			if c.mode != want || !strings.HasSuffix(c.URL(), "?sslmode="+string(want)) {
				t.Errorf("mode: got %s in %s, want %s", c.mode, c.URL(), want)
			}
			if c.CA() != strings.TrimSpace(ca) {
				t.Errorf("CA: got %q, want the certificate without spaces", c.CA())
			}
		})
	}
}

func TestConnection_PrintsNoPassword(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "postgres://reader:"+encodedPassword+"@db.example/loans", "")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("connecting", "to", c)
	text, err := json.Marshal(struct{ To Connection }{c})
	if err != nil {
		t.Fatal(err)
	}
	inside := struct{ c *Connection }{&c}
	for verb, got := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c),
		"%s": fmt.Sprint(c), "%x": fmt.Sprintf("%x", c), "%d": fmt.Sprintf("%d", c), "GoString": c.GoString(),
		"inside": fmt.Sprintf("%+v", inside), "log": log.String(), "json": string(text),
		"error": fmt.Errorf("read %v: %w", c, errors.New("refused")).Error(),
	} {
		if strings.Contains(got, password) || strings.Contains(got, encodedPassword) {
			t.Errorf("%s: got %s, want no password", verb, got)
		}
		if verb != "inside" && !strings.Contains(got, "reader@db.example:5432/loans") {
			t.Errorf("%s: got %s, want the URL", verb, got)
		}
	}
}

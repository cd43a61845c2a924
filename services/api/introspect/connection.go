package introspect

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// product is a kind of database.
type product string

const (
	postgres  product = "PostgreSQL"
	mysql     product = "MySQL"
	sqlServer product = "SQL Server"
)

// TLSMode is how a connection uses TLS. The names are those of PostgreSQL.
type TLSMode string

const (
	// TLSDisable never uses TLS.
	TLSDisable TLSMode = "disable"
	// TLSPrefer uses TLS if the database offers it, with any certificate.
	TLSPrefer TLSMode = "prefer"
	// TLSRequire always uses TLS, with any certificate.
	TLSRequire TLSMode = "require"
	// TLSVerifyCA requires a certificate of a trusted authority.
	TLSVerifyCA TLSMode = "verify-ca"
	// TLSVerifyFull requires a certificate of a trusted authority for the host of the URL.
	TLSVerifyFull TLSMode = "verify-full"
)

// TLSModes returns all modes.
func TLSModes() []TLSMode {
	return []TLSMode{TLSDisable, TLSPrefer, TLSRequire, TLSVerifyCA, TLSVerifyFull}
}

// Connection is how to connect to a database. It prints without its password.
type Connection struct {
	product  product
	host     string
	port     uint16
	user     string
	database string
	mode     TLSMode
	// given is false if the URL has no sslmode.
	given bool
	ca    string
	// password is a pointer so that printing a value that contains a Connection does not print it.
	password *string
}

// schemes are the schemes of URLs, with the product and its port.
func schemes() map[string]Connection {
	return map[string]Connection{
		"postgres":   {product: postgres, port: 5432},
		"postgresql": {product: postgres, port: 5432},
		"mysql":      {product: mysql, port: 3306},
		"mariadb":    {product: mysql, port: 3306},
		"sqlserver":  {product: sqlServer, port: 1433},
		"mssql":      {product: sqlServer, port: 1433},
	}
}

// Parse returns the connection of a URL such as postgres://user:password@host:5432/database?sslmode=verify-full. Ca has
// PEM certificates of the authorities to trust; if it is empty, those of the system are trusted. The error is an
// [*Error] that does not repeat any part of the URL.
func Parse(rawURL, ca string) (Connection, error) {
	scheme, _, found := strings.Cut(strings.TrimSpace(rawURL), "://")
	scheme = strings.ToLower(scheme)
	c, supported := schemes()[scheme]
	switch {
	case !found:
		return Connection{}, invalid("The URL must be of the form " +
			"postgres://user:password@host:port/database, or begin with mysql://, mariadb:// or sqlserver://.")
	case !supported:
		return Connection{}, &Error{
			Reason: ReasonUnsupported, Message: "Only PostgreSQL, MySQL, MariaDB and SQL Server can be " +
				"read: the URL must begin with postgres://, mysql://, mariadb:// or sqlserver://.",
			Advice: "For another database, such as Oracle, import its columns from the SQL script that " +
				"created the tables, or from a CSV file of information_schema.columns.",
		}
	}
	// The error of url.Parse repeats the URL with the password.
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return Connection{}, invalid("The URL cannot be parsed. " + encodeAdvice)
	}
	if err := c.parseParts(u); err != nil {
		return Connection{}, err
	}
	if err := c.parseQuery(u); err != nil {
		return Connection{}, err
	}
	if c.product == sqlServer {
		if err := c.parseSQLServer(); err != nil {
			return Connection{}, err
		}
	}
	if c.ca = strings.TrimSpace(ca); c.ca != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(c.ca)) {
		return Connection{}, invalid("The certificates of the authorities must be PEM text that begins with " +
			"-----BEGIN CERTIFICATE-----.")
	}
	if c.ca != "" && c.mode != TLSVerifyCA && c.mode != TLSVerifyFull {
		if c.given {
			return Connection{}, invalid(
				"Certificates of authorities need sslmode=verify-full or verify-ca in the URL.",
			)
		}
		c.mode, c.given = TLSVerifyFull, true
	}
	return c, nil
}

const encodeAdvice = "Special characters of the user and the password must be percent-encoded: %40 for @, %2F for /, " +
	"%3A for :, %23 for #, %3F for ? and %25 for %."

// parseParts reads user, password, host, port and database.
func (c *Connection) parseParts(u *url.URL) error {
	if u.User != nil {
		c.user = u.User.Username()
		if password, set := u.User.Password(); set {
			c.password = &password
		}
	}
	c.host = u.Hostname()
	c.database = strings.TrimPrefix(u.Path, "/")
	switch {
	case c.host == "" || strings.ContainsAny(c.host, `/\@,`):
		return invalid("The URL needs one host, such as db.example or 10.0.0.7; sockets and lists are not supported.")
	case c.user == "":
		return invalid("The URL needs a user, as in postgres://user:password@host/database.")
	// A password with an unencoded slash or at sign ends up here.
	case c.database == "" || strings.ContainsAny(c.database, "/@"):
		return invalid("The URL needs the name of one database after the host. " + encodeAdvice)
	}
	for _, text := range []string{c.host, c.user, c.database, c.secret()} {
		if strings.ContainsRune(text, 0) {
			return invalid("The URL must not contain a NUL character.")
		}
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return invalid("The port of the URL must be a number from 1 to 65535.")
		}
		c.port = uint16(n)
	}
	return nil
}

func (c *Connection) parseQuery(u *url.URL) error {
	c.mode = TLSPrefer
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return invalid("The parameters of the URL cannot be parsed.")
	}
	for name, values := range query {
		if name != "sslmode" || len(values) != 1 {
			// The name is not repeated: it could be the rest of a password with a question mark.
			return invalid("The URL can have one parameter, sslmode. " + encodeAdvice)
		}
		c.mode, c.given = TLSMode(values[0]), true
		if !slices.Contains(TLSModes(), c.mode) {
			return invalid("The sslmode of the URL must be disable, prefer, require, verify-ca or verify-full.")
		}
	}
	return nil
}

// URL returns the URL without the password.
func (c Connection) URL() string {
	u := url.URL{
		Scheme: "postgres", User: url.User(c.user), Host: net.JoinHostPort(c.host, strconv.Itoa(int(c.port))),
		Path: "/" + c.database,
	}
	switch c.product {
	case postgres:
	case mysql:
		u.Scheme = "mysql"
	case sqlServer:
		u.Scheme = "sqlserver"
	}
	if c.given {
		u.RawQuery = "sslmode=" + string(c.mode)
	}
	return u.String()
}

// CA returns the PEM certificates of the authorities to trust; "" for those of the system.
func (c Connection) CA() string { return c.ca }

// HasPassword reports whether the connection has a password.
func (c Connection) HasPassword() bool { return c.secret() != "" }

// WithPassword returns the connection with another password.
func (c Connection) WithPassword(password string) Connection {
	c.password = &password
	return c
}

// secret returns the password, or "".
func (c Connection) secret() string {
	if c.password == nil {
		return ""
	}
	return *c.password
}

// address returns the host and the port for messages.
func (c Connection) address() string { return net.JoinHostPort(c.host, strconv.Itoa(int(c.port))) }

// String implements [fmt.Stringer]. It returns the URL without the password.
func (c Connection) String() string { return c.URL() }

// GoString implements [fmt.GoStringer].
func (c Connection) GoString() string { return fmt.Sprintf("introspect.Connection(%q)", c.URL()) }

// Format implements [fmt.Formatter], so that no verb prints the fields.
func (c Connection) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.URL())) }

// LogValue implements [slog.LogValuer].
func (c Connection) LogValue() slog.Value { return slog.StringValue(c.URL()) }

// MarshalText implements [encoding.TextMarshaler].
func (c Connection) MarshalText() ([]byte, error) { return []byte(c.URL()), nil }

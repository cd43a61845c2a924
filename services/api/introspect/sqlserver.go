package introspect

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// parseSQLServer checks the rules of SQL Server alone. A password is readable without TLS, and the driver sends it in
// the way that the server chooses, so TLS is always required.
func (c *Connection) parseSQLServer() error {
	if c.mode == TLSDisable || c.mode == TLSPrefer && c.given {
		return invalid(
			"A connection to SQL Server needs TLS, because the password is readable without it: the sslmode " +
				"of the URL must be require, verify-ca or verify-full.",
		)
	}
	if !c.given {
		c.mode = TLSRequire
	}
	if strings.Contains(c.user, `\`) {
		return invalid("The user of the URL must be a login of SQL Server itself; Windows users are not supported.")
	}
	return nil
}

func (c Connection) readSQLServer(ctx context.Context, limits timeouts) (reading Reading, err error) {
	connector, wire, err := c.sqlServerConnector(ctx, limits)
	if err != nil {
		return reading, err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }() // nothing was written
	conn, err := db.Conn(ctx)
	if err != nil {
		return reading, wire.explain(err)
	}
	defer func() { _ = conn.Close() }()
	wire.extend(limits.whole)
	// The server has no limit of its own for a statement: the driver cancels one when its context ends.
	within, cancel := context.WithTimeout(ctx, limits.statement)
	defer cancel()
	var version string
	if err := conn.QueryRowContext(within, sqlServerVersion).Scan(&version); err != nil {
		return reading, wire.explain(err)
	}
	reading.Version, _, _ = strings.Cut(version, " - ")
	lock := fmt.Sprintf("SET LOCK_TIMEOUT %d", limits.statement.Milliseconds())
	if _, err := conn.ExecContext(within, lock); err != nil {
		return reading, wire.explain(err)
	}
	if err := reading.addStandard(within, conn); err != nil {
		return reading, wire.explain(err)
	}
	if len(reading.Columns) == 0 { // a database without tables looks the same
		reading.Grant = c.sqlServerGrant()
	}
	return reading, nil
}

// sqlServerVersion reads a text such as "Microsoft SQL Server 2022 (RTM) - 16.0.1000.6 (X64) ...".
const sqlServerVersion = "SELECT @@VERSION"

func (c Connection) sqlServerConnector(ctx context.Context, limits timeouts) (*mssql.Connector, *wire, error) {
	config, err := c.tlsConfig()
	if err != nil {
		return nil, nil, err
	}
	w := &wire{host: c.host, limits: limits, ended: func(end func()) { context.AfterFunc(ctx, end) }}
	w.verify(config, c.mode)
	connector := mssql.NewConnectorConfig(msdsn.Config{
		Host: c.host, Port: uint64(c.port), Database: c.database, User: c.user, Password: c.secret(),
		Encryption: msdsn.EncryptionRequired, TLSConfig: config, HostInCertificateProvided: true,
		ReadOnlyIntent: true, AppName: applicationName, DisableRetry: true, DialTimeout: limits.connect,
		Protocols: []string{"tcp"},
	})
	connector.Dialer = w
	return connector, w, nil
}

// wire is the network connection of the driver. It limits times and bytes, which the driver does not, and keeps the
// error of a certificate, which the driver reports as a text. It implements [mssql.HostDialer], so that the driver
// passes on the errors of names and of connecting.
type wire struct {
	host   string
	limits timeouts
	// ended calls a function when the reading has ended.
	ended func(func())
	net.Conn
	received    int
	certificate error
}

// maxWire is the number of bytes that a server may send. A text takes two bytes for a character.
const maxWire = 3 * maxBytes

// HostName implements [mssql.HostDialer].
func (w *wire) HostName() string { return w.host }

// DialContext implements [mssql.Dialer].
func (w *wire) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: w.limits.connect}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.Conn = conn
	w.extend(w.limits.connect)
	w.ended(func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // reads and writes fail at once
	return w, nil
}

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.received += n; w.received > maxWire {
		return 0, &Error{
			Reason: ReasonTooLarge, Message: fmt.Sprintf("The server has sent more than %d MiB.", maxWire>>20),
			Advice: "Grant privileges on the schemas of the report only.",
		}
	}
	return n, err
}

// extend sets the time after which reads and writes fail.
func (w *wire) extend(by time.Duration) { _ = w.SetDeadline(time.Now().Add(by)) }

// verify makes the configuration verify the certificate as the mode demands, and keep the error.
func (w *wire) verify(config *tls.Config, mode TLSMode) {
	config.InsecureSkipVerify = true // VerifyConnection verifies it
	roots := config.RootCAs
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if mode == TLSVerifyCA || mode == TLSVerifyFull {
			w.certificate = verifyChain(state, roots)
		}
		if mode == TLSVerifyFull && w.certificate == nil {
			w.certificate = state.PeerCertificates[0].VerifyHostname(w.host)
		}
		return w.certificate
	}
}

// explain returns the error of the certificate if there is one, or else the error of the driver.
func (w *wire) explain(err error) error {
	if w.certificate != nil {
		return &tls.CertificateVerificationError{Err: w.certificate}
	}
	return err
}

// sqlServerError returns the error for one that the server or the driver has reported, or nil.
func (c Connection) sqlServerError(err error) *Error {
	reported, ok := errors.AsType[mssql.Error](err)
	if ok {
		return c.sqlServerServerError(reported)
	}
	if err.Error() == "server does not support encryption" { // the driver has no type for it
		e := c.tlsUnavailable()
		e.Advice = "Enable TLS in the database."
		return e
	}
	if network := c.networkError(err); network != nil {
		return network
	}
	return &Error{
		Reason: ReasonUnreachable, Message: fmt.Sprintf("%s does not answer as a SQL Server does: %s.", c.address(),
			c.scrub(err.Error())),
		Advice: "Check that it is a SQL Server, its port, and that it offers TLS 1.2.",
	}
}

func (c Connection) sqlServerServerError(reported mssql.Error) *Error {
	// A refused login is reported after its reason.
	for _, each := range append([]mssql.Error{reported}, reported.All...) {
		if each.Number == 4060 || each.Number == 916 {
			e := c.noDatabase()
			e.Message = strings.TrimSuffix(e.Message, ".") + fmt.Sprintf(", or user %s may not open it.", c.user)
			e.Advice += fmt.Sprintf(" If it exists, an administrator has to run in it: CREATE USER %s FOR LOGIN %s;",
				bracketed(c.user), bracketed(c.user))
			return e
		}
	}
	switch reported.Number {
	case 18456:
		return c.wrongPassword()
	case 18452:
		return &Error{
			Reason: ReasonAuthentication, Message: "The server accepts Windows logins only, which are not supported.",
			Advice: "An administrator has to allow logins of SQL Server (mixed mode), and to create one.",
		}
	case 18470, 18486, 18487, 18488:
		return &Error{
			Reason: ReasonAuthentication, Message: "The server refuses the login: " + c.scrub(reported.Message) + ".",
			Advice: "An administrator has to enable or unlock it, or to set a new password.",
		}
	case 229, 230, 297, 300:
		return &Error{
			Reason: ReasonPermission, Message: fmt.Sprintf("User %s may not read the catalog of database %s.", c.user,
				c.database),
			Advice: "An administrator has to run: " + c.sqlServerGrant(),
		}
	case 1222:
		return c.timeout()
	}
	return c.other(fmt.Sprintf("%s (error %d)", reported.Message, reported.Number))
}

// sqlServerGrant returns the statement that shows the tables of the database to the user, and not their rows.
func (c Connection) sqlServerGrant() string {
	return fmt.Sprintf("USE %s; GRANT VIEW DEFINITION TO %s;", bracketed(c.database), bracketed(c.user))
}

// bracketed quotes a name for SQL Server.
func bracketed(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

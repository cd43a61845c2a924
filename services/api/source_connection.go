package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/introspect"
)

const (
	// maxReadings is the number of databases that are read at once.
	maxReadings = 4
	// maxConnectionURL and maxConnectionCA are the lengths of the parts of a connection in an import. A body of JSON
	// has the same limits.
	maxConnectionURL, maxConnectionCA = 2000, 200_000
)

// ConnectionBody is how to connect to the database of a data source.
type ConnectionBody struct {
	URL string `json:"url" minLength:"1" maxLength:"2000" doc:"Such as postgres://user:password@host/database. It is stored with the password encrypted."`

	CACertificate string `json:"ca_certificate,omitempty" maxLength:"200000" doc:"PEM certificates of the authorities to trust."`
}

// SourceConnection is the connection of a data source without its password.
type SourceConnection struct {
	URL           string     `json:"url" doc:"Without the password."`
	HasPassword   bool       `json:"has_password" doc:"Whether a password is stored."`
	CACertificate *string    `json:"ca_certificate" doc:"PEM, of trusted authorities; null for those of the system."`
	Database      *string    `json:"database" doc:"The product and the version at the last reading."`
	ReadAt        *time.Time `json:"read_at" doc:"The time of the last reading."`
}

// PasswordBody has the password of a connection.
type PasswordBody struct {
	Password string `json:"password,omitempty" maxLength:"2000" doc:"Instead of the stored one. A refresh stores it."`
}

// newSourceConnection returns nil for a data source whose columns come from files.
func newSourceConnection(c schema.Connection) *SourceConnection {
	if c.ConnectionURL == "" {
		return nil
	}
	return &SourceConnection{
		URL: c.ConnectionURL, HasPassword: c.ConnectionPassword != "", CACertificate: orNull(c.ConnectionCA),
		Database: orNull(c.DatabaseVersion), ReadAt: timeOrNull(c.ReadAt),
	}
}

// readDatabase reads the schema of the database. The location is that of the URL in the request, "" if it has none. An
// error is a [Problem].
func (s *Server) readDatabase(
	ctx context.Context, location string, c introspect.Connection,
) (introspect.Reading, error) {
	reading, err := s.tryDatabase(ctx, c)
	if e, ok := errors.AsType[*introspect.Error](err); ok {
		return reading, connectionProblem(location, e)
	}
	return reading, err
}

// tryDatabase is readDatabase with an error of package introspect.
func (s *Server) tryDatabase(ctx context.Context, c introspect.Connection) (introspect.Reading, error) {
	select {
	case s.readings <- struct{}{}:
		defer func() { <-s.readings }()
	default:
		return introspect.Reading{}, newProblem(busy, fmt.Sprintf(
			"The server reads at most %d databases at once. Nothing was changed; try again.", maxReadings)).
			addHeader("Retry-After", "5")
	}
	began := time.Now()
	reading, err := introspect.Read(ctx, c)
	reason := ""
	if e, ok := errors.AsType[*introspect.Error](err); ok {
		reason = string(e.Reason)
	}
	exchangeFrom(ctx).log.InfoContext(ctx, "database read", "database", c, "columns", len(reading.Columns),
		"reason", reason, "seconds", time.Since(began).Seconds())
	return reading, err
}

// connectionProblem returns the problem for a database that cannot be read.
func connectionProblem(location string, err *introspect.Error) *Problem {
	p := newProblem(connectionFailed, err.Error())
	p.Reason = string(err.Reason)
	if location != "" {
		p.addError(location, err.Error())
	}
	return p
}

// parseConnection parses the URL at the location. An error is a [Problem].
func parseConnection(location, url, ca string) (introspect.Connection, error) {
	c, err := introspect.Parse(url, ca)
	if e, ok := errors.AsType[*introspect.Error](err); ok {
		return c, connectionProblem(location, e)
	}
	return c, err
}

// storedConnection returns the connection for a row, with the password encrypted.
func (s *Server) storedConnection(c introspect.Connection, reading introspect.Reading) schema.Connection {
	stored := schema.Connection{
		ConnectionURL: c.URL(), ConnectionCA: c.CA(), DatabaseVersion: reading.Version,
	}
	if s.sealer != nil {
		stored.ConnectionPassword = s.sealer.Seal(c)
	}
	return stored
}

// openConnection returns the connection of a data source with the password, or else with the stored one. An error is an
// [*introspect.Error], or a [Problem] if the data source has no connection.
func (s *Server) openConnection(source schema.DataSource, password string) (introspect.Connection, error) {
	if source.ConnectionURL == "" {
		return introspect.Connection{}, newProblem(noConnection, "The columns of this data source come from files. "+
			"An import with source_url and this name as source_name connects it to a database.")
	}
	c, err := introspect.Parse(source.ConnectionURL, source.ConnectionCA)
	switch {
	case err != nil:
		return c, err
	case password != "":
		return c.WithPassword(password), nil
	case source.ConnectionPassword == "":
		return c, nil
	case s.sealer == nil:
		return c, passwordMissing()
	}
	c, err = s.sealer.Open(c, source.ConnectionPassword)
	if err != nil {
		return c, passwordMissing()
	}
	return c, nil
}

func passwordMissing() *introspect.Error {
	return &introspect.Error{
		Reason: introspect.ReasonPasswordMissing,
		Message: "The stored password cannot be decrypted: the secret of this installation (PDEFLOW_AUTH_SECRET) is " +
			"another one.",
		Advice: "Send the password once more: refresh stores it again.",
	}
}

// hiddenNote returns a sentence about schemas that the user may not use, or "".
func hiddenNote(reading introspect.Reading) string {
	if len(reading.Hidden) == 0 {
		return ""
	}
	return fmt.Sprintf(" The user may not use the schemas %s; to include them, an administrator runs: %s",
		strings.Join(reading.Hidden, ", "), reading.Grant)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

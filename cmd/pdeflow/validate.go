package main

import (
	"net"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// These checks run before anything is started. Their errors name the flag, the variable and a correct value, and do not
// repeat values that may contain a password.

// checkDatabase validates a database URL. An empty one is valid.
func checkDatabase(where string) error {
	if where == "" {
		return nil
	}
	if err := schema.CheckURL(where); err != nil {
		return usagef("--%s (DATABASE_URL): %w", flagDatabase, err)
	}
	return nil
}

// checkAddress validates an address to listen on. An empty one is valid.
func checkAddress(flags, address, such string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return usagef("%s cannot be %s: must be host:port, such as %s", flags, quoted(address), such)
	}
	return nil
}

// redacted returns a NATS URL without user, password and path: schemes and hosts only.
func redacted(where string) string {
	servers, err := events.Servers(where)
	if err != nil {
		return "a URL that cannot be read"
	}
	hosts := make([]string, len(servers))
	for i, u := range servers {
		hosts[i] = u.Scheme + "://" + u.Host
	}
	return strings.Join(hosts, ",")
}

package main

import (
	"net"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// What is found wrong here is found before anything is started, and named by flag and variable, with what would be
// right. The values themselves are not repeated where a password may stand in them.

// checkDatabase looks at the form of a database's URL; empty is none.
func checkDatabase(where string) error {
	if where == "" {
		return nil
	}
	if err := schema.CheckURL(where); err != nil {
		return usagef("--%s (DATABASE_URL): %w", flagDatabase, err)
	}
	return nil
}

// checkAddress looks at the form of an address to listen on; empty is the default one.
func checkAddress(flags, address, such string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return usagef("%s cannot be %s: it is host:port, such as %s", flags, quoted(address), such)
	}
	return nil
}

// redacted is a NATS URL without what may be secret in it: the hosts, and how they are spoken to.
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

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
)

// defaultListen is the default address of the API.
const defaultListen = "127.0.0.1:8080"

// listen opens the API's port. A named address that is taken is an error. The default moves to the next free port.
func listen(ctx context.Context, address string, log *slog.Logger) (net.Listener, error) {
	var config net.ListenConfig
	if address != "" {
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, listenError(address, err)
		}
		return listener, nil
	}
	host, first, err := net.SplitHostPort(defaultListen)
	if err != nil {
		return nil, fmt.Errorf("default address: %w", err)
	}
	port, err := strconv.Atoi(first)
	if err != nil {
		return nil, fmt.Errorf("default address: %w", err)
	}
	for next := port; next < port+100; next++ {
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil && next != port {
			log.WarnContext(ctx, "the default port is in use, taking the next free one", "default", defaultListen,
				"address", listener.Addr().String())
		}
		return listener, err
	}
	return nil, fmt.Errorf("no free port from %s on; name one with --listen", defaultListen)
}

// listenError explains why a named address cannot be used. An impossible address is wrong usage; a port in use is not.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("--listen %s: the port is in use; name another, or leave the flag out and the next free "+
			"one is taken", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("--listen %s: %w; ports below 1024 may be for root only", address, err)
	default:
		return usagef("--listen (PDEFLOW_LISTEN) cannot be %s: %w; must be host:port with a host of this machine, "+
			"such as %s", quoted(address), err, defaultListen)
	}
}

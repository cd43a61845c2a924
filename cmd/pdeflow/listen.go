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

// defaultListen is where the API listens that was not told otherwise.
const defaultListen = "127.0.0.1:8080"

// listen opens the API's port. An address that somebody named and that is taken is an error; the default moves to the next free port.
func listen(ctx context.Context, address string, log *slog.Logger) (net.Listener, error) {
	var config net.ListenConfig
	if address != "" {
		listener, err := config.Listen(ctx, "tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("--listen %s: the port is in use; name another, or leave the flag out and the next free one is taken", address)
		}
		if err != nil {
			return nil, usagef("--listen %s: %w; it is host:port, such as %s", address, err, defaultListen)
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
			log.InfoContext(ctx, "the default port is in use, taking the next free one", "default", defaultListen, "address", listener.Addr().String())
		}
		return listener, err
	}
	return nil, fmt.Errorf("no free port from %s on; name one with --listen", defaultListen)
}

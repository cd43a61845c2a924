package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// exampleHealthListen is an address for --health-listen. Without the flag only a process with the api answers about
	// its health.
	exampleHealthListen = "127.0.0.1:8081"
	// readyTimeout is how long a process may take to answer about its readiness. Its checks take a second at most.
	readyTimeout = 5 * time.Second
)

func (a *app) healthListenFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "health-listen", Usage: "also answer /healthz and /readyz at this `ADDRESS`, such as " +
			exampleHealthListen + ", for a process without the api",
		Sources: a.env("PDEFLOW_HEALTH_LISTEN"),
	}
}

// listenHealth opens the port of --health-listen; it returns nil if there is none.
func listenHealth(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // no listener is asked for
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--health-listen %s: %w", address, err)
	}
	return listener, nil
}

// serveHealth answers on the listener until ctx ends.
func serveHealth(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readyTimeout, WriteTimeout: readyTimeout}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health: %w", err)
	}
	return nil
}

func (a *app) readyCommand() *cli.Command {
	return &cli.Command{
		Name:  "ready",
		Usage: "asks a running process whether it can do its work",
		Description: "Asks /readyz of the process and prints its checks; exit 1 if the process cannot do its work " +
			"or does not answer.\n" +
			"The health checks of containers use it. --server is the API, or the --health-listen of a process " +
			"without it.\n\n" +
			"   pdeflow ready\n" +
			"   pdeflow ready --server http://" + exampleHealthListen,
		Flags:  append([]cli.Flag{jsonFlag()}, a.clientFlags()...),
		Action: a.ready,
	}
}

func (a *app) ready(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	c, err := a.client(cmd)
	if err != nil {
		return err
	}
	readiness, err := askReadiness(ctx, c.server)
	if err != nil {
		return err
	}
	if cmd.Bool(flagJSON) {
		if err := a.printJSON(readiness); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.stdout, readiness.Status)
		for _, check := range readiness.Checks {
			fmt.Fprintln(a.stdout,
				strings.TrimRight(fmt.Sprintf("  %-12s %-5s %s", check.Name, check.State, check.Reason), " "))
		}
	}
	if readiness.Status != api.Ready {
		return errSaid
	}
	return nil
}

// askReadiness asks once: a health check is repeated by its caller.
func askReadiness(ctx context.Context, server string) (api.Readiness, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var readiness api.Readiness
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
	if err != nil {
		return readiness, &usageError{err}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return readiness, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
		return readiness, fmt.Errorf("%s/readyz answers %s", server, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&readiness); err != nil || readiness.Status == "" {
		return readiness, fmt.Errorf("%s/readyz is not that of pdeflow", server)
	}
	return readiness, nil
}

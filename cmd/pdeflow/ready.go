package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) readyCommand() *cli.Command {
	return &cli.Command{
		Name:  "ready",
		Usage: "checks whether a running process can do its work",
		Description: "Requests /readyz of the process and prints its checks. It exits 1 if the process " +
			"cannot do its work or does not respond. The health checks of containers use it. " +
			"--server is the API, or the --health-listen of a process without the API.\n\n" +
			"pdeflow ready\n" +
			"pdeflow ready --server http://" + exampleHealthListen,
		Flags:  append([]cli.Flag{jsonFlag()}, a.clientFlags()...),
		Action: a.withClient(a.ready),
	}
}

func (a *app) ready(ctx context.Context, cmd *cli.Command, c *client) error {
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
		return errReported
	}
	return nil
}

// askReadiness sends one request. A health check is repeated by its caller.
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
		return readiness, fmt.Errorf("%s/readyz responded %s", server, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&readiness); err != nil || readiness.Status == "" {
		return readiness, fmt.Errorf("%s/readyz is not a pdeflow endpoint", server)
	}
	return readiness, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/services/api"
)

func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "prints the versions of this program and of the server it would use",
		Flags: append([]cli.Flag{jsonFlag()}, a.clientFlags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			return a.printVersions(ctx, cmd)
		},
	}
}

// versions is the output of version --json. The server is null if there is none.
type versions struct {
	Version string         `json:"version"`
	Server  *serverVersion `json:"server"`
}

type serverVersion struct {
	URL     string `json:"url"`
	Version string `json:"version"`
}

// printVersions prints the versions. A missing server is an error only if one was named.
func (a *app) printVersions(ctx context.Context, cmd *cli.Command) error {
	all := versions{Version: version()}
	c, err := a.client(cmd)
	if err == nil {
		var health api.Health
		if _, err = c.call(ctx, request{method: http.MethodGet, path: "/healthz", unprefixed: true},
			&health); err == nil {
			all.Server = &serverVersion{URL: c.server, Version: health.Version}
		} else if c.isDefault {
			err = nil
		}
	}
	if cmd.Bool(flagJSON) {
		return errors.Join(a.printJSON(all), err)
	}
	if err := a.printVersion(); err != nil {
		return err
	}
	switch {
	case all.Server != nil:
		fmt.Fprintf(a.stdout, "server %s at %s\n", all.Server.Version, all.Server.URL)
		if all.Server.Version != all.Version {
			fmt.Fprintln(a.stderr, "the versions differ; this program and the server are from different builds")
		}
	case err == nil:
		fmt.Fprintln(a.stderr, "no server is running, and none is named")
	}
	return err
}

func (a *app) printVersion() error {
	_, err := fmt.Fprintln(a.stdout, "pdeflow", version())
	return err
}

// release is set by the linker in a build without the repository, such as the one of the Dockerfile.
var release string

// version returns the release, or else what the build recorded: the module's version, or the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-modified"
		}
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	if revision != "" {
		return revision + modified
	}
	return "development"
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/services/api"
)

// tokenTTL is the default lifetime of a token.
const tokenTTL = 24 * time.Hour

func (a *app) tokenCommand() *cli.Command {
	role := choice("role", "the user's role", api.Roles())
	role.Required = true
	return &cli.Command{
		Name:  "token",
		Usage: "prints a token signed with the development secret",
		Description: "The secret is PDEFLOW_AUTH_SECRET, or else the one in the data directory of the " +
			"server. If an issuer is configured, tokens come from the issuer, and this command " +
			"refuses.\n\n" +
			"pdeflow token --user tina --role tester\n" +
			"export PDEFLOW_TOKEN=$(pdeflow token --user max --role manager --ttl 8h)",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "user", Usage: "the `NAME` that identifies the user in history and audit log", Required: true,
				Validator: notEmpty,
			},
			role,
			&cli.DurationFlag{
				Name: "ttl", Value: tokenTTL, Usage: "how long the token is good for, such as 8h", Validator: positive,
			},
			a.secretFlag(),
			&cli.StringFlag{
				Name: flagDataDir, TakesFile: true,
				Usage: "take the secret of the serve or demo that keeps its data in this `DIRECTORY` (default: of " +
					"the one that runs)",
			},
			a.issuerFlag(),
		},
		Action: a.printToken,
	}
}

func (a *app) printToken(_ context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	if cmd.String(flagIssuer) != "" {
		return usagef("PDEFLOW_AUTH_ISSUER (--auth-issuer) is set: the server only accepts tokens of that issuer")
	}
	secret, err := a.developmentSecret(cmd)
	if err != nil {
		return err
	}
	token, err := api.SignToken([]byte(secret), cmd.String("user"), api.Role(cmd.String("role")), cmd.Duration("ttl"))
	if err != nil {
		return &usageError{err}
	}
	_, err = fmt.Fprintln(a.stdout, token)
	return err
}

// developmentSecret returns the secret of --auth-secret, or else the one in the data directory: the named directory,
// that of a running pdeflow, or the default one. It never creates a secret, because no server would know it.
func (a *app) developmentSecret(cmd *cli.Command) (string, error) {
	if secret := cmd.String(flagSecret); secret != "" {
		return secret, nil
	}
	dir := cmd.String(flagDataDir)
	if dir == "" {
		run, err := datadir.Find(a.getenv, "")
		standard, defaultErr := datadir.Default(a.getenv)
		switch {
		case err == nil:
			dir = filepath.Dir(run.TokenFile)
		case defaultErr != nil:
			return "", &usageError{defaultErr}
		}
		dir = cmp.Or(dir, standard)
	}
	secret, err := datadir.ReadSecret(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "",
			usagef("there is no secret to sign with: set PDEFLOW_AUTH_SECRET (--auth-secret) to that of the server, "+
				"or name its data directory"+
				" with --data-dir (%s has none)", dir)
	}
	return secret, err
}

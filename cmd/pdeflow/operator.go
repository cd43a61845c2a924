package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/schema"
)

// operatorFlags returns the flags of a command that works on the database.
func (a *app) operatorFlags() []cli.Flag { return []cli.Flag{a.databaseFlag(), findFlag()} }

// servers holds the addresses of a command's database and NATS server. The NATS server may be missing.
type servers struct {
	database string
	nats     natsServer
}

// locate finds the database and its NATS server from the command's flags, the environment and the pdeflow that runs on
// this machine. Typed values win over the environment and are not combined with it.
func (a *app) locate(cmd *cli.Command) (servers, error) {
	at := servers{database: cmd.String(flagDatabase), nats: natsServerOf(cmd)}
	dir, typedNATS, typedDatabase := cmd.String(flagDataDir), typed(cmd, flagNATS), typed(cmd, flagDatabase)
	local := at.database == "" || dir != "" && !typedDatabase
	if (typedDatabase || local) && !typedNATS {
		at.nats.url = ""
	}
	if typedDatabase || local || typedNATS {
		at.nats.dropUntyped(cmd) // the environment's settings are for the environment's server
	}
	if local {
		run, err := datadir.Find(a.getenv, dir)
		switch {
		case err != nil && dir != "":
			return at, notRunningError(err, dir, "the database with --database-url (DATABASE_URL)")
		case err != nil:
			return at,
				usagef("no database: set DATABASE_URL (--database-url), or start pdeflow serve or demo on "+
					"this machine (%w)", err)
		}
		at.database, at.nats.url = run.Database, cmp.Or(at.nats.url, run.NATS)
	}
	return at, errors.Join(checkDatabase(at.database), at.nats.check())
}

// withDatabase opens the command's database and calls do. It returns an error if the database lacks the tables of this
// version.
func (a *app) withDatabase(ctx context.Context, cmd *cli.Command, do func(context.Context, *schema.DB) error) error {
	at, err := a.locate(cmd)
	if err != nil {
		return err
	}
	return a.withDatabaseAt(ctx, cmd, at, do)
}

func (a *app) withDatabaseAt(
	ctx context.Context, cmd *cli.Command, at servers, do func(context.Context, *schema.DB) error,
) (err error) {
	log, err := a.logger(cmd)
	if err != nil {
		return err
	}
	db, err := schema.Open(ctx, at.database, schema.Options{
		ApplicationName: "pdeflow-" + cmd.Name, MaxConns: 4, LogSQL: sqlLog(cmd, log),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = do(ctx, db)
	if schema.IsReadOnly(err) {
		return cmp.Or(db.Writable(ctx), err) // which names the reason
	}
	if schema.IsOutdated(err) {
		return fmt.Errorf("the database does not have the tables of this version; bring it up to date with: pdeflow "+
			"migrate up (%w)", err)
	}
	return err
}

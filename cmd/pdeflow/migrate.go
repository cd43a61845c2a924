package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/schema"
)

func (a *app) migrateCommand() *cli.Command {
	up := func(ctx context.Context, cmd *cli.Command) error {
		if err := unknownCommand(cmd); err != nil {
			return err
		}
		return a.withDatabase(ctx, cmd, a.migrateUp)
	}
	return &cli.Command{
		Name:  "migrate",
		Usage: "applies database migrations, or lists them",
		Description: "Works on the database. An embedded database is migrated by serve and demo. Without a " +
			"subcommand, migrate means up.\n\n" +
			"DATABASE_URL=postgres://user:password@host/pdeflow pdeflow migrate up\n" +
			"pdeflow migrate status",
		Flags:  a.operatorFlags(),
		Action: up,
		Commands: []*cli.Command{
			{Name: "up", Usage: "applies pending migrations", Action: up},
			{
				Name: "status", Usage: "lists the migrations and whether they are applied",
				Flags: []cli.Flag{jsonFlag()},
				Action: func(ctx context.Context, cmd *cli.Command) error {
					if err := noArguments(cmd); err != nil {
						return err
					}
					return a.withDatabase(ctx, cmd, func(ctx context.Context, db *schema.DB) error {
						return a.migrateStatus(ctx, db, cmd.Bool(flagJSON))
					})
				},
			},
		},
	}
}

func (a *app) migrateUp(ctx context.Context, db *schema.DB) error {
	applied, err := schema.Migrate(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range applied {
		fmt.Fprintln(a.stdout, "applied", name)
	}
	if len(applied) == 0 {
		fmt.Fprintln(a.stdout, "no pending migrations")
	}
	return nil
}

// migration is one migration in the output of migrate status --json.
type migration struct {
	Name    string `json:"name"`
	Comment string `json:"comment"`
	Applied bool   `json:"applied"`
}

func (a *app) migrateStatus(ctx context.Context, db *schema.DB, asJSON bool) error {
	steps, err := schema.ListMigrations(ctx, db)
	if err != nil {
		return err
	}
	if asJSON {
		all := make([]migration, len(steps))
		for i, step := range steps {
			all[i] = migration(step)
		}
		return a.printJSON(map[string][]migration{"items": all})
	}
	w := table(a.stdout)
	printRow(w, "MIGRATION", "WHAT", "APPLIED")
	for _, step := range steps {
		printRow(w, step.Name, step.Comment, step.Applied)
	}
	return w.Flush()
}

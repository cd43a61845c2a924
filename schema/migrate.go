package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the advisory lock that lets several starting processes migrate at once: one does, the others wait and find it done.
const migrationLock = 0x7064656d69677261 // "pdemigra"

// Migration is one step of the database's structure.
type Migration struct {
	Name    string
	Comment string
	Applied bool
}

// Migrate brings the database to the newest structure. It returns the names of what it applied, none where all was applied already.
// Any number of processes may call it at once. All that is applied is applied and noted in one transaction: what fails or is cut off
// leaves nothing behind and may be tried again.
func Migrate(ctx context.Context, db *DB) (applied []string, err error) {
	if err := db.Writable(ctx); err != nil {
		return nil, err
	}
	err = withMigrator(ctx, db, func(tx bun.Tx, m *migrate.Migrator, _ *migrate.Migrations) error {
		if err := m.Init(ctx); err != nil {
			return fmt.Errorf("migration tables: %w", err)
		}
		steps, err := m.MigrationsWithStatus(ctx)
		if err != nil {
			return fmt.Errorf("migration status: %w", err)
		}
		for _, step := range steps.Unapplied() {
			step.GroupID = steps.LastGroupID() + 1
			if err := applyMigration(ctx, tx, step); err != nil {
				return fmt.Errorf("migration %s: %w", step, err)
			}
			applied = append(applied, step.String())
		}
		return nil
	})
	return applied, err
}

// applyMigration is not left to bun's own migrator, which notes a step in a transaction after the one that takes it: a process that dies
// in between leaves a database that no other can migrate any more.
func applyMigration(ctx context.Context, tx bun.Tx, step migrate.Migration) error {
	text, err := migrationFiles.ReadFile("migrations/" + step.String() + ".tx.up.sql")
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&step).ModelTableExpr("bun_migrations").Exec(ctx)
	return err
}

// ListMigrations lists every migration and whether it is applied, in order. It writes nothing, not even the tables in which migrations are
// noted: the database may be another than its caller believes.
func ListMigrations(ctx context.Context, db *DB) ([]Migration, error) {
	var all []Migration
	err := withMigrator(ctx, db, func(_ bun.Tx, m *migrate.Migrator, migrations *migrate.Migrations) error {
		var noted bool
		if err := db.NewRaw("select to_regclass('bun_migrations') is not null").Scan(ctx, &noted); err != nil {
			return fmt.Errorf("migration tables: %w", err)
		}
		steps := migrations.Sorted()
		if noted {
			var err error
			if steps, err = m.MigrationsWithStatus(ctx); err != nil {
				return fmt.Errorf("migration status: %w", err)
			}
		}
		for _, step := range steps {
			all = append(all, Migration{Name: step.Name, Comment: step.Comment, Applied: step.IsApplied()})
		}
		return nil
	})
	return all, err
}

// withMigrator runs do while this process holds the migration lock. The lock lives in the transaction that do gets, so it is free again
// when the process dies.
func withMigrator(ctx context.Context, db *DB, do func(bun.Tx, *migrate.Migrator, *migrate.Migrations) error) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	migrations := migrate.NewMigrations()
	if err := migrations.Discover(files); err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	return db.RunInTx(ctx, nil, func(ctx context.Context, lock bun.Tx) error {
		// A migration takes as long as it takes, whatever limits the database or the role sets for other work.
		if _, err := lock.ExecContext(ctx, "set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0; "+
			"set local lock_timeout = 0"); err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		if _, err := lock.ExecContext(ctx, "select pg_advisory_xact_lock(?)", int64(migrationLock)); err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		return do(lock, migrate.NewMigrator(db.DB, migrations), migrations)
	})
}

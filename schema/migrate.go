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

// migrationLock is the advisory lock that makes processes migrate one after the other.
const migrationLock = 0x7064656d69677261 // "pdemigra"

// Migration is one step of the database schema.
type Migration struct {
	Name    string
	Comment string
	Applied bool
}

// Migrate applies all migrations that are not applied yet and returns their names. Any number of processes may
// call it at once: one applies the migrations, and the others wait. All migrations are applied and recorded in
// one transaction, so a call that fails or is interrupted changes nothing and can be repeated. It returns an
// [ErrReadOnly] if the database accepts no writes.
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

// applyMigration applies and records one migration in the transaction. bun's own migrator records a migration
// in a second transaction: a process that dies in between leaves a database that cannot be migrated any more.
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

// ListMigrations returns every migration in order, and whether it is applied. It writes nothing, not even the
// tables of the migrator, because the database may not be the one that the caller expects.
func ListMigrations(ctx context.Context, db *DB) ([]Migration, error) {
	var all []Migration
	err := withMigrator(ctx, db, func(_ bun.Tx, m *migrate.Migrator, migrations *migrate.Migrations) error {
		var recorded bool
		if err := db.NewRaw("select to_regclass('bun_migrations') is not null").Scan(ctx, &recorded); err != nil {
			return fmt.Errorf("migration tables: %w", err)
		}
		steps := migrations.Sorted()
		if recorded {
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

// withMigrator calls do while this process holds the migration lock. The lock belongs to the transaction, so
// it is released if the process dies.
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
		// A migration may take long, so the limits of the database or the role do not apply to it.
		if _, err := lock.ExecContext(ctx, "set local idle_in_transaction_session_timeout = 0; "+
			"set local statement_timeout = 0; set local lock_timeout = 0"); err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		if _, err := lock.ExecContext(ctx, "select pg_advisory_xact_lock(?)", int64(migrationLock)); err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		return do(lock, migrate.NewMigrator(db.DB, migrations), migrations)
	})
}

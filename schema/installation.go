package schema

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Installation describes a database, for the diagnosis of an installation.
type Installation struct {
	// Version is the version of the server, such as 16.4; VersionNumber is the same version as a number, such
	// as 160004.
	Version       string `bun:"version"`
	VersionNumber int    `bun:"version_number"`
	Encoding      string `bun:"encoding"`
	// ReadOnly reports that the session cannot write: the server is a standby, or the server or the role is
	// set to read-only.
	ReadOnly bool   `bun:"read_only"`
	Standby  bool   `bun:"standby"`
	User     string `bun:"user_name"`
	// Schema is the schema of new tables. It is empty if the search path names no schema that exists.
	Schema    string `bun:"schema_name"`
	MayCreate bool   `bun:"may_create"`
	// MaxConnections is the number of connections that the server accepts, without those reserved for
	// superusers. Connections is the number of client connections now.
	MaxConnections int `bun:"max_connections"`
	Connections    int `bun:"connections"`
	// Denied lists the tables of the schema on which the user lacks a privilege that pdeflow needs.
	Denied []string `bun:"denied,array"`
	// Clock is the time of the server. Skew is how far it is ahead of the clock of this process.
	Clock time.Time     `bun:"clock"`
	Skew  time.Duration `bun:"-"`
}

// GetInstallation describes the database of db and the privileges of its user. It writes nothing and works
// before the first migration.
func GetInstallation(ctx context.Context, db *DB) (Installation, error) {
	updated := []string{
		"reports", "attributes", "data_sources", "source_columns", "pde_mappings", "auto_approvals", "jobs",
		"idempotency_keys", "job_items", "job_item_locks", "model_calls", "job_costs", "job_status",
		"classification_history", "planning_changes",
	}
	// Services update no rows of these tables, so they need no such privilege.
	others := []string{
		"job_intents", "jobs_without_status", "mapped_elements", "mapping_counts", "removed_mappings",
		"unaudited_changes", "audit_log",
	}
	// Jobs and triggers delete rows of these; of other tables, only removals by a manager do.
	deleted := []string{"job_item_locks", "jobs_without_status", "mapping_counts", "unaudited_changes"}
	var facts Installation
	before := time.Now()
	err := db.NewRaw(`select current_setting('server_version') as version,
		current_setting('server_version_num')::int as version_number,
		current_setting('server_encoding') as encoding, current_setting('transaction_read_only') = 'on' as read_only,
		pg_is_in_recovery() as standby, current_user as user_name, coalesce(current_schema(), '') as schema_name,
		coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
			as max_connections,
		(select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
		array(select c.relname from pg_class c where c.relnamespace = to_regnamespace(current_schema())
			and c.relkind = 'r' and c.relname in (?)
			and not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
				and (c.relname in (?) or has_table_privilege(c.oid, 'update'))
				and (c.relname not in (?) or has_table_privilege(c.oid, 'delete')))
			order by c.relname)::text[] as denied,
		clock_timestamp() as clock`,
		bun.List(slices.Concat(updated, others)), bun.List(others), bun.List(deleted)).Scan(ctx, &facts)
	if err != nil {
		return facts, fmt.Errorf("database facts: %w", err)
	}
	after := time.Now()
	facts.Skew = facts.Clock.Sub(before.Add(after.Sub(before) / 2))
	return facts, nil
}

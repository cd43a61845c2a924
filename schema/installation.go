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
	// Version is the server's, as in 16.4, and VersionNumber the same as in 160004.
	Version       string `bun:"version"`
	VersionNumber int    `bun:"version_number"`
	Encoding      string `bun:"encoding"`
	// ReadOnly reports that the session cannot write: a standby, or a server or role that was set so.
	ReadOnly bool   `bun:"read_only"`
	Standby  bool   `bun:"standby"`
	User     string `bun:"user_name"`
	// Schema is where new tables go; empty if the search path names none that exists.
	Schema    string `bun:"schema_name"`
	MayCreate bool   `bun:"may_create"`
	// MaxConnections is what the server accepts beside those reserved for superusers, and Connections how many there are.
	MaxConnections int `bun:"max_connections"`
	Connections    int `bun:"connections"`
	// Denied are the tables of the schema in which the user may not read and write rows.
	Denied []string `bun:"denied,array"`
	// Clock is the server's, and Skew how far it is ahead of this process's.
	Clock time.Time     `bun:"clock"`
	Skew  time.Duration `bun:"-"`
}

// GetInstallation reads the facts. It writes nothing, and needs none of this program's tables.
func GetInstallation(ctx context.Context, db *DB) (Installation, error) {
	// Rows of the latter are never changed.
	changed := []string{
		"reports", "attributes", "data_sources", "source_columns", "pde_mappings", "jobs", "idempotency_keys", "job_items", "job_status",
	}
	appended := []string{"job_intents", "classification_history", "audit_log"}
	var facts Installation
	before := time.Now()
	err := db.NewRaw(`select current_setting('server_version') as version, current_setting('server_version_num')::int as version_number,
		current_setting('server_encoding') as encoding, current_setting('transaction_read_only') = 'on' as read_only,
		pg_is_in_recovery() as standby, current_user as user_name, coalesce(current_schema(), '') as schema_name,
		coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as max_connections,
		(select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
		array(select c.relname from pg_class c where c.relnamespace = to_regnamespace(current_schema()) and c.relkind = 'r' and c.relname in (?)
			and not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
				and (c.relname in (?) or has_table_privilege(c.oid, 'update')))
			order by c.relname)::text[] as denied,
		clock_timestamp() as clock`, bun.List(slices.Concat(changed, appended)), bun.List(appended)).Scan(ctx, &facts)
	if err != nil {
		return facts, fmt.Errorf("database facts: %w", err)
	}
	after := time.Now()
	facts.Skew = facts.Clock.Sub(before.Add(after.Sub(before) / 2))
	return facts, nil
}

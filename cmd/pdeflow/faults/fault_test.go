package faults

import (
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdeflow/pdeflow/schema"
)

// fault breaks something, and mends what would not mend itself.
type fault struct {
	name   string
	inject func(r *run)
}

var faults = []fault{
	{"kill -9 of a service", func(r *run) {
		p := r.any()
		p.kill()
		r.start(p)
	}},
	{"kill -9 of both classifiers", func(r *run) {
		for _, p := range r.processes {
			if p.service == schema.ServiceClassifier {
				p.kill()
				r.start(p)
			}
		}
	}},
	{"a service is stopped beyond AckWait", func(r *run) {
		p := r.any()
		r.signal(p, syscall.SIGSTOP)
		r.lasts(7 * time.Second)
		r.signal(p, syscall.SIGCONT)
	}},
	{"every session of Postgres ends", func(r *run) {
		r.admin(`select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`)
	}},
	{"Postgres crashes and recovers", (*run).crashPostgres},
	{"Postgres is read-only", func(r *run) {
		r.readOnly("on")
		r.lasts(r.upTo(time.Second))
		r.readOnly("off")
	}},
	{"a user locks half of the mappings", (*run).lockMappings},
	{"pause and resume", func(r *run) {
		r.request("/jobs/"+r.job+"/pause", "")
		r.lasts(r.upTo(500 * time.Millisecond))
		r.request("/jobs/"+r.job+"/resume", "")
	}},
	{"cancel", func(r *run) {
		r.request("/jobs/"+r.job+"/cancel", "")
		r.cancelled = true
	}},
	{"nats-server is down", func(r *run) {
		r.nats.Stop()
		r.lasts(r.upTo(time.Second))
		r.nats.Restart()
	}},
	{"the store of JetStream is deleted", func(r *run) {
		r.nats.Stop()
		r.nats.Wipe()
		r.nats.Restart()
	}},
	{"a stream is deleted", (*run).deleteStream},
	{"a consumer is deleted", (*run).deleteConsumer},
	{"PDE_EVENTS refuses messages", (*run).refuse},
	{"events are repeated, late and out of order", (*run).repeatEvents},
	{"messages are forged and garbled", (*run).forge},
}

// any returns a random process.
func (r *run) any() *process { return r.processes[r.random.IntN(len(r.processes))] }

// upTo returns a random duration.
func (r *run) upTo(d time.Duration) time.Duration { return time.Duration(r.random.Int64N(int64(d))) }

// admin runs a statement on a connection of its own, when the database accepts one.
func (r *run) admin(statement string) {
	r.t.Helper()
	conn := r.connect()
	defer conn.Close(r.t.Context())
	if _, err := conn.Exec(r.t.Context(), "set default_transaction_read_only = off"); err != nil {
		r.t.Fatal(err)
	}
	if _, err := conn.Exec(r.t.Context(), statement); err != nil {
		r.t.Fatalf("%s: %v", statement, err)
	}
}

func (r *run) connect() *pgx.Conn {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(r.t.Context(), r.databaseURL); err == nil {
			return conn
		}
	}
	r.t.Fatalf("connect: got %v for %v, want a connection", err, patience)
	return nil
}

// readOnly changes the default of new sessions and ends the others, like a failover to a replica.
func (r *run) readOnly(value string) {
	r.t.Helper()
	r.admin(`do $$ begin
		execute format('alter database %I set default_transaction_read_only = ` + value + `', current_database());
		perform pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid();
		end $$`)
}

// crashPostgres kills a backend, whereupon the server ends all of them and recovers from its log.
func (r *run) crashPostgres() {
	r.t.Helper()
	conn := r.connect()
	var pid int
	if err := conn.QueryRow(r.t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	_ = conn.Close(r.t.Context()) // its server is gone
	_ = r.connect().Close(r.t.Context())
}

// lockMappings holds locks for longer than a statement waits.
func (r *run) lockMappings() {
	r.t.Helper()
	conn := r.connect()
	defer conn.Close(r.t.Context())
	if _, err := conn.Exec(r.t.Context(), `begin; set local idle_in_transaction_session_timeout = 0;
		select from pde_mappings where mod(hashtext(id), 2) = 0 order by id for update skip locked`); err != nil {
		r.t.Fatal(err)
	}
	r.lasts(r.upTo(2 * time.Second))
}

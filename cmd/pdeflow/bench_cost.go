package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/uptrace/bun"

	"github.com/pdeflow/pdeflow/schema"
)

// mappingCost is what a mapping costs the machine, whatever else runs on it. It is comparable between runs on a busy
// machine, which times are not.
type mappingCost struct {
	// ProcessCPUMS is the CPU time of this process, with all services and the NATS server. PostgresCPUMS is that of all
	// processes of PostgreSQL; zero on systems without /proc. Both are in milliseconds.
	ProcessCPUMS  float64 `json:"process_cpu_ms"`
	PostgresCPUMS float64 `json:"postgres_cpu_ms"`
	WALBytes      float64 `json:"wal_bytes"`
	// BufferHits are the pages read from shared buffers. Sessions report them with a delay of up to ten seconds.
	BufferHits   float64 `json:"buffer_hits"`
	Transactions float64 `json:"transactions"`
}

// meter holds the costs of the machine at one moment.
type meter struct {
	process, postgres time.Duration
	wal, hits, xacts  int64
}

// readMeter reads the costs so far. The database is embedded, so it runs on this machine.
func readMeter(ctx context.Context, db bun.IDB) (m meter, err error) {
	var backend int
	err = db.NewRaw(`select pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::bigint, blks_hit, xact_commit
		from pg_stat_database where datname = current_database()`).Scan(ctx, &backend, &m.wal, &m.hits, &m.xacts)
	if err != nil {
		return m, fmt.Errorf("statistics of the database: %w", err)
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return m, fmt.Errorf("CPU time: %w", err)
	}
	m.process = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	m.postgres = familyCPU(backend)
	return m, nil
}

// since returns the costs of each of n mappings since the earlier moment.
func (m meter) since(before meter, n int) mappingCost {
	each := func(total float64) float64 { return total / float64(n) }
	return mappingCost{
		ProcessCPUMS:  each((m.process - before.process).Seconds() * 1000),
		PostgresCPUMS: each((m.postgres - before.postgres).Seconds() * 1000),
		WALBytes:      each(float64(m.wal - before.wal)),
		BufferHits:    each(float64(m.hits - before.hits)),
		Transactions:  each(float64(m.xacts - before.xacts)),
	}
}

// tick is the unit of the times in /proc, on every Linux.
const tick = 10 * time.Millisecond

// familyCPU returns the CPU time of the parent of the process, of all its children, and of those that have ended. It
// returns zero on systems without /proc.
func familyCPU(child int) (sum time.Duration) {
	parent := readProcess(fmt.Sprintf("/proc/%d/stat", child)).parent
	if parent == 0 {
		return 0
	}
	sum = readProcess(fmt.Sprintf("/proc/%d/stat", parent)).withChildren
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		if p := readProcess(file); p.parent == parent {
			sum += p.own
		}
	}
	return sum
}

// process is a process in /proc. withChildren is its CPU time with that of its children that have ended.
type process struct {
	parent            int
	own, withChildren time.Duration
}

// readProcess reads a file /proc/*/stat. It returns the zero value if the process has ended.
func readProcess(file string) (p process) {
	text, err := os.ReadFile(file)
	if err != nil {
		return p
	}
	// The name of the program, in parentheses, may contain spaces.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return p
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i])
		return n
	}
	p.parent = number(1)
	p.own = time.Duration(number(11)+number(12)) * tick
	p.withChildren = p.own + time.Duration(number(13)+number(14))*tick
	return p
}

// auditPoll is the interval of the reads of awaitAudit.
const auditPoll = 100 * time.Millisecond

// awaitAudit returns when the log has all of the job, whose cost includes that.
func awaitAudit(ctx context.Context, db *schema.DB, jobID string) error {
	for {
		job, err := schema.GetJob(ctx, db, jobID)
		if err != nil || !job.AuditedAt.IsZero() {
			return err
		}
		if err := sleep(ctx, auditPoll); err != nil {
			return err
		}
	}
}

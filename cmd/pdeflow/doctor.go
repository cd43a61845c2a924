package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/localpg"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// doctorTimeout limits each request of the doctor.
	doctorTimeout = 10 * time.Second
	// smallSkew is a difference of clocks that deserves a warning. largeSkew is the leeway of tokens.
	smallSkew = 2 * time.Second
	largeSkew = time.Minute
	// minPostgres is the oldest supported version.
	minPostgres = 140000
	// With less than lowSpace free on the disk a warning is due. Below criticalSpace servers begin to fail.
	lowSpace      = 2 << 30
	criticalSpace = 200 << 20
)

// severity is the state of a check.
type severity string

const (
	fine    severity = "ok"
	skipped severity = "skipped"
	warned  severity = "warning"
	wrong   severity = "wrong"
)

// diagnosis is the result of one check.
type diagnosis struct {
	Check  string   `json:"check"`
	State  severity `json:"state"`
	Detail string   `json:"detail"`
	// Advice is empty if there is nothing to do.
	Advice string `json:"advice"`
}

// doctor collects the results of its checks.
type doctor struct {
	app      *app
	findings []diagnosis
}

func (d *doctor) found(check string, state severity, advice, format string, args ...any) {
	d.findings = append(d.findings, diagnosis{
		Check: check, State: state, Detail: oneLine(fmt.Sprintf(format, args...)), Advice: advice,
	})
}

func (a *app) doctorCommand() *cli.Command {
	flags := a.clientFlags()
	flags = slices.Concat([]cli.Flag{jsonFlag()}, flags, []cli.Flag{a.databaseFlag()}, a.natsFlags(), a.topologyFlags())
	return &cli.Command{
		Name:  "doctor",
		Usage: "checks the database, NATS, the server, clocks, disk and versions, with advice",
		Description: "Checks the servers that the other commands would use, and changes nothing. Servers " +
			"that are neither named nor running are skipped. It exits 1 if anything is wrong; " +
			"warnings alone exit 0.\n\n" +
			"pdeflow doctor\n" +
			"DATABASE_URL=postgres://... NATS_URL=nats://... pdeflow doctor --json",
		Flags: flags,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			return a.diagnose(ctx, cmd)
		},
	}
}

// diagnose runs all checks. A failed one does not stop the next.
func (a *app) diagnose(ctx context.Context, cmd *cli.Command) error {
	d := &doctor{app: a}
	at, err := a.locate(cmd)
	if err != nil && cmd.String(flagDataDir) != "" {
		return err
	}
	topology, err := topologyOf(cmd, at.nats)
	if err != nil {
		return err
	}
	d.found("program", fine, "", "pdeflow %s", version())
	d.examineServer(ctx, cmd)
	switch err := checkDatabase(at.database); {
	case err != nil:
		d.found("database", wrong, "correct the setting", "%v", err)
	case at.database != "":
		d.examineDatabase(ctx, at.database)
	default:
		d.examineBinaries()
	}
	switch err := at.nats.check(); {
	case err != nil:
		d.found("nats", wrong, "correct the setting", "%v", err)
	case at.nats.url != "":
		d.examineNATS(ctx, at.nats, topology)
	default:
		d.found("nats", skipped, "", "no server is running and NATS_URL is not set; serve embeds one")
	}
	d.examineDisk(cmd)
	return d.print(cmd.Bool(flagJSON))
}

// examineServer checks whether the API responds and is ready, and compares clocks.
func (d *doctor) examineServer(ctx context.Context, cmd *cli.Command) {
	c, err := d.app.client(cmd)
	if err != nil {
		d.found("server", wrong, "correct the setting", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	var health api.Health
	before := time.Now()
	got, err := c.call(ctx, request{method: http.MethodGet, path: "/healthz", unprefixed: true}, &health)
	switch {
	case err != nil && c.isDefault:
		d.found("server", skipped, "", "no server is running and none is named; pdeflow serve starts one")
		return
	case err != nil:
		d.found("server", wrong, "start it, or name another with --server (PDEFLOW_SERVER)", "%v", err)
		return
	case health.Version != version():
		d.found("server", warned, "use the same version on both sides", "%s has version %s, this program %s", c.server,
			health.Version, version())
	default:
		d.found("server", fine, "", "%s responds, version %s", c.server, health.Version)
	}
	if date, err := http.ParseTime(got.header.Get("Date")); err == nil {
		// The header has whole seconds.
		d.compareClocks("server clock",
			date.Add(500*time.Millisecond).Sub(before.Add(time.Since(before)/2)).Truncate(time.Second))
	}
	d.examineReadiness(ctx, c)
}

func (d *doctor) examineReadiness(ctx context.Context, c *client) {
	var ready api.Readiness
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/readyz", unprefixed: true}, &ready); err != nil &&
		ready.Status == "" {
		d.found("readiness", wrong, "read the server's log", "%v", err)
		return
	}
	down := 0
	for _, check := range ready.Checks {
		if check.State == api.Down {
			down++
			d.found("readiness", wrong, "read the server's log for "+check.Name, "%s is down: %s", check.Name,
				check.Reason)
		}
	}
	if down == 0 {
		d.found("readiness", fine, "", "the server is %s", ready.Status)
	}
}

// compareClocks reports how far a clock is ahead of this machine's.
func (d *doctor) compareClocks(check string, skew time.Duration) {
	const advice = "keep the clocks of all machines in step with NTP (chrony, systemd-timesyncd)"
	switch off := skew.Abs(); {
	case off >= largeSkew:
		d.found(check, wrong, advice, "%s different from this machine; tokens may be refused", durationText(off))
	case off >= smallSkew:
		d.found(check, warned, advice, "%s different from this machine", durationText(off))
	default:
		d.found(check, fine, "", "agrees with this machine")
	}
}

// examineBinaries looks for the PostgreSQL that serve and demo would embed.
func (d *doctor) examineBinaries() {
	binaries, err := localpg.Find(d.app.getenv)
	if err != nil {
		d.found("database", wrong, "install PostgreSQL, or set DATABASE_URL (--database-url)", "%v", err)
		return
	}
	d.found("database", skipped, "",
		"no database is running and DATABASE_URL is not set; serve embeds the PostgreSQL in %s", binaries.Dir)
}

func (d *doctor) examineDatabase(ctx context.Context, url string) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	db, err := schema.Open(ctx, url, schema.Options{ApplicationName: "pdeflow-doctor", MaxConns: 2})
	if err != nil {
		d.found("database", wrong,
			"check that it runs, and the host, user, password and name in DATABASE_URL (--database-url)", "%v", err)
		return
	}
	defer func() { _ = db.Close() }() // it was only read from
	facts, err := schema.GetInstallation(ctx, db)
	if err != nil {
		d.found("database", wrong, "read the server's log", "%v", err)
		return
	}
	d.judgeDatabase(facts)
	d.compareClocks("database clock", facts.Skew)
	d.examineMigrations(ctx, db)
}

func (d *doctor) judgeDatabase(facts schema.Installation) {
	if facts.VersionNumber < minPostgres {
		d.found("database", wrong, "use PostgreSQL 14 or newer", "found PostgreSQL %s", facts.Version)
	} else {
		d.found("database", fine, "", "PostgreSQL %s responds, encoding %s", facts.Version, facts.Encoding)
	}
	switch {
	case facts.Standby:
		d.found("database writes", wrong,
			"connect to the primary: name all hosts in DATABASE_URL and add target_session_attrs=read-write",
			"the server is a standby, which is read-only")
	case facts.ReadOnly:
		d.found("database writes", wrong,
			"find out why default_transaction_read_only is on: a provider sets it when the disk is full",
			"sessions are read-only")
	case len(facts.Denied) > 0:
		d.found("database writes", wrong, "grant select, insert, update and delete on them to "+facts.User,
			"user %s may not read and write in %v", facts.User, facts.Denied)
	case facts.Schema == "":
		d.found("database writes", wrong, "create the schema, or set the search_path of "+facts.User,
			"the search path names no schema that exists")
	case !facts.MayCreate:
		d.found("database writes", warned, "run pdeflow migrate up as another user, or grant create on schema "+
			facts.Schema+" to "+facts.User,
			"user %s may not create tables in schema %s, which migrations need", facts.User, facts.Schema)
	default:
		d.found("database writes", fine, "", "user %s may write in schema %s", facts.User, facts.Schema)
	}
	if free := facts.MaxConnections - facts.Connections; free < 10 {
		d.found("database connections", warned, "raise max_connections, or set pool_max_conns in DATABASE_URL",
			"%d of %d are in use",
			facts.Connections, facts.MaxConnections)
	} else {
		d.found("database connections", fine, "", "%d of %d are in use", facts.Connections, facts.MaxConnections)
	}
}

func (d *doctor) examineMigrations(ctx context.Context, db *schema.DB) {
	steps, err := schema.ListMigrations(ctx, db)
	if err != nil {
		d.found("migrations", wrong, "", "%v", err)
		return
	}
	if i := slices.IndexFunc(steps, func(m schema.Migration) bool { return !m.Applied }); i >= 0 {
		d.found("migrations", wrong, "run: pdeflow migrate up", "the database lacks migration %s and those after it",
			steps[i].Name)
		return
	}
	d.found("migrations", fine, "", "all %d are applied", len(steps))
}

// examineDisk checks the free space in the data directory.
func (d *doctor) examineDisk(cmd *cli.Command) {
	dir := cmd.String(flagDataDir)
	if run, err := datadir.Find(d.app.getenv, dir); err == nil && run.TokenFile != "" {
		dir = filepath.Dir(run.TokenFile)
	}
	if dir == "" {
		dir, _ = datadir.Default(d.app.getenv)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); dir == "" || errors.Is(err, os.ErrNotExist) {
		d.found("disk", skipped, "", "there is no data directory yet")
		return
	} else if err != nil {
		d.found("disk", wrong, "check the data directory", "%s: %v", dir, err)
		return
	}
	const advice = "free space on the disk, or use another data directory with --data-dir (PDEFLOW_DATA_DIR)"
	switch free := disk.Bavail * uint64(disk.Bsize); { //nolint:gosec // a block has a positive size
	case free < criticalSpace:
		d.found("disk", wrong, advice, "%s has %d MiB left", dir, free>>20)
	case free < lowSpace:
		d.found("disk", warned, advice, "%s has %d MiB left", dir, free>>20)
	default:
		d.found("disk", fine, "", "%s has %d GiB left", dir, free>>30)
	}
}

// doctorResult is the output of doctor --json.
type doctorResult struct {
	OK       bool        `json:"ok"`
	Findings []diagnosis `json:"findings"`
}

func (d *doctor) print(asJSON bool) error {
	counts := map[severity]int64{}
	for _, f := range d.findings {
		counts[f.State]++
	}
	if asJSON {
		if err := d.app.printJSON(doctorResult{OK: counts[wrong] == 0, Findings: d.findings}); err != nil {
			return err
		}
	} else {
		w, width := d.app.stdout, 0
		for _, f := range d.findings {
			width = max(width, len(f.Check))
		}
		indent := len(skipped) + columnGap + width + columnGap
		for _, f := range d.findings {
			fmt.Fprintf(w, "%-*s%-*s%s\n", len(skipped)+columnGap, f.State, width+columnGap, f.Check,
				indented(w, f.Detail, indent))
			if f.Advice != "" {
				fmt.Fprintf(w, "%*s%s\n", indent, "", indented(w, "-> "+f.Advice, indent))
			}
		}
		fmt.Fprintf(w, "\n%s, %s.\n", problemText(counts[wrong]), count(counts[warned], "warning"))
	}
	if counts[wrong] > 0 {
		return errReported
	}
	return nil
}

func problemText(n int64) string {
	if n == 0 {
		return "Nothing is wrong"
	}
	return count(n, "problem")
}

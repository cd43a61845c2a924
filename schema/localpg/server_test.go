//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

func TestATemporaryServerLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	conn := connect(t, s.URL())
	name := one[string](t, conn, "select current_user || ' in ' || current_database()")
	if name != "pdeflow in pdeflow" {
		t.Errorf("database of the URL: got %s, want pdeflow in pdeflow", name)
	}
	if listens := one[string](t, conn, "show listen_addresses"); listens != "" {
		t.Errorf("listen_addresses: got %s, want none", listens)
	}
	temp, pid := s.temp.Dir(), s.cmd.Process.Pid
	run(t, conn, "begin", "create table left_open ()") // an open transaction does not delay the stop

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); err != nil {
		t.Errorf("Err after Stop: got %v, want nil", err)
	}
	gone(t, temp)
	if dirlock.Alive(pid) {
		t.Errorf("process %d: got it running, want it ended", pid)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: got %v, want nil", err)
	}
}

func TestNoOtherUserReachesTheSocket(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: madeDir(t)})
	info, err := os.Stat(s.sockets)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the sockets' directory: got %v, want 0700", info.Mode())
	}
	if owner, _, err := ownerOf(s.sockets); err != nil || owner != s.cluster.account.uid {
		t.Errorf("owner of the sockets' directory: got %d (%v), want %d", owner, err, s.cluster.account.uid)
	}
	if os.Geteuid() == 0 && s.cluster.account.uid == 0 {
		t.Error("the server runs as root")
	}
}

func TestADirectoryKeepsItsDataBetweenRuns(t *testing.T) {
	t.Parallel()
	dir := passableDir(t)
	first := start(t, Options{Dir: dir, Durable: true})
	conn := connect(t, first.URL())
	run(t, conn, "create table kept as select 42 as n")
	if fsync := one[string](t, conn, "show fsync"); fsync != "on" {
		t.Errorf("fsync of a durable server: got %s, want on", fsync)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	gone(t, first.temp.Dir())

	second := start(t, Options{Dir: dir, Durable: true})
	if n := one[int](t, connect(t, second.URL()), "select n from kept"); n != 42 {
		t.Errorf("n: got %d, want 42", n)
	}
}

func TestASecondServerOnADirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	start(t, Options{Dir: dir})
	_, err := Start(t.Context(), with(t, Options{Dir: dir}))
	if held, ok := errors.AsType[*dirlock.HeldError](err); !ok || held.PID != os.Getpid() {
		t.Errorf("second Start: got %v, want a HeldError of process %d", err, os.Getpid())
	}
}

func TestAClusterOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	s := start(t, Options{Dir: dir})
	have := fmt.Sprintf("PostgreSQL %d", s.cluster.major)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.cluster.data, "PG_VERSION"), []byte("12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), with(t, Options{Dir: dir}))
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 12") || !strings.Contains(err.Error(), have) {
		t.Errorf("the error: got %v, want one that names PostgreSQL 12 and %s", err, have)
	}
}

func TestADirectoryWithoutAClusterIsRefused(t *testing.T) {
	t.Parallel()
	dir := passableDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(dir, "data"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Start(t.Context(), with(t, Options{Dir: dir, User: "nobody"}))
	if err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("got error %v, want one that it is not a database", err)
	}
}

func TestAMissingClusterIsNotReplacedByAnEmptyOne(t *testing.T) {
	t.Parallel()
	dir := passableDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/pdeflow/never-was/data", filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), with(t, Options{Dir: dir}))
	if err == nil || !strings.Contains(err.Error(), "/var/lib/pdeflow/never-was/data, which is gone") {
		t.Errorf("got error %v, want one that the directory is gone", err)
	}
}

func TestAnIncompleteClusterIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := passableDir(t)
	half := filepath.Join(dir, "data.new")
	if err := os.MkdirAll(filepath.Join(half, "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Dir: dir})
	one[int](t, connect(t, s.URL()), "select 1")
	gone(t, half)
}

func TestAKilledServerIsReportedAndKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	s := start(t, Options{Dir: dir, Durable: true})
	run(t, connect(t, s.URL()), "create table kept as select 42 as n")
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "ended by itself (signal: killed)") {
		t.Errorf("Err: got %v, want that it was killed", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Options{Dir: dir, Durable: true})
	if n := one[int](t, connect(t, again.URL()), "select n from kept"); n != 42 {
		t.Errorf("n: got %d, want 42", n)
	}
}

func TestACancelledStartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("cancelled")
	cancel(why)
	if _, err := Start(ctx, with(t, Options{Dir: dir})); !errors.Is(err, why) {
		t.Errorf("Start: got %v, want %v", err, why)
	}
	start(t, Options{Dir: dir}) // the directory is not locked, and its cluster is complete
}

func TestTheServerOutlivesTheThreadThatCalledStart(t *testing.T) {
	t.Parallel()
	started := make(chan *Server)
	o := with(t, Options{Dir: madeDir(t)})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		s, err := Start(t.Context(), o)
		if err != nil {
			t.Error(err)
		}
		started <- s
	}()
	s := <-started
	if s == nil {
		return
	}
	var threads sync.WaitGroup
	for range 20 {
		threads.Go(runtime.LockOSThread)
	}
	threads.Wait()
	conn := connect(t, s.URL())
	for range 50 {
		one[int](t, conn, "select 1 from pg_sleep(0.01)")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func TestTheLogHasErrorsAndNoRows(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	s := start(t, Options{Dir: madeDir(t), Logger: slog.New(handler)})
	conn := connect(t, s.URL())
	run(t, conn, "create table accounts (number text primary key)", "insert into accounts values ('4000-SECRET')")
	if _, err := conn.Exec(t.Context(), "insert into accounts values ('4000-SECRET')"); err == nil {
		t.Fatal("a duplicate was accepted")
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	logged := log.String()
	if !strings.Contains(logged, "duplicate key") || !strings.Contains(logged, "from=postgres") {
		t.Errorf("log: got %s, want the error of the server", logged)
	}
	if strings.Contains(logged, "SECRET") {
		t.Errorf("log: got %s, want no row", logged)
	}
	if strings.Contains(logged, "level=WARN") {
		t.Errorf("log of Stop: got %s, want no warning", logged)
	}
}

func TestTheErrorOfAFailedStartHasTheReason(t *testing.T) {
	t.Parallel()
	dir := madeDir(t)
	s := start(t, Options{Dir: dir})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(s.cluster.data, "postgresql.conf")
	if err := os.WriteFile(conf, []byte("work_mem = plenty\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), with(t, Options{Dir: dir}))
	if err == nil || !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("the error: got %v, want one that names the setting", err)
	}
}

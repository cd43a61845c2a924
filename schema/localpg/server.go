//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

const (
	tempParent = "/tmp" // not $TMPDIR: a socket's path is limited to 100 bytes
	tempPrefix = "pdeflow-pg-"
	homeLink   = "home" // a link in the temporary directory to Options.Dir
	port       = "5432" // part of the socket's name only

	// stopPatience is how long to wait for a fast shutdown, and quitPatience for an immediate one after it.
	stopPatience = 30 * time.Second
	quitPatience = 10 * time.Second
)

// Options configure [Start].
type Options struct {
	// Binaries are the programs to run, from [Find].
	Binaries Binaries
	// Dir is the directory of the cluster, created if it does not exist. If it is empty, the cluster is
	// temporary and removed when the server stops.
	Dir string
	// Durable makes committed data survive a crash of the machine. Without it the server is faster, and fit
	// for tests only.
	Durable bool
	// User is the user as whom root runs a new cluster (PDEFLOW_PG_USER), by name or number. If it is empty,
	// that is postgres, or an unused uid if there is no such user. An existing cluster is run by its owner,
	// and another User is an error. It has no effect if this process is not root.
	User string
	// Logger receives the server's log: PANIC as errors, FATAL and WARNING as warnings, the rest at debug. Nil
	// discards it.
	Logger *slog.Logger
}

// Server is a PostgreSQL server that runs as a child of this process.
type Server struct {
	cluster cluster
	cmd     *exec.Cmd
	log     *logRelay
	sockets string

	temp *dirlock.Lock
	home *dirlock.Lock // nil if the cluster is in temp

	stopping atomic.Bool
	stop     func() error
	done     chan struct{}
	err      error // why it ended; written before done is closed
}

// Start runs a server and returns when it accepts connections. The context bounds only the start: the server
// runs until [Server.Stop], or until this process ends, even if it is killed. If a directory already has a
// server, the error is a [*dirlock.HeldError] with the process id of its owner.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := Sweep(ctx); err != nil {
		o.Logger.LogAttrs(ctx, slog.LevelWarn, "sweep of earlier databases failed", slog.Any("error", err))
	}
	s := &Server{log: &logRelay{logger: o.Logger}, done: make(chan struct{})}
	s.stop = sync.OnceValue(s.end)
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("private PostgreSQL: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) (err error) {
	if err := s.claim(o.Dir); err != nil {
		return err
	}
	if s.cluster, err = openCluster(ctx, s.dir(), o); err != nil {
		return err
	}
	if s.home != nil {
		// A sweep finds by this link a server whose owner is gone.
		if err := os.Symlink(s.home.Dir(), filepath.Join(s.temp.Dir(), homeLink)); err != nil {
			return err
		}
	}
	if err := endOrphan(ctx, s.cluster.data); err != nil {
		return err
	}
	s.sockets = filepath.Join(s.temp.Dir(), "s")
	if err := s.cluster.account.makeDir(s.sockets); err != nil {
		return err
	}
	if err := s.launch(ctx, o.Durable); err != nil {
		return err
	}
	return s.awaitReady(ctx)
}

// claim makes and locks the temporary directory, and dir unless it is empty.
func (s *Server) claim(dir string) (err error) {
	if s.temp, err = dirlock.Temp(tempParent, tempPrefix); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := os.Chmod(s.temp.Dir(), 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes through
			return err
		}
	}
	if dir == "" {
		return nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := MakeDir(dir); err != nil {
		return err
	}
	s.home, err = dirlock.Acquire(dir)
	return err
}

// dir returns the directory that contains the cluster or the link to it.
func (s *Server) dir() string {
	if s.home != nil {
		return s.home.Dir()
	}
	return s.temp.Dir()
}

// launch starts the server from a thread that it keeps until the server ends, because the kernel sends the
// death signal when that thread ends.
func (s *Server) launch(ctx context.Context, durable bool) error {
	s.cmd = s.cluster.account.command(
		context.WithoutCancel(ctx), syscall.SIGINT, s.cluster.binaries.program("postgres"), s.arguments(durable)...,
	)
	s.cmd.Stderr = s.log
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.ended(s.cmd.Wait())
		}
	}()
	err := <-started
	if err != nil {
		s.cmd = nil
	}
	return err
}

func (s *Server) arguments(durable bool) []string {
	settings := []string{
		"listen_addresses=", "unix_socket_directories=" + s.sockets, "port=" + port,
		"max_connections=100", "dynamic_shared_memory_type=mmap", "timezone=UTC", "log_timezone=UTC",
		"cluster_name=pdeflow",
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=", "log_checkpoints=off",
		// Statements and the details of a violated constraint quote rows.
		"log_min_error_statement=panic", "log_error_verbosity=terse",
	}
	if durable {
		settings = append(settings, "shared_buffers=128MB")
	} else {
		settings = append(
			settings, "shared_buffers=32MB", "fsync=off", "synchronous_commit=off", "full_page_writes=off",
		)
	}
	args := []string{"-D", s.cluster.data}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// ended records why the server ended, and closes done.
func (s *Server) ended(err error) {
	if !s.stopping.Load() {
		s.err = fmt.Errorf("PostgreSQL ended by itself (%s)", s.cmd.ProcessState)
		if lines := s.log.lastLines(); lines != "" {
			s.err = fmt.Errorf("%w: %s", s.err, lines)
		}
	} else if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		s.err = fmt.Errorf("PostgreSQL stopped uncleanly: %w", exit)
	}
	close(s.done)
}

// awaitReady returns when postmaster.pid reports that the server accepts connections.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	pid := strconv.Itoa(s.cmd.Process.Pid)
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready yet: %w", context.Cause(ctx))
		case <-s.done:
			return s.err
		case <-tick.C:
		}
		// The eighth line is the status. A file with another process id is that of an earlier server.
		lines := postmasterFile(s.cluster.data)
		if len(lines) >= 8 && lines[0] == pid && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
	}
}

// URL returns the URL of the server's database, in a form that pgx, psql and every libpq accept.
func (s *Server) URL() string {
	query := url.Values{"host": {s.sockets}, "port": {port}, "user": {superuser}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: query.Encode()}).String()
}

// Done returns a channel that is closed when the server has ended, whether it was stopped or ended by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the server ended. It is nil while the server runs and after a clean [Server.Stop].
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server and every connection to it, waits until it has ended, and releases its directories.
// Later calls return the same error.
func (s *Server) Stop() error { return s.stop() }

func (s *Server) end() error {
	var err error
	if s.cmd != nil {
		err = s.endProcess()
	}
	if s.home != nil {
		err = errors.Join(err, s.home.Release())
	}
	if s.temp != nil {
		err = errors.Join(err, s.temp.Remove())
	}
	if err != nil {
		return fmt.Errorf("stop of the private PostgreSQL: %w", err)
	}
	return nil
}

// endProcess sends a fast shutdown, then an immediate one, then kills the server. If the server ended by
// itself, only Err reports why.
func (s *Server) endProcess() error {
	select {
	case <-s.done:
		return nil
	default:
	}
	s.stopping.Store(true)
	s.log.hush()
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGINT, stopPatience}, {syscall.SIGQUIT, quitPatience}, {syscall.SIGKILL, quitPatience}} {
		if err := s.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-s.done:
			return s.err
		case <-time.After(step.patience):
		}
	}
	return errors.New("it does not end")
}

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
	tempParent = "/tmp" // not $TMPDIR: a socket's path has a hundred bytes at most, and another user may have to reach it
	tempPrefix = "pdeflow-pg-"
	homeLink   = "home" // in the temporary directory: leads to the directory asked for
	port       = "5432" // part of the socket's name only

	// stopPatience is how long a fast shutdown may take, and quitPatience how long an immediate one after it.
	stopPatience = 30 * time.Second
	quitPatience = 10 * time.Second
)

// Options for [Start].
type Options struct {
	// Binaries to run, from [Find].
	Binaries Binaries
	// Dir is where the cluster is kept, made if need be. Empty means a temporary one, which is removed when the server stops.
	Dir string
	// Durable keeps what was committed through a crash of the machine. Without it the server is faster and fit for tests only.
	Durable bool
	// User is the user that root runs the server as (PDEFLOW_PG_USER), by name or number. If it is empty that is postgres, or an unused
	// uid where there is no such user. For other users it means nothing.
	User string
	// Logger gets the server's log: its complaints as warnings, the rest at debug. Nil discards it.
	Logger *slog.Logger
}

// Server is a PostgreSQL that runs as a child of this process.
type Server struct {
	cluster cluster
	cmd     *exec.Cmd
	log     *logRelay
	sockets string

	temp *dirlock.Lock
	home *dirlock.Lock // nil where the cluster lies in temp

	stopping atomic.Bool
	stop     func() error
	done     chan struct{}
	err      error // why it ended; written before done is closed
}

// Start runs a server and returns when it takes connections. The context bounds the start only: the server runs until [Server.Stop] or
// until this process ends, however it ends. A directory that has a server already is refused with a [*dirlock.HeldError] that names
// the owner's process.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := Sweep(ctx); err != nil {
		o.Logger.LogAttrs(ctx, slog.LevelWarn, "leftovers of earlier databases", slog.Any("error", err))
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
		// By this link a sweep finds the server that outlived its owner.
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

// claim makes and locks the temporary directory, and the directory asked for.
func (s *Server) claim(dir string) (err error) {
	if s.temp, err = dirlock.Temp(tempParent, tempPrefix); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := os.Chmod(s.temp.Dir(), 0o711); err != nil { //nolint:gosec // another user passes through; what is in it is closed
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

// dir is the directory that holds the cluster or the link to it.
func (s *Server) dir() string {
	if s.home != nil {
		return s.home.Dir()
	}
	return s.temp.Dir()
}

// launch starts the server from a thread that stays with it, because the death of that thread is what the kernel tells it of.
func (s *Server) launch(ctx context.Context, durable bool) error {
	s.cmd = s.cluster.account.command(context.WithoutCancel(ctx), syscall.SIGINT, s.cluster.binaries.program("postgres"), s.arguments(durable)...)
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
		"max_connections=100", "dynamic_shared_memory_type=mmap", "timezone=UTC", "log_timezone=UTC", "cluster_name=pdeflow",
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=", "log_checkpoints=off",
		// Statements and the details of a violated constraint quote rows.
		"log_min_error_statement=panic", "log_error_verbosity=terse",
	}
	if durable {
		settings = append(settings, "shared_buffers=128MB")
	} else {
		settings = append(settings, "shared_buffers=32MB", "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", s.cluster.data}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// ended records that the server is no more.
func (s *Server) ended(err error) {
	if !s.stopping.Load() {
		s.err = fmt.Errorf("PostgreSQL ended by itself (%s)", s.cmd.ProcessState)
		if words := s.log.lastWords(); words != "" {
			s.err = fmt.Errorf("%w: %s", s.err, words)
		}
	} else if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		s.err = fmt.Errorf("PostgreSQL stopped uncleanly: %w", exit)
	}
	close(s.done)
}

// awaitReady returns when the server says in its own file that it takes connections.
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
		// The eighth line is the status; a file with another id is a predecessor's.
		if lines := postmasterFile(s.cluster.data); len(lines) >= 8 && lines[0] == pid && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
	}
}

// URL names the server's database, in a form that pgx, psql and every libpq understand.
func (s *Server) URL() string {
	query := url.Values{"host": {s.sockets}, "port": {port}, "user": {superuser}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: query.Encode()}).String()
}

// Done is closed when the server has ended, because it was stopped or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended. It is nil while it runs and after a stop that was asked for.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server and every connection to it, waits until it is gone, and gives its directories up. Calling it again is harmless
// and says the same.
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

// endProcess asks for a fast shutdown, then for an immediate one, then kills. A server that had ended by itself is reported by Err alone.
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

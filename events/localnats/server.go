// Package localnats runs a nats-server with JetStream in this process: for demo, for serve without a NATS URL, and
// for tests.
//
//  1. A configured address that is taken is an error; the default moves to the next free port and logs it. The server
//     opens JetStream before it listens, so the address is tried first, and again if another process takes it in
//     between.
//  2. The server's log goes to the given logger: warnings and errors at their level, the rest at debug. The server
//     handles no signals and prints nothing.
//  3. An error at the start is returned and not logged; the server itself returns none.
//  4. Every user of a machine can connect to loopback, so an embedded server requires a user and a password.
//     [Server.URL] contains both; log lines use [Server.Address].
package localnats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/crypto/bcrypt"
)

// DefaultListen is the default client address.
const DefaultListen = "127.0.0.1:4222"

// Options configures [Start].
type Options struct {
	// StoreDir is the directory of JetStream, created if it is missing. It overrides that of Config and is
	// required without one.
	StoreDir string
	// Listen is the client address, host:port; port 0 means any free port. Empty means Config's, or
	// [DefaultListen].
	Listen string
	// NextFreePort moves to the next free port if the port is taken. Otherwise a taken port is an error.
	NextFreePort bool
	// Config is the path of a nats-server configuration file. If Listen is set too, the monitoring port of the
	// file is not opened, because the server that the file is for may run on this machine.
	Config string
	// User, with a password, is required of every client. If it is nil, access is that of Config; without
	// users there, every local user may connect. User and Config together are an error.
	User *url.Userinfo
	// Logger receives the server's log; nil discards it.
	Logger *slog.Logger
}

// Server is a nats-server in this process.
type Server struct {
	server  *server.Server
	address string
	user    *url.Userinfo
}

// Start starts a server and returns when it accepts connections. ctx bounds the start only; the server runs
// until [Server.Stop]. A new server may then be started on the same directory and address.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	options, err := o.serverOptions()
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	s, err := startFree(ctx, options, o)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	return s, nil
}

// serverOptions returns the options of the configuration file, overridden by o.
func (o Options) serverOptions() (*server.Options, error) {
	options := &server.Options{}
	if o.Config != "" {
		var err error
		if options, err = server.ProcessConfigFile(o.Config); err != nil {
			return nil, err
		}
	}
	if o.Listen == "" && o.Config == "" {
		o.Listen = DefaultListen
	}
	if o.Listen != "" {
		host, port, err := splitAddress(o.Listen)
		if err != nil {
			return nil, err
		}
		options.Host, options.Port = host, port
		options.HTTPPort, options.HTTPSPort = 0, 0
	}
	if o.StoreDir != "" {
		options.StoreDir = o.StoreDir
	}
	if options.StoreDir == "" {
		return nil, errors.New("no directory for JetStream's files")
	}
	if err := os.MkdirAll(options.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("directory for JetStream's files: %w", err)
	}
	if o.User != nil {
		if err := o.requireUser(options); err != nil {
			return nil, err
		}
	}
	options.JetStream = true
	options.NoSigs = true
	if options.ServerName == "" {
		options.ServerName = "pdeflow"
	}
	return options, nil
}

func (o Options) requireUser(options *server.Options) error {
	password, _ := o.User.Password()
	if o.User.Username() == "" || password == "" || o.Config != "" {
		return errors.New("a user requires a name and a password, and excludes a configuration file")
	}
	// The server warns about a password in plain text. The hash never leaves this process, so a higher cost would
	// only slow down clients.
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("password of the user: %w", err)
	}
	options.Username, options.Password = o.User.Username(), string(hash)
	return nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q is not of the form host:port: %w", address, err)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: the port is not a number from 0 to 65535", address)
	}
	return host, int(number), nil
}

// startFree starts on the address of the options, or on the next free port if allowed.
func startFree(ctx context.Context, options *server.Options, o Options) (*Server, error) {
	asked := options.Port
	for {
		s, err := startOn(ctx, options.Clone(), o.Logger)
		if err == nil {
			s.user = o.User
			if asked > 0 && options.Port != asked {
				o.Logger.LogAttrs(ctx, slog.LevelWarn, "nats-server moved to the next free port",
					slog.Int("taken", asked), slog.String("url", s.address))
			}
			return s, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) || !o.NextFreePort || options.Port == 65535 {
			return nil, err
		}
		options.Port++
	}
}

// startOn starts on the address of the options. The error is EADDRINUSE if it is taken.
func startOn(ctx context.Context, options *server.Options, log *slog.Logger) (*Server, error) {
	if err := tryAddress(ctx, options); err != nil {
		return nil, err
	}
	if options.Port == 0 {
		options.Port = server.RANDOM_PORT
	}
	ns, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	relay := &logRelay{log: log, starting: true}
	ns.SetLoggerV2(relay, options.Debug, options.Trace, options.TraceVerbose)
	started := make(chan struct{})
	go func() {
		ns.Start() // returns when it listens or has failed
		close(started)
	}()
	select {
	case <-started:
		err = relay.started()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		ns.Shutdown()
		<-started
		ns.WaitForShutdown()
		return nil, err
	}
	return &Server{server: ns, address: clientURL(ns)}, nil
}

func tryAddress(ctx context.Context, options *server.Options) error {
	address := net.JoinHostPort(options.Host, strconv.Itoa(options.Port))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return takenError(address)
	}
	if err != nil {
		return err
	}
	return listener.Close()
}

func takenError(address string) error {
	return fmt.Errorf("address %s is taken by another program: %w", address, syscall.EADDRINUSE)
}

// clientURL is the URL for clients on this machine.
func clientURL(ns *server.Server) string {
	scheme, rest, _ := strings.Cut(ns.ClientURL(), "://")
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return ns.ClientURL()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// URL is the URL for clients on this machine, with the user and password of [Options], which make it a secret.
func (s *Server) URL() string {
	if s.user == nil {
		return s.address
	}
	scheme, host, _ := strings.Cut(s.address, "://")
	return scheme + "://" + s.user.String() + "@" + host
}

// InProcess is an option for a client in this process: it connects without the network.
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(s.server) }

// Stop stops the server and waits until its files are closed. It may be called again.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// logRelay implements the server's logger with slog.
type logRelay struct {
	log *slog.Logger

	mu       sync.Mutex
	starting bool
	fatal    error
}

// started ends the start phase, in which a fatal message is kept, and returns that message as an error.
func (r *logRelay) started() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting = false
	return r.fatal
}

func (r *logRelay) write(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if r.log.Enabled(ctx, level) {
		r.log.LogAttrs(ctx, level, fmt.Sprintf(format, v...), slog.String("from", "nats-server"))
	}
}

// Fatalf implements [server.Logger]. The server reports a failed start this way and does not end the process.
func (r *logRelay) Fatalf(format string, v ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.starting {
		r.write(slog.LevelError, format, v)
		return
	}
	r.fatal = fmt.Errorf(format, v...)
	if strings.Contains(r.fatal.Error(), syscall.EADDRINUSE.Error()) {
		r.fatal = fmt.Errorf("%w: %w", r.fatal, syscall.EADDRINUSE)
	}
}

// Errorf implements [server.Logger].
func (r *logRelay) Errorf(format string, v ...any) { r.write(slog.LevelError, format, v) }

// Warnf implements [server.Logger].
func (r *logRelay) Warnf(format string, v ...any) { r.write(slog.LevelWarn, format, v) }

// Noticef implements [server.Logger].
func (r *logRelay) Noticef(format string, v ...any) { r.write(slog.LevelDebug, format, v) }

// Debugf implements [server.Logger].
func (r *logRelay) Debugf(format string, v ...any) { r.write(slog.LevelDebug, format, v) }

// Tracef implements [server.Logger].
func (r *logRelay) Tracef(format string, v ...any) { r.write(slog.LevelDebug, format, v) }

// Package localnats runs a nats-server with JetStream inside this process: for demo, for serve where no NATS is
// named, and for tests.
//
//  1. An address that somebody named and that is taken is an error; a default moves to the next free port and
//     says so. The server opens JetStream before it listens, so the address is tried first: what loses the race
//     between the two is tried again.
//  2. The server's log goes to our logger, warnings and errors as such and the rest at debug. It takes no signals
//     and prints nothing.
//  3. What makes it end at start is returned and not logged; the server itself has no error to return.
//  4. Loopback is open to every user of the machine, so an embedded server takes a user and a password.
//     [Server.URL] carries both. Log lines carry [Server.Address].
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
	"golang.org/x/crypto/bcrypt"
)

// DefaultListen is where a server listens that was not told otherwise.
const DefaultListen = "127.0.0.1:4222"

// Options for [Start].
type Options struct {
	// StoreDir is where JetStream keeps its files, made if need be. It is needed unless Config names one, and wins
	// over that.
	StoreDir string
	// Listen is the address for clients, host:port, where port 0 means any free one. Empty means Config's, else
	// [DefaultListen].
	Listen string
	// NextFreePort moves on from a port that is taken to the next that is free. Without it a taken port is an error.
	NextFreePort bool
	// Config is a configuration file of nats-server. Where Listen is given beside it, the monitoring port of the
	// file is not opened: the server that the file was written for may run on this machine too.
	Config string
	// User, with a password, is required of every client. Nil leaves access to Config, which without users admits
	// every local user. Both together are an error.
	User *url.Userinfo
	// Logger gets the server's log. Nil discards it.
	Logger *slog.Logger
}

// Server is a nats-server in this process.
type Server struct {
	server  *server.Server
	address string
	user    *url.Userinfo
}

// Start runs a server and returns when it takes connections. The context bounds the start only: the server runs
// until [Server.Stop]. After that one may be started again on the same directory and address.
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

// serverOptions are the file's, with what was asked for besides.
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
		return errors.New("a user needs a name and a password, and no configuration file beside it")
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

// startFree starts on the address of the options, or on the next free one where that is allowed.
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

// startOn starts on the address of the options. Where it is taken the error is EADDRINUSE.
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
		ns.Start() // comes back when it listens or has given up
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

// clientURL is how a client on this machine reaches the server.
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

// URL is where clients on this machine connect, with the user and password of [Options]. It is a secret if there
// are any.
func (s *Server) URL() string {
	if s.user == nil {
		return s.address
	}
	scheme, host, _ := strings.Cut(s.address, "://")
	return scheme + "://" + s.user.String() + "@" + host
}

// Address is the URL without the user and the password, for log lines.
func (s *Server) Address() string { return s.address }

// Stop ends the server and waits until its files are closed. Calling it again is harmless.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// logRelay implements the server's logger on ours.
type logRelay struct {
	log *slog.Logger

	mu       sync.Mutex
	starting bool
	fatal    error
}

// started ends the phase in which what is fatal is kept for the caller, and returns what was.
func (r *logRelay) started() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting = false
	return r.fatal
}

func (r *logRelay) say(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if r.log.Enabled(ctx, level) {
		r.log.LogAttrs(ctx, level, fmt.Sprintf(format, v...), slog.String("from", "nats-server"))
	}
}

// Fatalf implements [server.Logger]. The server logs so what it cannot start with, and does not end the process.
func (r *logRelay) Fatalf(format string, v ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.starting {
		r.say(slog.LevelError, format, v)
		return
	}
	r.fatal = fmt.Errorf(format, v...)
	if strings.Contains(r.fatal.Error(), syscall.EADDRINUSE.Error()) {
		r.fatal = fmt.Errorf("%w: %w", r.fatal, syscall.EADDRINUSE)
	}
}

// Errorf implements [server.Logger].
func (r *logRelay) Errorf(format string, v ...any) { r.say(slog.LevelError, format, v) }

// Warnf implements [server.Logger].
func (r *logRelay) Warnf(format string, v ...any) { r.say(slog.LevelWarn, format, v) }

// Noticef implements [server.Logger].
func (r *logRelay) Noticef(format string, v ...any) { r.say(slog.LevelDebug, format, v) }

// Debugf implements [server.Logger].
func (r *logRelay) Debugf(format string, v ...any) { r.say(slog.LevelDebug, format, v) }

// Tracef implements [server.Logger].
func (r *logRelay) Tracef(format string, v ...any) { r.say(slog.LevelDebug, format, v) }

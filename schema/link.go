package schema

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// deadAfter is how long the kernel waits for a silent peer before it closes the connection.
	deadAfter = 20 * time.Second
	// askAfter is how long an answer may take before the watch asks the server whether it still executes the
	// statement.
	askAfter = 10 * time.Second
	// confirmAfter is the delay of the second question. The answer may have been in transit during the first.
	confirmAfter = time.Second
	// askTimeout limits the time of one question.
	askTimeout = 5 * time.Second
)

// dial connects to a server. The kernel closes a TCP connection whose peer has vanished after [deadAfter],
// whether or not the connection is in use. On Linux that includes unacknowledged packets; other systems apply
// their own limit to those.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 2, Interval: deadAfter / 4, Count: 2},
		Control:         limitUnacknowledged,
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &link{TCPConn: tcp}, nil
	}
	return conn, nil // a unix socket needs no watch
}

// link is a TCP connection that records when its current Read began.
type link struct {
	*net.TCPConn
	// waiting is the start of the current Read in nanoseconds since the Unix epoch, or 0 without one.
	waiting atomic.Int64
}

// Read implements [net.Conn].
func (l *link) Read(p []byte) (int, error) {
	l.waiting.Store(time.Now().UnixNano())
	defer l.waiting.Store(0)
	return l.TCPConn.Read(p)
}

// linkOf returns the link of a connection, or nil if it has none.
func linkOf(conn *pgx.Conn) *link {
	raw := conn.PgConn().Conn()
	if encrypted, ok := raw.(*tls.Conn); ok {
		raw = encrypted.NetConn()
	}
	l, _ := raw.(*link)
	return l
}

// watch closes the connection of a statement whose answer was lost. The kernel detects a vanished peer, but
// not a proxy that acknowledges every packet and forwards none. A watch does not limit the time of a statement
// that the server executes.
type watch struct {
	link   *link
	config *pgx.ConnConfig
	pid    uint32
	timer  *time.Timer
	ended  atomic.Bool
	// lost is the Read during which the server was found not to execute the statement.
	lost int64
}

// watchStatement starts to watch the statement that conn is about to send. It returns nil if it cannot watch
// the connection.
func watchStatement(conn *pgx.Conn) *watch {
	l := linkOf(conn)
	pid, known := conn.PgConn().CustomData()[sessionPID].(uint32)
	if l == nil || !known {
		return nil
	}
	w := &watch{link: l, config: conn.Config(), pid: pid}
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Reset(askAfter) // only now, because look uses w.timer
	return w
}

func (w *watch) end() {
	if w != nil {
		w.ended.Store(true)
		w.timer.Stop()
	}
}

// look asks the server about the statement if the current Read has waited for askAfter.
func (w *watch) look() {
	began := w.link.waiting.Load()
	silence := time.Duration(time.Now().UnixNano() - began)
	switch {
	case w.ended.Load():
		return
	case began == 0 || silence < askAfter: // the client reads slowly, or bytes arrive
		w.timer.Reset(askAfter)
		return
	}
	switch works, err := w.ask(); {
	case err != nil || works: // an unreachable server proves nothing: the kernel decides
		w.lost = 0
		w.timer.Reset(askAfter)
	case w.lost == began:
		if w.link.waiting.Load() == began {
			_ = w.link.Close() // the statement fails, and the pool drops the connection
		}
	default:
		w.lost = began
		w.timer.Reset(confirmAfter)
	}
}

// ask reports whether the server executes a statement of the session. It opens a new connection to the same
// address.
func (w *watch) ask() (works bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	config := w.config.Copy()
	config.Tracer, config.AfterConnect, config.ValidateConnect = nil, nil, nil
	address := w.link.RemoteAddr().String()
	config.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	query := fmt.Sprintf("select from pg_stat_activity where pid = %d "+
		"and state not in ('idle', 'idle in transaction', 'idle in transaction (aborted)')", w.pid)
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return false, err
	}
	return len(results[0].Rows) > 0, nil
}

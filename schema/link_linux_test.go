package schema

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel acts on these options, so the test only checks that a connection has them.
func TestATCPConnectionEndsWhenItsPeerHasBeenSilentForTwentySeconds(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	conn, err := dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*link).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct {
		name              string
		level, key, value int
	}{
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20_000},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 10},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 2},
	} {
		t.Run(option.name, func(t *testing.T) {
			var got int
			var optionErr error
			if err := raw.Control(
				func(fd uintptr) { got, optionErr = unix.GetsockoptInt(int(fd), option.level, option.key) },
			); err != nil || optionErr != nil {
				t.Fatal(err, optionErr)
			}
			if got != option.value {
				t.Errorf("%s: got %d, want %d", option.name, got, option.value)
			}
		})
	}
}

package schema

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// limitUnacknowledged sets how long sent data may stay unacknowledged before the kernel closes the connection.
func limitUnacknowledged(network, _ string, conn syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return nil
	}
	var err error
	controlErr := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}

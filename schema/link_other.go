//go:build !linux

package schema

import "syscall"

// limitUnacknowledged does nothing, because the system has no such option.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }

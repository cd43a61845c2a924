//go:build !linux

package schema

import "syscall"

// limitUnacknowledged does nothing: the system has no such option, and its own limit counts.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }

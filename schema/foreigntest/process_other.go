//go:build unix && !linux

package foreigntest

import "syscall"

// attributes runs a child as the account, in its own process group.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}

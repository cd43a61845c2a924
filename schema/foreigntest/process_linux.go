package foreigntest

import "syscall"

// attributes runs a child as the account, in its own process group. The child is killed when the thread that started it
// ends, so that it does not outlive a test binary that is killed.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: as}
}

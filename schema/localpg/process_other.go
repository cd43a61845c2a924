//go:build unix && !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes give a child its own process group. There is no parent-death signal here: a server whose parent was killed is ended
// by the next start.
func processAttributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// running names the server on data where the process with this id is one, which its command line tells. Processes that it started are
// not looked for, so what is named is not all.
func running(data string, pid int) (pids []int, all bool) {
	command, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	if err != nil || !strings.Contains(string(command), data) || !strings.Contains(string(command), "postgres") {
		return nil, false
	}
	return []int{pid}, false
}

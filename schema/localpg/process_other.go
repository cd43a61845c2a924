//go:build unix && !linux

package localpg

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes gives a child its own process group. These systems have no parent-death signal: the next
// start ends a server whose parent was killed.
func processAttributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// running returns pid if its command line is that of a server on data. It does not look for the processes that
// the server started, so the list is never complete.
func running(data string, pid int) (pids []int, all bool) {
	command, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	if err != nil || !strings.Contains(string(command), data) || !strings.Contains(string(command), "postgres") {
		return nil, false
	}
	return []int{pid}, false
}

// busyUsers returns the uids that processes run as.
func busyUsers() (map[uint32]bool, error) {
	out, err := exec.Command("ps", "-A", "-o", "uid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list of processes: %w", err)
	}
	busy := map[uint32]bool{}
	for field := range strings.FieldsSeq(string(out)) {
		// Some systems print the uid of the user nobody as -2.
		if uid, err := strconv.ParseInt(field, 10, 64); err == nil {
			busy[uint32(uid)] = true //nolint:gosec // as the system has it
		}
	}
	return busy, nil
}

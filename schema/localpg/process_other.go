//go:build unix && !linux

package localpg

import (
	"fmt"
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

// busyUsers returns the uids that processes run as.
func busyUsers() (map[uint32]bool, error) {
	out, err := exec.Command("ps", "-A", "-o", "uid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list of processes: %w", err)
	}
	busy := map[uint32]bool{}
	for field := range strings.FieldsSeq(string(out)) {
		// Some systems print the uid of nobody as -2.
		if uid, err := strconv.ParseInt(field, 10, 64); err == nil {
			busy[uint32(uid)] = true //nolint:gosec // as the system has it
		}
	}
	return busy, nil
}

package localpg

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes gives a child its own process group, and the signal death when the thread that started it
// ends.
func processAttributes(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}

// running lists the processes named postgres whose working directory is data. all reports whether the list is
// complete, so that a process that is not in it cannot be part of the server.
func running(data string, _ int) (pids []int, all bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil || len(entries) == 0 {
		return nil, false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		proc := filepath.Join("/proc", entry.Name())
		if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); err != nil || cwd != data {
			continue
		}
		name, err := os.ReadFile(filepath.Join(proc, "comm"))
		if err == nil && strings.TrimSpace(string(name)) == "postgres" {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

// busyUsers returns the real, effective, saved and file system uids of all processes.
func busyUsers() (map[uint32]bool, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	busy := map[uint32]bool{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "status"))
		if err != nil {
			continue // not a process, or it has ended
		}
		_, uids, _ := strings.Cut(string(text), "\nUid:")
		uids, _, _ = strings.Cut(uids, "\n")
		for field := range strings.FieldsSeq(uids) {
			if uid, err := strconv.ParseUint(field, 10, 32); err == nil {
				busy[uint32(uid)] = true
			}
		}
	}
	if len(busy) == 0 {
		return nil, errors.New("/proc shows no processes")
	}
	return busy, nil
}

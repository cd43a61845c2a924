//go:build unix

package datadir

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

const runFile = "pdeflow.json"

// Run holds the addresses of a running serve or demo.
type Run struct {
	HTTP     string `json:"http"`
	NATS     string `json:"nats"`
	Database string `json:"database"`
	// TokenFile holds a token with the role manager.
	TokenFile string `json:"token_file"`
	PID       int    `json:"pid"`
}

// Token reads the token from the token file.
func (r Run) Token() (string, error) {
	text, err := os.ReadFile(r.TokenFile)
	if err != nil {
		return "", fmt.Errorf("token of the running pdeflow: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Published is a run file that is valid for as long as this process lives.
type Published struct {
	path string
	file *os.File
}

// Publish writes the run file of this process and fills in its process id. It replaces the run file of another process
// that shares the directory.
func Publish(dir string, run Run) (*Published, error) {
	run.PID = os.Getpid()
	text, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("run file: %w", err)
	}
	path := filepath.Join(dir, runFile)
	file, err := os.CreateTemp(dir, runFile+".*") // 0600
	if err != nil {
		return nil, fmt.Errorf("run file: %w", err)
	}
	// The file is locked before it gets its name, so that a reader never finds it unlocked.
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		_, err = file.Write(append(text, '\n'))
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run file: %w", err), os.Remove(file.Name()), file.Close())
	}
	return &Published{path: path, file: file}, nil
}

// Remove deletes the run file, unless another process has replaced it.
func (p *Published) Remove() error {
	ours, err := p.file.Stat()
	if err != nil {
		return fmt.Errorf("run file: %w", err)
	}
	if now, statErr := os.Stat(p.path); statErr == nil && os.SameFile(ours, now) {
		err = os.Remove(p.path)
	}
	return errors.Join(err, p.file.Close())
}

// ErrNotRunning means that no pdeflow is running.
var ErrNotRunning = errors.New("no pdeflow is running")

// Read returns the run file in dir. If no live process holds it, the error is [ErrNotRunning].
func Read(dir string) (Run, error) {
	run, _, err := read(dir)
	return run, err
}

func read(dir string) (Run, time.Time, error) {
	file, err := os.Open(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Run{}, time.Time{}, fmt.Errorf("%w on data directory %s", ErrNotRunning, dir)
	}
	if err != nil {
		return Run{}, time.Time{}, fmt.Errorf("run file: %w", err)
	}
	defer func() { _ = file.Close() }()
	// A shared lock, so that readers do not take one another for the writer.
	if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return Run{}, time.Time{}, fmt.Errorf("%w on data directory %s", ErrNotRunning, dir)
	}
	info, err := file.Stat()
	if err != nil {
		return Run{}, time.Time{}, fmt.Errorf("run file: %w", err)
	}
	var run Run
	if err := json.NewDecoder(file).Decode(&run); err != nil {
		return Run{}, time.Time{}, fmt.Errorf("run file %s: %w", file.Name(), err)
	}
	return run, info.ModTime(), nil
}

// Find returns the run file of a live pdeflow: on the named directory, or else on the default one or that of this
// user's newest demo. If there is none, the error is [ErrNotRunning].
func Find(getenv func(string) string, named string) (Run, error) {
	return find(getenv, named, tempParent)
}

func find(getenv func(string) string, named, demos string) (Run, error) {
	if named != "" {
		return Read(named)
	}
	dir, err := Default(getenv)
	if err != nil {
		return newestDemo(demos, err)
	}
	run, err := Read(dir)
	if err == nil {
		return run, nil
	}
	return newestDemo(demos, err)
}

// newestDemo returns the most recently started demo of this user in parent, or the error otherwise.
func newestDemo(parent string, otherwise error) (Run, error) {
	dirs, err := dirlock.Find(parent, tempPrefix)
	if err != nil {
		return Run{}, errors.Join(otherwise, err)
	}
	type demo struct {
		run     Run
		started time.Time
	}
	var demos []demo
	for _, dir := range dirs {
		// A demo that is starting, was killed or is ending does not count.
		if run, started, err := read(dir); err == nil {
			demos = append(demos, demo{run, started})
		}
	}
	if len(demos) == 0 {
		return Run{}, fmt.Errorf("%w, and no demo of this user either", otherwise)
	}
	return slices.MaxFunc(demos,
		func(a, b demo) int { return cmp.Compare(a.started.UnixNano(), b.started.UnixNano()) }).run, nil
}

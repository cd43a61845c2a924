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

// Run says where a running serve or demo is to be reached.
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

// Published is a run file that is believed for as long as this process lives.
type Published struct {
	path string
	file *os.File
}

// Publish writes the run file of this process, whose id it fills in. It takes the place of another's, where several
// share the directory.
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
	// Locked before it has its name, so that a reader never finds it without.
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

// Remove takes the run file away, unless another process has put its own there meanwhile.
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

// ErrNotRunning says that there is no pdeflow where it was looked for.
var ErrNotRunning = errors.New("no pdeflow is running")

// Read returns the run file in dir. Where there is none whose writer is alive, the error is [ErrNotRunning].
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
	// Shared, so that readers do not take one another for the writer.
	if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return Run{}, time.Time{}, fmt.Errorf("%w on data directory %s any more", ErrNotRunning, dir)
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

// Find returns the run file of a pdeflow that is alive: on the directory named, or where none is named on the default
// one, or else that of this user's newest demo. Where there is none, the error is [ErrNotRunning].
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

// newestDemo returns the demo of this user in parent that was started last, and otherwise what was found before it was
// looked for.
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
		// One that is being made, was killed or is just ending is not one to be found.
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

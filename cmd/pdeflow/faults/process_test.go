package faults

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// process is a service that runs as a process of its own.
type process struct {
	service schema.Service
	cmd     *exec.Cmd
}

// program builds pdeflow and returns its path.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pdeflow")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return path
}

// command returns a command of pdeflow with the servers of the run in its environment.
func (r *run) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.t.Context(), r.program, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+r.databaseURL, "NATS_URL="+r.nats.URL(),
		"PDEFLOW_AUTH_SECRET="+secret, "PDEFLOW_LOG_FORMAT=json", "PDEFLOW_DATA_DIR="+r.t.TempDir(),
		"PDEFLOW_SERVER=http://"+r.listen)
	return cmd
}

// start starts the process, or starts it again.
func (r *run) start(p *process) {
	r.t.Helper()
	p.cmd = r.command("serve", "--services", string(p.service), "--listen", r.listen)
	p.cmd.Stdout, p.cmd.Stderr = r.log, r.log
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// kill ends the process without a warning and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
}

// signal sends SIGSTOP or SIGCONT.
func (r *run) signal(p *process, signal syscall.Signal) {
	r.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		r.t.Fatalf("%s of %s: %v", signal, p.service, err)
	}
}

//go:build unix

package datadir

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema/localpg/dirlock"
)

// With demoVariable in its environment the test binary acts as a demo below that directory, without servers, until it
// is killed.
const demoVariable = "DATADIR_TEST_DEMO_BELOW"

func TestMain(m *testing.M) {
	if parent := os.Getenv(demoVariable); parent != "" {
		demo(parent)
	}
	m.Run()
}

func demo(parent string) {
	lock, err := temp(parent)
	if err != nil {
		panic(err)
	}
	if _, err := Publish(lock.Dir(), Run{HTTP: "http://demo"}); err != nil {
		panic(err)
	}
	fmt.Println(lock.Dir())
	select {}
}

// startDemo starts a process that looks like a demo, and returns its data directory.
func startDemo(t *testing.T, parent string) (dir string, process *exec.Cmd) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), demoVariable+"="+parent)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("got %q from the demo (%v), want its line", line, err)
	}
	return strings.TrimSpace(line), cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestDefault_UsesTheVariableThenXDGThenHome(t *testing.T) {
	t.Parallel()
	for want, getenv := range map[string]func(string) string{
		"/srv/pdeflow": environment("PDEFLOW_DATA_DIR", "/srv/pdeflow", "XDG_DATA_HOME", "/share",
			"HOME", "/home/u"),
		"/share/pdeflow":               environment("XDG_DATA_HOME", "/share", "HOME", "/home/u"),
		"/home/u/.local/share/pdeflow": environment("XDG_DATA_HOME", "relative", "HOME", "/home/u"),
	} {
		t.Run(want, func(t *testing.T) {
			if dir, err := Default(getenv); err != nil || dir != want {
				t.Errorf("Default: got %q (%v), want %s", dir, err, want)
			}
		})
	}
	if dir, err := Default(environment()); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("Default without a home: got %q (%v), want an error that names the flag", dir, err)
	}
}

func TestLock_NamesTheProcessThatHoldsTheDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir)
	if _, held := errors.AsType[*dirlock.HeldError](err); !held ||
		!strings.Contains(err.Error(), fmt.Sprintf("in use by process %d", os.Getpid())) {
		t.Errorf("second Lock: got %v, want the process that holds it", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Remove(); err != nil {
		t.Error(err)
	}
}

func TestMake_LetsOthersTraverseOnlyForRoot(t *testing.T) {
	t.Parallel()
	want := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		want = 0o711
	}
	lock, err := temp(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	made, err := Make(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{lock.Dir(), made} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("mode of %s: got %v, want %v", dir, info.Mode().Perm(), want)
		}
	}
	if err := lock.Remove(); err != nil {
		t.Error(err)
	}
}

func TestSweep_RemovesKilledDemosAndFindReturnsALiveOne(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	home := environment("HOME", t.TempDir())
	if _, err := find(home, "", parent); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find with nothing running: got %v, want ErrNotRunning", err)
	}
	live, process := startDemo(t, parent)
	killed, victim := startDemo(t, parent)
	run, err := find(home, "", parent)
	if err != nil || run.PID != victim.Process.Pid {
		t.Errorf("Find: got process %d (%v), want the newest, %d", run.PID, err, victim.Process.Pid)
	}
	kill(victim)
	if run, err := Read(killed); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find after a kill: got %+v, %v; want ErrNotRunning", run, err)
	}
	run, err = find(home, "", parent)
	if err != nil || run.PID != process.Process.Pid || run.HTTP != "http://demo" {
		t.Errorf("Find: got %+v (%v), want the live process %d", run, err, process.Process.Pid)
	}
	if err := sweep(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of the killed demo: got it kept (%v), want it removed", err)
	}
	if _, err := os.Stat(live); err != nil {
		t.Errorf("directory of the live demo: got %v, want it kept", err)
	}
}

func TestFind_PrefersTheDefaultDirectoryToADemo(t *testing.T) {
	t.Parallel()
	parent, home := t.TempDir(), t.TempDir()
	getenv := environment("HOME", home)
	startDemo(t, parent)
	dir, err := Default(getenv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(dir); err != nil {
		t.Fatal(err)
	}
	published, err := Publish(dir, Run{
		HTTP: "http://serve", NATS: "nats://n", Database: "postgres:///d", TokenFile: "/t",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Run{HTTP: "http://serve", NATS: "nats://n", Database: "postgres:///d", TokenFile: "/t", PID: os.Getpid()}
	if run, err := find(getenv, "", parent); err != nil || run != want {
		t.Errorf("Find: got %+v (%v), want %+v", run, err, want)
	}
	if run, err := find(getenv, t.TempDir(), parent); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find on an empty directory: got %+v (%v), want ErrNotRunning", run, err)
	}
	if err := published.Remove(); err != nil {
		t.Fatal(err)
	}
	if run, err := find(getenv, "", parent); err != nil || run.HTTP != "http://demo" {
		t.Errorf("Find: got %+v (%v), want the demo", run, err)
	}
}

func TestPublish_WritesAPrivateRunFileOfTheContract(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	published, err := Publish(dir, Run{HTTP: "h", NATS: "n", Database: "d", TokenFile: "t"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "pdeflow.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("{\n  \"http\": \"h\",\n  \"nats\": \"n\",\n  \"database\": \"d\",\n  \"token_file\": "+
		"\"t\",\n  \"pid\": %d\n}\n", os.Getpid())
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v (%v), want 0600", info.Mode(), err)
	}
	if err := published.Remove(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("got leftover files %v (%v), want none", left, err)
	}
}

func TestPublished_RemovesOnlyItsOwnRunFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Publish(dir, Run{HTTP: "first"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Publish(dir, Run{HTTP: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Remove(); err != nil {
		t.Fatal(err)
	}
	if run, err := Read(dir); err != nil || run.HTTP != "second" {
		t.Errorf("got %+v (%v), want the second run", run, err)
	}
	if err := second.Remove(); err != nil {
		t.Error(err)
	}
}

func TestRead_DoesNotMistakeAReaderForTheWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	published, err := Publish(dir, Run{HTTP: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if err := published.file.Close(); err != nil { // as when the process is killed
		t.Fatal(err)
	}
	deadline := time.Now().Add(200 * time.Millisecond)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for time.Now().Before(deadline) {
				if run, err := Read(dir); !errors.Is(err, ErrNotRunning) {
					t.Errorf("Read of a dead process's file: got %+v, %v, want ErrNotRunning", run, err)
					return
				}
			}
		})
	}
	readers.Wait()
}

func TestSecret_IsSharedByProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secrets := make([]string, 8)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			secret, err := Secret(dir)
			if err != nil {
				t.Error(err)
			}
			secrets[i] = secret
		})
	}
	wg.Wait()
	for _, secret := range secrets {
		if secret != secrets[0] || len(secret) < 32 {
			t.Fatalf("got secrets %q, want equal ones", secrets)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v (%v), want 0600", info.Mode(), err)
	}
	other, err := Secret(t.TempDir())
	if err != nil || other == secrets[0] {
		t.Errorf("another directory: got the secret %q (%v), want another one", other, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("got leftover files %v (%v), want none", left, err)
	}
}

func TestSecret_EmptyIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if secret, err := Secret(dir); err == nil {
		t.Errorf("Secret: got %q, want an error", secret)
	}
}

func TestWriteToken_IsPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := WriteToken(dir, "abc")
	if err != nil {
		t.Fatal(err)
	}
	if token, err := (Run{TokenFile: path}).Token(); err != nil || token != "abc" {
		t.Errorf("got token %q (%v), want abc", token, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestNATSUser_StaysWithTheDirectory(t *testing.T) {
	t.Parallel()
	one, other := t.TempDir(), t.TempDir()
	first, err := NATSUser(one)
	if err != nil {
		t.Fatal(err)
	}
	again, err := NATSUser(one)
	if err != nil || again.String() != first.String() {
		t.Errorf("second NATSUser: got another user (%v), want the same", err)
	}
	if another, err := NATSUser(other); err != nil || another.String() == first.String() {
		t.Errorf("another directory: got the same user (%v), want another one", err)
	}
}

package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	secret = "the secret of the tests in a browser, long enough"
	// patience is the time after which a test fails if the page does not show what is expected. Other packages are
	// tested at the same time.
	patience = 2 * time.Minute
)

// site is the program that serves the page, as a process of its own.
type site struct {
	binary, dir, address string
	process              *exec.Cmd
	// exited is closed when the process has ended.
	exited chan struct{}
	// axe is the script of axe-core.
	axe    string
	output bytes.Buffer
}

// newSite builds and starts the program with an empty data directory.
func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	// Postgres's user can enter the directory, so that the database lies in it and is removed with it. Root's would
	// otherwise be made in /var/lib/pdeflow and remain there.
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	s := &site{
		binary: filepath.Join(dir, "pdeflow"), dir: filepath.Join(dir, "data"), address: schematest.FreeAddress(t),
		axe: readAxe(t),
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// start starts the program and waits until it is ready.
func (s *site) start(t *testing.T) {
	t.Helper()
	// Not of the test's context: the cleanup stops it in order.
	s.process = exec.CommandContext(context.WithoutCancel(t.Context()), s.binary, "serve", "--listen", s.address,
		"--nats-listen", "127.0.0.1:0", "--data-dir", s.dir)
	s.process.Env = append(os.Environ(), "PDEFLOW_AUTH_SECRET="+secret, "DATABASE_URL=", "NATS_URL=")
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, exited := s.process, make(chan struct{})
	s.exited = exited
	go func() {
		defer close(exited)
		_ = process.Wait() // its output has the reason
	}()
	for deadline := time.Now().Add(patience); ; {
		response, err := s.get(t.Context(), "/readyz")
		if err == nil && response == http.StatusOK {
			return
		}
		select {
		case <-exited:
			t.Fatalf("the program has ended: %v\n%s", process.ProcessState, s.output.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the program is not ready\n%s", s.output.String())
		}
	}
}

func (s *site) get(ctx context.Context, path string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// stop ends the program and waits for its end.
func (s *site) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return // it has ended
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Errorf("the program does not end\n%s", s.output.String())
		_ = s.process.Process.Kill()
	}
}

// do sends a request of a manager to the API, and returns the body of the response.
func (s *site) do(t *testing.T, method, path, contentType string, body io.Reader) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+"/api/v1"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token(t, "ada", api.Manager))
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: got %d, %s (%v)", method, path, response.StatusCode, text, err)
	}
	return text
}

// importReport imports a report from files.
func (s *site) importReport(t *testing.T, report string, files map[string]string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, text := range files {
		part, err := form.CreateFormFile(name, name+".csv")
		if err == nil {
			_, err = io.WriteString(part, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	s.do(t, http.MethodPost, "/planning"+reportPath(report)+"/import", form.FormDataContentType(), &body)
}

// startJob starts a job for the report and returns its id.
func (s *site) startJob(t *testing.T, report string) string {
	t.Helper()
	var accepted api.Accepted
	text := s.do(t, http.MethodPost, "/planning"+reportPath(report)+"/pde-mappings/regenerate-all", "application/json",
		strings.NewReader("{}"))
	if err := json.Unmarshal(text, &accepted); err != nil {
		t.Fatal(err)
	}
	return accepted.JobID
}

func reportPath(report string) string { return "/cycles/2026-Q3/reports/" + report }

func token(t *testing.T, user string, role api.Role) string {
	t.Helper()
	token, err := api.SignToken([]byte(secret), user, role, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// browser starts a browser. It fails the test with the command that installs one if there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	found := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			found = path
			break
		}
	}
	if found == "" {
		t.Fatal("no browser found; install one: apt-get install --no-install-recommends chromium")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.Headless, chromedp.ExecPath(found)}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to sandbox for root
	}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(options...))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", found, err)
	}
	return ctx
}

// user is a person with a window of their own, who has signed in.
type user struct {
	t    *testing.T
	ctx  context.Context
	site *site

	mu sync.Mutex
	// errors are the messages of the console, such as violations of the Content-Security-Policy.
	errors []string
}

// signIn opens a window and follows the sign-in link of the user.
func (s *site) signIn(ctx context.Context, t *testing.T, name string, role api.Role) *user {
	t.Helper()
	u := s.visitor(ctx, t, name)
	u.open("/signin#" + token(t, name, role))
	u.sees("Sign out")
	return u
}

// visitor opens a window for a person who has not signed in.
func (s *site) visitor(ctx context.Context, t *testing.T, name string) *user {
	t.Helper()
	u := &user{t: t, site: s}
	var cancel context.CancelFunc
	u.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(u.hear))
	t.Cleanup(cancel)
	if err := chromedp.Do(u.ctx); err != nil { // the window lives as long as the context of the first call
		t.Fatal(err)
	}
	u.do(chromedp.EmulateViewport(1280, 800))
	t.Cleanup(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, message := range u.errors {
			t.Errorf("console of %s: %s", name, message)
		}
	})
	return u
}

// hear collects errors of the page.
func (u *user) hear(event any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		u.errors = append(u.errors, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description))
	case *log.EventEntryAdded:
		u.errors = append(u.errors, e.Entry.Text+" "+e.Entry.URL)
	}
}

// forgives discards the errors so far, which the test has caused.
func (u *user) forgives() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.errors = nil
}

func (u *user) do(steps ...chromedp.Action[chromedp.Void]) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		u.t.Fatalf("%v; the page has: %s", err, u.text())
	}
}

func (u *user) open(path string) {
	u.t.Helper()
	u.do(chromedp.Navigate("http://" + u.site.address + path))
}

func (u *user) click(selector string) {
	u.t.Helper()
	u.do(chromedp.Click(selector))
}

// presses types a key outside of any field.
func (u *user) presses(key string) {
	u.t.Helper()
	u.do(chromedp.KeyEvent(key))
}

// types types into a field.
func (u *user) types(selector, text string) {
	u.t.Helper()
	u.do(chromedp.SendKeys(selector, text))
}

// chooses chooses a file with this content.
func (u *user) chooses(selector, name, content string) {
	u.t.Helper()
	path := filepath.Join(u.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.do(chromedp.SetUploadFiles(selector, []string{path}))
}

// eval evaluates an expression of JavaScript.
func eval[T any](u *user, expression string) T {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		u.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// evalPromise evaluates an expression of JavaScript, and waits for its value.
func evalPromise[T any](u *user, expression string) T {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		u.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// call sends a command to the browser.
func call[P, R any](u *user, command cdp.Command[P, R], params P) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	_, err := chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, command, params)
	})
	if err != nil {
		u.t.Fatal(err)
	}
}

// until waits until the expression of JavaScript is true.
func (u *user) until(expression string) {
	u.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(u.ctx, patience)
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) || errors.Is(err, context.Canceled) {
			u.t.Fatalf("%s does not become true (%v); the page has: %s", expression, err, u.text())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// sees waits until the page has the text.
func (u *user) sees(text string) {
	u.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		u.t.Fatal(err)
	}
	u.until("document.body.innerText.includes(" + string(quoted) + ")")
}

// text returns the text of the page, for messages.
func (u *user) text() string {
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

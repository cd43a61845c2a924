package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestNew_RefusesMissingOptions(t *testing.T) {
	t.Parallel()
	if _, err := api.New(nil, nil, api.Options{}); err == nil {
		t.Error("it would let anyone in")
	}
	for _, kind := range []schema.ClassifierKind{schema.ClassifierLLM, schema.ClassifierHybrid} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			if _, err := api.New(nil, nil, api.Options{Verify: verifier(t), Classifier: kind}); err == nil ||
				!strings.Contains(err.Error(), string(kind)) {
				t.Errorf("default classifier %s: got error %v, want one that names it", kind, err)
			}
		})
	}
}

func TestRun_EndsWithItsListener(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	listener := listening(t)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.server.Run(context.Background(), listener); err == nil {
		t.Error("it serves a listener that is closed")
	}
}

// run has the server listen, as a process does. What it returns stops it, and waits for its end.
func (f *fixture) run() (stop func() error) {
	f.T.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(f.T.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		f.T.Fatal(err)
	}
	return f.runOn(f.T.Context(), listener)
}

func (f *fixture) runOn(ctx context.Context, listener net.Listener) (stop func() error) {
	f.T.Helper()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- f.server.Run(ctx, listener) }()
	f.url = "http://" + listener.Addr().String()
	return func() error {
		cancel()
		return <-ended
	}
}

// line is a connection on which a test sends what no client would send.
func (f *fixture) line() net.Conn {
	f.T.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(f.T.Context(), "tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(func() { _ = conn.Close() }) // the server may have hung up
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		f.T.Fatal(err)
	}
	return conn
}

// exchange sends the text and reads a response.
func exchange(t *testing.T, conn net.Conn, text string) answer {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("response: got error %v, want one response", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}

func TestARequestWithoutItsBodyTimesOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.SetBodyTimeout(200 * time.Millisecond)
	stop := f.run()
	head := "POST " + reportURL("/pde-mappings/regenerate-all") + " HTTP/1.1\r\nHost: x\r\nContent-Type: " +
		"application/json\r\nContent-Length: 20\r\n"

	refused(t, exchange(t, f.line(), head+"\r\n"), http.StatusUnauthorized, "token-missing")
	refused(t, exchange(t, f.line(), "GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: "+
		"20\r\n\r\n"), http.StatusUnauthorized, "token-missing")
	token := "Authorization: Bearer " + f.token("tina", api.Tester) + "\r\n"
	refused(t, exchange(t, f.line(), head+token+"\r\n"+`{"force":`), http.StatusRequestTimeout, "body-timeout")

	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestTheTimeoutOfTheBodyDoesNotEndAWait(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	f.importReport(schema.ReportData{
		CycleID: cycle, ReportID: "second", Author: "test",
		Attributes: schema.Rows[schema.Attribute]{All: attributes(1)},
	})
	id := f.started()
	f.server.SetBodyTimeout(100 * time.Millisecond)
	stop := f.run()
	hold, err := f.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Rollback() }() // if the test fails before the rollback
	if _, err := hold.ExecContext(t.Context(), "lock table jobs in share mode"); err != nil {
		t.Fatal(err)
	}
	held := begin(t, 1, func(int) (answer, error) {
		path := "/api/v1/planning/cycles/" + cycle + "/reports/second/pde-classifications/suggest-batch"
		return f.try(call{method: http.MethodPost, path: path, role: api.Tester, body: "{}"})
	})
	f.WaitForLocks(1)

	// By the time that this wait is over the other request has been here for longer than a body may take, too.
	if a := f.do(statusCall(id, "?wait=500ms", "")); a.status != http.StatusOK {
		t.Errorf("response to a waiting request: got %d %s, want 200", a.status, a.body)
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	must[api.Accepted](t, held()[0], http.StatusAccepted)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// fragile is a listener that a test can break.
type fragile struct {
	net.Listener
	broken chan struct{}
}

func (f fragile) Accept() (net.Conn, error) {
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := f.Listener.Accept(); err == nil {
			accepted <- conn
		}
	}()
	select {
	case conn := <-accepted:
		return conn, nil
	case <-f.broken:
		return nil, errors.New("the network is gone")
	}
}

func TestRun_ClosesConnectionsWhenItsListenerFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	listener := listening(t)
	broken := make(chan struct{})
	stop := f.runOn(context.WithoutCancel(t.Context()), fragile{listener, broken})
	conn := f.line()
	must[api.Health](t, exchange(t, conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), http.StatusOK)

	close(broken)

	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection that is left: got %v, want EOF", err)
	}
	if err := stop(); err == nil {
		t.Error("the error does not report the lost listener")
	}
}

func TestOptionsOfTheServerAreLoggedLikeAnyRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.run()
	a := exchange(t, f.line(), "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	p := refused(t, a, http.StatusNotFound, "route-not-found")
	if lines := f.awaitLines(p.RequestID, 2); lines[0]["method"] != http.MethodOptions {
		t.Errorf("lines: got %v, want those of the OPTIONS request", lines)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
)

const (
	defaultServer = "http://" + defaultListen
	// requestTimeout limits a request that does not ask the server to wait.
	requestTimeout = time.Minute
	// maxResponse limits the size of a response. The longest have 500 mappings.
	maxResponse = 64 << 20
)

// clientFlags returns the flags of a command that calls the API.
func (a *app) clientFlags() []cli.Flag {
	return []cli.Flag{
		&typedFlag{StringFlag: &cli.StringFlag{
			Name: flagServer, Usage: "`URL` of the API (default: of the context, or the pdeflow that runs on this " +
				"machine, else " + defaultServer + ")",
			Sources: a.env("PDEFLOW_SERVER"),
		}},
		&typedFlag{StringFlag: &cli.StringFlag{
			Name:    flagToken,
			Usage:   "bearer `TOKEN` (default: of the context, or the pdeflow that runs on this machine)",
			Sources: a.env("PDEFLOW_TOKEN"),
		}},
		&typedFlag{StringFlag: &cli.StringFlag{
			Name: flagContext, Usage: "use the server and token of this context, `NAME` (see pdeflow context)",
			Sources: a.env("PDEFLOW_CONTEXT"),
		}},
		findFlag(),
	}
}

// findFlag is --data-dir of a command that looks for a running pdeflow. It has no source in the environment, because
// PDEFLOW_DATA_DIR is only the first of two places that are searched.
func findFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagDataDir, TakesFile: true,
		Usage: "find the serve or demo that runs on this data `DIRECTORY`" +
			" (default: $PDEFLOW_DATA_DIR or the user's data directory, and then the newest demo)",
	}
}

// client calls the API of one server.
type client struct {
	server, token string
	// origin describes how the server was found. flags repeats the flags that found it, for commands that are advised.
	origin, flags string
	// isDefault is true if no server was named or found.
	isDefault bool
	// answered is true once the server has responded, so that it is worth waiting for.
	answered bool
}

// newClient returns a client of the server at a URL without the API's prefix.
func newClient(server, token string) *client {
	return &client{server: strings.TrimRight(server, "/"), token: token}
}

// connection holds the settings that select a server. Typed values win over the environment.
type connection struct {
	server, token, dir, context           string
	serverTyped, tokenTyped, contextTyped bool
}

// client returns the client that the command's flags, the environment, the contexts and the running pdeflow of this
// machine select.
func (a *app) client(cmd *cli.Command) (*client, error) {
	c, err := a.connect(connection{
		server: cmd.String(flagServer), serverTyped: typed(cmd, flagServer), token: cmd.String(flagToken),
		tokenTyped: typed(cmd, flagToken),
		context:    cmd.String(flagContext), contextTyped: typed(cmd, flagContext), dir: cmd.String(flagDataDir),
	})
	if err == nil && !cmd.Bool(flagJSON) && isTerminal(a.stderr) {
		fmt.Fprintf(a.stderr, "using %s%s\n", c.server, c.origin)
	}
	return c, err
}

// connect finds the server of a connection. If a directory or a context was typed, the server and token of the
// environment are ignored. The token of a local pdeflow is sent to no other server.
func (a *app) connect(at connection) (*client, error) {
	if at.server != "" && !isHTTP(at.server) {
		return nil, usagef("--server (PDEFLOW_SERVER) is a URL such as %s", defaultServer)
	}
	if (at.dir != "" || at.contextTyped) && !at.serverTyped {
		at.server = ""
		if !at.tokenTyped {
			at.token = ""
		}
	}
	origin := ""
	if at.server == "" && (at.contextTyped || at.dir == "") {
		var err error
		if at, origin, err = a.contextOf(at); err != nil {
			return nil, err
		}
	}
	run, err := datadir.Find(a.getenv, at.dir)
	running := err == nil
	switch {
	case at.server == "" && running:
		at.server, origin = run.HTTP, fmt.Sprintf(", process %d on this machine", run.PID)
	case at.server == "" && at.dir != "":
		return nil, notRunningError(err, at.dir, "the server with --server (PDEFLOW_SERVER)")
	}
	c := newClient(cmp.Or(at.server, defaultServer), at.token)
	c.isDefault, c.origin, c.flags = at.server == "", origin, at.flags()
	if c.token == "" && running && c.server == newClient(run.HTTP, "").server {
		c.token, err = run.Token()
		return c, err
	}
	return c, nil
}

// contextOf fills in the server and the token of the named context, or of the current one. The current context is a
// default that PDEFLOW_DATA_DIR overrides.
func (a *app) contextOf(at connection) (_ connection, origin string, err error) {
	file, err := readContexts(a.getenv)
	if err != nil {
		return at, "", err
	}
	if at.context == "" && a.getenv("PDEFLOW_DATA_DIR") == "" {
		at.context = file.Current
	}
	if at.context == "" {
		return at, "", nil
	}
	found, err := file.find(at.context)
	if err != nil {
		return at, "", err
	}
	at.server = found.Server
	if at.token == "" {
		at.token, err = found.token()
	}
	return at, fmt.Sprintf(" (context %s)", at.context), err
}

// flags returns the typed flags that select the server, without the token, for use in an advised command.
func (at connection) flags() string {
	text := ""
	if at.serverTyped {
		text += " --" + flagServer + " " + shellQuote(at.server)
	}
	if at.contextTyped {
		text += " --" + flagContext + " " + shellQuote(at.context)
	}
	if at.dir != "" {
		text += " --" + flagDataDir + " " + shellQuote(at.dir)
	}
	return text
}

// notRunningError explains that nothing runs on a typed directory. Other places are not searched, because the user
// asked for this one.
func notRunningError(err error, dir, other string) error {
	if !errors.Is(err, datadir.ErrNotRunning) {
		return err
	}
	return usagef("%w; pdeflow serve --data-dir %s starts one, or leave --data-dir out and name %s", err,
		shellQuote(dir), other)
}

func isHTTP(server string) bool {
	u, err := url.Parse(server)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// request is one call of the API.
type request struct {
	method string
	// path is below /api/v1, unless unprefixed is set.
	path       string
	unprefixed bool
	query      url.Values
	header     http.Header
	body       []byte
	// stream is a body that is not held in memory, and streamSize its size, or -1 if it is unknown.
	stream     io.Reader
	streamSize int64
	// extraTime is added to the usual time limit.
	extraTime time.Duration
}

// response is a response of the API.
type response struct {
	code   int
	header http.Header
	body   []byte
}

// do sends the request. The error is an [*apiError] if the server refuses the request and an [*unreachableError] if it
// does not respond.
func (c *client) do(ctx context.Context, r request) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout+r.extraTime)
	defer cancel()
	reply, err := c.send(ctx, r)
	if err != nil {
		return response{}, err
	}
	defer reply.Body.Close()
	return c.read(ctx, reply)
}

// download sends the request and copies the body of the response to a writer. The body has no time limit, but the
// server limits the time of each part. The errors are those of do, and that of the writer.
func (c *client) download(ctx context.Context, r request, to io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reply, err := c.sendWithin(ctx, cancel, requestTimeout, r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode >= http.StatusBadRequest {
		_, err := c.read(ctx, reply)
		return err
	}
	if _, err := io.Copy(to, reply.Body); err != nil {
		return fmt.Errorf("the file is incomplete: %w", err)
	}
	return nil
}

// sendWithin sends the request and cancels the context if the header of the response does not arrive in time. The
// caller closes the body.
func (c *client) sendWithin(
	ctx context.Context, cancel context.CancelCauseFunc, limit time.Duration, r request,
) (*http.Response, error) {
	timer := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	reply, err := c.send(ctx, r)
	if timer.Stop() || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return reply, err
	}
	if err == nil {
		err = reply.Body.Close()
	}
	return nil, c.unreachable(context.WithoutCancel(ctx), errors.Join(context.DeadlineExceeded, err))
}

// send sends the request and returns the response, whose body the caller closes.
func (c *client) send(ctx context.Context, r request) (*http.Response, error) {
	where := c.server + "/api/v1" + r.path
	if r.unprefixed {
		where = c.server + r.path
	}
	if len(r.query) > 0 {
		where += "?" + r.query.Encode()
	}
	body := io.Reader(bytes.NewReader(r.body))
	if r.stream != nil {
		body = r.stream
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, where, body)
	if err != nil {
		return nil, usagef("--server (PDEFLOW_SERVER): %w", err)
	}
	if r.stream != nil {
		sent.ContentLength = r.streamSize
	}
	for name, values := range r.header {
		sent.Header[name] = values
	}
	if c.token != "" {
		sent.Header.Set("Authorization", "Bearer "+c.token)
	}
	reply, err := http.DefaultClient.Do(sent)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return reply, nil
}

// read reads the body of a response.
func (c *client) read(ctx context.Context, reply *http.Response) (response, error) {
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxResponse))
	if err != nil {
		return response{}, c.unreachable(ctx, err)
	}
	c.answered = true
	got := response{code: reply.StatusCode, header: reply.Header, body: body}
	if got.code >= http.StatusBadRequest {
		return got, c.refused(got)
	}
	return got, nil
}

// call sends the request and decodes the response into a value.
func (c *client) call(ctx context.Context, r request, into any) (response, error) {
	got, err := c.do(ctx, r)
	if err != nil {
		return got, err
	}
	if err := json.Unmarshal(got.body, into); err != nil {
		return got,
			fmt.Errorf("%s is not a pdeflow server; check --server (PDEFLOW_SERVER) (%w)", c.server, err)
	}
	return got, nil
}

// jsonBody returns a request with a JSON body.
func jsonBody(method, path string, body any) (request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return request{}, fmt.Errorf("body of the request: %w", err)
	}
	return request{method: method, path: path, body: text, header: http.Header{"Content-Type": {"application/json"}}},
		nil
}

// unreachableError is the error of a server that does not respond.
type unreachableError struct {
	text string
	err  error
}

func (e *unreachableError) Error() string { return e.text }

func (e *unreachableError) Unwrap() error { return e.err }

// unreachable describes in a sentence why there is no response. An interrupted command returns just [context.Canceled].
func (c *client) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // the rest repeats the URL
	}
	e := &unreachableError{err: err, text: fmt.Sprintf("%s does not respond: %v", c.server, err)}
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.text = "no server listens at " + c.server
		if c.isDefault {
			e.text += ", and no other pdeflow was found on this machine"
		}
		e.text += "; start one with pdeflow serve, or pdeflow demo, or name another with --server (PDEFLOW_SERVER)"
	case isNetwork && network.Timeout():
		e.text = c.server + " does not respond in time"
	}
	return e
}

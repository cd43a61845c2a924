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
	// answerTimeout is how long the server may take for an answer that nobody asked it to wait with.
	answerTimeout = time.Minute
	// maxAnswer bounds what is read of an answer. The longest there are have 500 mappings.
	maxAnswer = 64 << 20
)

// clientFlags are the flags of a command that calls the API.
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

// findFlag names the directory of a running pdeflow. It has no source in the environment, because what is typed and
// what the environment says are looked for in different ways: the default directory is only the first of two places.
func findFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagDataDir, TakesFile: true,
		Usage: "find the serve or demo that runs on this data `DIRECTORY`" +
			" (default: $PDEFLOW_DATA_DIR or the user's data directory, and then the newest demo)",
	}
}

// client speaks to the API of one server.
type client struct {
	server, token string
	// origin names what the server was found by, and flags repeats the flags that it was found by in an advised
	// command.
	origin, flags string
	// guessed reports that the server is the default one, because none was named or found.
	isDefault bool
	// answered reports that the server has answered once, so that it is worth waiting for.
	answered bool
}

// newClient makes a client of the server at a URL, without the API's prefix.
func newClient(server, token string) *client {
	return &client{server: strings.TrimRight(server, "/"), token: token}
}

// connection names a server. What was typed comes before what the environment names.
type connection struct {
	server, token, dir, context           string
	serverTyped, tokenTyped, contextTyped bool
}

// client returns the client that the command's flags, the environment, the contexts and the running pdeflow of this
// machine add up to.
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

// connect finds the server of a connection. What is typed comes before what the environment names: beside a directory
// or a context that is typed, the environment's server is not called, and its token not sent. The token of a local
// pdeflow is sent to no other server.
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

// contextOf takes the server and the token of the connection from its context, or from the chosen one. The chosen
// context is a default, and yields to a data directory that the environment names.
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

// flags are the flags that were typed to find the server, as an advised command has to repeat them, but for the token.
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

// nothingRuns is the error of a directory that was typed and that nothing runs on. Nothing else is looked for then:
// whoever types a directory does not mean what the environment names.
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
	// path is under /api/v1, unless it is outside of the API.
	path    string
	outside bool
	query   url.Values
	header  http.Header
	body    []byte
	// patience is how long the answer may take beyond the usual.
	patience time.Duration
}

// answer is what the API said.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// do makes the request. The error of a request that was refused is a [*refusal], of a server that does not answer an
// [*unreachableError].
func (c *client) do(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout+r.patience)
	defer cancel()
	where := c.server + "/api/v1" + r.path
	if r.outside {
		where = c.server + r.path
	}
	if len(r.query) > 0 {
		where += "?" + r.query.Encode()
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, where, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, usagef("--server (PDEFLOW_SERVER): %w", err)
	}
	for name, values := range r.header {
		sent.Header[name] = values
	}
	if c.token != "" {
		sent.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := http.DefaultClient.Do(sent)
	if err != nil {
		return answer{}, c.unreachable(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, c.unreachable(ctx, err)
	}
	c.answered = true
	got := answer{code: response.StatusCode, header: response.Header, body: body}
	if got.code >= http.StatusBadRequest {
		return got, c.refused(got)
	}
	return got, nil
}

// call makes the request and reads the answer into what into points to.
func (c *client) call(ctx context.Context, r request, into any) (answer, error) {
	got, err := c.do(ctx, r)
	if err != nil {
		return got, err
	}
	if err := json.Unmarshal(got.body, into); err != nil {
		return got,
			fmt.Errorf("%s does not answer as a pdeflow does; is --server (PDEFLOW_SERVER) right? (%w)", c.server, err)
	}
	return got, nil
}

// jsonBody is a request with a body.
func jsonBody(method, path string, body any) (request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return request{}, fmt.Errorf("body of the request: %w", err)
	}
	return request{method: method, path: path, body: text, header: http.Header{"Content-Type": {"application/json"}}},
		nil
}

// unreachableError says that the server did not answer.
type unreachableError struct {
	text string
	err  error
}

func (e *unreachableError) Error() string { return e.text }

func (e *unreachableError) Unwrap() error { return e.err }

// unreachable says in a sentence why there is no answer. A command that was told to end says no more than that.
func (c *client) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // the rest repeats the URL
	}
	e := &unreachableError{err: err, text: fmt.Sprintf("%s does not answer: %v", c.server, err)}
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.text = "no server listens at " + c.server
		if c.isDefault {
			e.text += ", and no other pdeflow was found on this machine"
		}
		e.text += "; start one with pdeflow serve, or pdeflow demo, or name another with --server (PDEFLOW_SERVER)"
	case isNetwork && network.Timeout():
		e.text = c.server + " does not answer in time"
	}
	return e
}

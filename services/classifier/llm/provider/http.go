package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const (
	// maxBody is the largest reply that is read.
	maxBody = 1 << 20
	// maxErrorBody is the part of a refusal that is read.
	maxErrorBody = 64 << 10
)

// errTimeout is the cause of a call that took too long.
var errTimeout = errors.New("the call took too long")

// complete sends a request with the given features.
func (c *Client) complete(ctx context.Context, r Request, with features) (Reply, error) {
	text, err := c.body(r, with)
	if err != nil {
		return Reply{}, err
	}
	header, body, err := c.do(ctx, http.MethodPost, c.base.JoinPath(c.wire.path()), text)
	reply := Reply{Raw: body, RequestID: requestID(header)}
	if err != nil {
		return reply, err
	}
	if err := c.wire.decode(body, &reply); err != nil {
		return reply, c.describe(err, header)
	}
	return reply, nil
}

// Decode reads the body of a response, as a [Reply] has it in Raw. The error is that of [Client.Complete].
func (c *Client) Decode(body []byte) (Reply, error) {
	reply := Reply{Raw: body}
	return reply, c.wire.decode(body, &reply)
}

// Body returns the body of the HTTP request that [Client.Complete] sends, as JSON.
func (c *Client) Body(r Request) ([]byte, error) { return c.body(r, c.currentFeatures()) }

func (c *Client) body(r Request, with features) ([]byte, error) {
	text, err := json.Marshal(c.wire.encode(c.model, r, with))
	if err != nil {
		return nil, fmt.Errorf("request to the model: %w", err)
	}
	return text, nil
}

// do sends one HTTP request and reads the answer. The body is that of a success.
func (c *Client) do(parent context.Context, method string, to *url.URL, body []byte) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(parent, c.timeout, errTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("request to the model: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	c.wire.authorize(request.Header, to.Hostname(), c.key)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, c.broken(parent, ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody)) // a part is enough
		return response.Header, nil, c.describe(refused(response.StatusCode, response.Header, text), response.Header)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case len(text) > maxBody:
		err = &Error{Kind: KindMalformed, Status: response.StatusCode, Message: "the reply has more than 1 MB"}
		return response.Header, text[:maxBody], c.describe(err, response.Header)
	case err != nil:
		return response.Header, text, c.broken(parent, ctx, err)
	}
	return response.Header, text, nil
}

// broken returns the error of a call that the network or a deadline has ended. A call that the caller has ended
// returns the error of its context.
func (c *Client) broken(parent, ctx context.Context, err error) error {
	if parent.Err() != nil {
		return fmt.Errorf("call of the model: %w", context.Cause(parent))
	}
	message := err.Error()
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		message = wrapped.Err.Error() // without the URL, whose query may contain a key
	}
	if errors.Is(context.Cause(ctx), errTimeout) {
		message = fmt.Sprintf("no complete answer within %s", c.timeout)
	}
	return c.describe(&Error{Kind: KindUnavailable, Message: message}, nil)
}

// describe completes an error with the host and the id of the request, and removes the key from its text.
func (c *Client) describe(err error, header http.Header) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	failure.Host, failure.RequestID = c.base.Host, requestID(header)
	if failure.Kind == KindKey && c.key == "" {
		failure.Message = "no key is set"
	}
	failure.Message = shorten(failure.Message, c.key)
	return failure
}

func requestID(header http.Header) string {
	for _, name := range []string{"X-Request-Id", "Request-Id", "Apim-Request-Id"} {
		if id := header.Get(name); id != "" {
			return shorten(id, "")
		}
	}
	return ""
}

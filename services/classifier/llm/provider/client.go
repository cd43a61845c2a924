package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The protocols of [Config].
const (
	OpenAI    = "openai"
	Anthropic = "anthropic"
)

const (
	// defaultTimeout is longer than a slow answer of a large model.
	defaultTimeout = 2 * time.Minute
	// maxIdleConns is the number of connections that stay open for the next calls; net/http keeps two.
	maxIdleConns = 128
)

// Config is what a [Client] needs to know of a provider.
type Config struct {
	// Protocol is [OpenAI] or [Anthropic].
	Protocol string
	// Model is the provider's name of the model.
	Model string
	// BaseURL is the server, in the form of OPENAI_BASE_URL (which ends in /v1) or ANTHROPIC_BASE_URL (which does not);
	// the protocol's own provider if empty. A query, such as Azure's api-version, is sent with every request.
	BaseURL string
	// APIKey may be empty if BaseURL is given, because local servers need none.
	APIKey string
	// Timeout limits one call, from the connection to the last byte; 2 minutes if zero.
	Timeout time.Duration
	// HTTP overrides the transport; redirects are never followed.
	HTTP *http.Client
}

// String returns the configuration without the key.
func (c Config) String() string {
	return fmt.Sprintf("%s model %s at %s", c.Protocol, c.Model, c.BaseURL)
}

// Client calls one model of one provider. It may be used by many goroutines at once.
type Client struct {
	wire    wire
	model   string
	key     string
	base    *url.URL
	timeout time.Duration
	http    *http.Client

	mu sync.Mutex
	// features are the optional parameters that the server has not refused so far.
	features features
}

// wire is one of the two protocols.
type wire interface {
	// path and modelPath return the paths of completions and of models below the base URL.
	path() string
	modelPath() string
	// authorize adds the headers with the key to a request.
	authorize(h http.Header, host, key string)
	// encode returns the body of a request, to be written as JSON.
	encode(model string, r Request, with features) any
	// decode fills the reply from a body. It returns an [Error] of kind [KindMalformed] or [KindRefusal], and fills
	// what it can read.
	decode(body []byte, reply *Reply) error
}

// New returns a client. It returns an error that names the variable of a missing or wrong value; it makes no
// connection.
func New(c Config) (*Client, error) {
	client := &Client{model: c.Model, key: c.APIKey, timeout: cmp.Or(c.Timeout, defaultTimeout)}
	var defaultURL, variable string
	switch c.Protocol {
	case OpenAI:
		client.wire, defaultURL, variable = openAI{}, "https://api.openai.com/v1", "OPENAI"
	case Anthropic:
		client.wire, defaultURL, variable = anthropic{}, "https://api.anthropic.com", "ANTHROPIC"
	default:
		return nil, fmt.Errorf("PDEFLOW_LLM is %q; it must be openai or anthropic", c.Protocol)
	}
	if c.Model == "" {
		return nil, errors.New("PDEFLOW_LLM_MODEL is not set")
	}
	if c.APIKey == "" && c.BaseURL == "" {
		return nil, fmt.Errorf("%s_API_KEY is not set", variable)
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%s_API_KEY contains a space, a line break or a letter that no key has", variable)
	}
	base, err := url.Parse(strings.TrimSpace(cmp.Or(c.BaseURL, defaultURL)))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("%s_BASE_URL is not a URL such as %s", variable, defaultURL)
	}
	client.base = base
	if c.Protocol == Anthropic {
		client.base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/v1")
	}
	client.features = features{
		logProbs: true, temperature: true, format: true,
		completionTokens: c.BaseURL == "" || azure(base.Hostname()),
	}
	client.http = httpClient(c.HTTP)
	return client, nil
}

// httpClient returns a client that follows no redirect: net/http would send x-api-key to the other host.
func httpClient(given *http.Client) *http.Client {
	var client http.Client
	if given != nil {
		client = *given
	}
	if client.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxIdleConns, maxIdleConns
		client.Transport = transport
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// Model returns the name of the model as configured. A [Reply] has the name that the provider reports.
func (c *Client) Model() string { return c.model }

// String returns the model and the host.
func (c *Client) String() string { return c.model + " at " + c.base.Host }

// Request is one question to the model.
type Request struct {
	// System is the part of the prompt that is the same for many requests. It comes first and is marked for the
	// provider's prompt cache.
	System   string
	Messages []Message
	// SchemaName and Schema describe the answer. Schema is a JSON Schema that all requests share: providers compile it
	// when they first see it.
	SchemaName string
	Schema     json.RawMessage
	// MaxOutputTokens limits the answer, which some models count together with their reasoning; 1,024 if zero.
	MaxOutputTokens int
}

// The roles of a [Message].
const (
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Message is one turn of the conversation.
type Message struct {
	// Role is [RoleUser] or [RoleAssistant]; the first message is the user's.
	Role string
	Text string
}

// Reply is the answer of the model.
type Reply struct {
	// Text should be JSON that matches the schema. The caller validates it.
	Text string
	// Model is the name of the model that the provider reports, which may be more precise than the configured one.
	Model string
	Usage Usage
	// Raw is the body as received; at most 1 MB.
	Raw []byte
	// LogProbs are the log-probabilities of the tokens of Text, if the provider returns them.
	LogProbs []LogProb
	// Stopped is the provider's reason for the end of the answer, such as "stop", "length" or "end_turn".
	Stopped string
	// RequestID is the provider's id of the call, for its support; empty if it sends none.
	RequestID string
}

// Usage counts the tokens of a call.
type Usage struct {
	// InputTokens are all tokens of the prompt. CachedTokens of them were read from the provider's cache, and
	// CacheWriteTokens of them were written to it, each at a price of its own.
	InputTokens, CachedTokens, CacheWriteTokens int64
	OutputTokens                                int64
}

// LogProb is one token of the answer with its natural log-probability.
type LogProb struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
}

// Complete sends the request once and returns the reply. The error is an [*Error], or wraps the error of ctx if ctx
// has ended. The reply of a failed call has the usage and the body as far as they are known.
func (c *Client) Complete(ctx context.Context, r Request) (Reply, error) {
	with := c.currentFeatures()
	for {
		reply, err := c.complete(ctx, r, with)
		accepted, changed := with.without(err)
		if !changed {
			return reply, err
		}
		with = accepted
		c.setFeatures(with)
	}
}

// Check verifies the key and the model. It returns an [*Error] with [KindKey] or [KindModel] if a job could not
// succeed; other kinds, such as [KindUnavailable], may pass.
func (c *Client) Check(ctx context.Context) error {
	_, body, err := c.do(ctx, http.MethodGet, c.base.JoinPath(c.wire.modelPath(), url.PathEscape(c.model)), nil)
	if err == nil {
		var model struct{ ID string }
		if json.Unmarshal(body, &model) == nil && model.ID != "" {
			return nil
		}
	}
	if failure, ok := errors.AsType[*Error](err); err != nil &&
		(!ok || failure.Passes() || failure.Status == http.StatusUnauthorized) {
		return err
	}
	// The server has no such route, lists base models in place of deployments, or the key may not list models: the
	// answer to a tiny request is certain.
	_, err = c.Complete(ctx, Request{Messages: []Message{{Role: RoleUser, Text: "Answer: ok"}}, MaxOutputTokens: 16})
	if failure, ok := errors.AsType[*Error](err); ok && (failure.Kind == KindRefusal || failure.Kind == KindMalformed) {
		return nil
	}
	return err
}

func (c *Client) currentFeatures() features {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.features
}

func (c *Client) setFeatures(f features) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.features = f
}

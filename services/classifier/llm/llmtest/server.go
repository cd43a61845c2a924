package llmtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

const (
	// defaultModel is the model of a server whose options name none.
	defaultModel = "test-model"
	// defaultRetryAfter is the hint of a refusal by a fault.
	defaultRetryAfter = time.Second
	// maxKept is the number of requests that a server keeps.
	maxKept = 1000
	// readHeader is the time that a client has for the header of a request.
	readHeader = 10 * time.Second
	// closeWait is the time that calls have to end.
	closeWait = time.Second
)

// Options for [New]. The zero value answers every call correctly and at once.
type Options struct {
	// Model is the only model that the server knows; "test-model" if empty.
	Model string
	// Key is the key that it asks for; any key is accepted if empty.
	Key string
	// Seed makes latencies and log-probabilities repeatable.
	Seed    uint64
	Latency Latency
	Limit   Limit
	// Script chooses faults; nil chooses none. A call that the limit refuses is not shown to the script.
	Script Script
	// RetryAfter is the hint of [RateLimited]; a second if zero.
	RetryAfter time.Duration
	// NoModels omits the routes of models, like some gateways.
	NoModels bool
}

// Server is a running server on a port of loopback.
type Server struct {
	options Options
	address string
	http    *http.Server
	serving sync.WaitGroup

	mu       sync.Mutex
	random   *rand.Rand
	bucket   bucket
	systems  map[string]bool // the cached system prompts
	requests []Request
	counts   Counts
}

// Request is a call that the server has received.
type Request struct {
	Call
	Path   string
	Header http.Header
	Body   []byte
	// Fault is the fault of the call. A call that the limit has refused has [RateLimited] or [RateLimitedNoHint].
	Fault Fault
}

// Counts is what a server has counted.
type Counts struct {
	// Calls are the completions that were asked for, with those that were refused.
	Calls int
	// Answered are the calls with an answer of the model, right or wrong.
	Answered int
	// Limited are the calls that the limit has refused.
	Limited int
	// Aborted are the calls that the client has ended before the answer.
	Aborted int
	// MaxInFlight is the largest number of calls that waited for their answer at once.
	MaxInFlight, inFlight int
	// Latency is the sum of the latencies of the answered calls.
	Latency time.Duration
	// Faults counts the calls by their fault.
	Faults map[Fault]int
	// InputTokens, CachedTokens and OutputTokens are the sums of the usages that were reported.
	InputTokens, CachedTokens, OutputTokens int64
}

// New starts a server. The caller closes it.
func New(o Options) (*Server, error) {
	if o.Model == "" {
		o.Model = defaultModel
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = defaultRetryAfter
	}
	if o.Script == nil {
		o.Script = Always(None)
	}
	s := &Server{
		options: o, address: "127.0.0.1:0", systems: map[string]bool{}, bucket: bucket{limit: o.Limit},
		random: rand.New(rand.NewPCG(o.Seed, 0)), //nolint:gosec // repeatable, no secret
		counts: Counts{Faults: map[Fault]int{}},
	}
	return s, s.Restart()
}

// Restart listens again after [Server.Stop], on the same port.
func (s *Server) Restart() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		return fmt.Errorf("test server of a model provider: %w", err)
	}
	s.address = listener.Addr().String()
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: readHeader}
	s.http = server
	s.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("test server of a model provider: %v", err)) // not possible: the server owns the listener
		}
	})
	return nil
}

// Stop breaks all connections and refuses new ones, until Restart.
func (s *Server) Stop() {
	_ = s.http.Close() // the listener is closed in any case
	s.serving.Wait()
}

// Close waits for calls that are under way, for a second at most, and stops the server for good.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	_ = s.http.Shutdown(ctx) // Stop ends what remains
	s.Stop()
}

// URL returns the base URL of the protocol, as in OPENAI_BASE_URL or ANTHROPIC_BASE_URL.
func (s *Server) URL(protocol string) string {
	if protocol == provider.OpenAI {
		return "http://" + s.address + "/v1"
	}
	return "http://" + s.address
}

// Config returns the configuration of a client of this server.
func (s *Server) Config(protocol string) provider.Config {
	key := s.options.Key
	if key == "" {
		key = "test-key"
	}
	return provider.Config{Protocol: protocol, Model: s.options.Model, BaseURL: s.URL(protocol), APIKey: key}
}

// Counts returns what the server has counted so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Faults = maps.Clone(counts.Faults)
	return counts
}

// Requests returns the first 1,000 calls in the order in which they arrived.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// plan decides what happens to a call: its fault, the hint of a refusal and its latency.
type plan struct {
	fault      Fault
	retryAfter time.Duration
	latency    time.Duration
	cached     bool
}

// admit counts and records a call, and plans it.
func (s *Server) admit(r Request, system string) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Calls++
	r.Number = s.counts.Calls
	var p plan
	if wait := s.bucket.take(time.Now()); wait > 0 {
		s.counts.Limited++
		p.fault, p.retryAfter = RateLimited, wait
		if s.options.Limit.NoHint {
			p.fault = RateLimitedNoHint
		}
	} else {
		p.fault, p.retryAfter = s.options.Script(r.Call), s.options.RetryAfter
	}
	if answers(p.fault) {
		p.latency = s.options.Latency.sample(s.random)
		p.cached = s.systems[system]
		s.systems[system] = true
	}
	r.Fault = p.fault
	s.counts.Faults[p.fault]++
	s.counts.inFlight++
	s.counts.MaxInFlight = max(s.counts.MaxInFlight, s.counts.inFlight)
	if len(s.requests) < maxKept {
		s.requests = append(s.requests, r)
	}
	return p
}

// finish counts the end of a call.
func (s *Server) finish(p plan, aborted bool, used usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.inFlight--
	switch {
	case aborted:
		s.counts.Aborted++
	case answers(p.fault):
		s.counts.Answered++
		s.counts.Latency += p.latency
		s.counts.InputTokens += used.input
		s.counts.CachedTokens += used.cached
		s.counts.OutputTokens += used.output
	}
}

// answers reports whether a call with the fault reaches the model.
func answers(fault Fault) bool {
	switch fault {
	case RateLimited, RateLimitedNoHint, ServerError, Overloaded, Reset:
		return false
	default:
		return true
	}
}

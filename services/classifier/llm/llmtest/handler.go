package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRequest is the largest request that the server reads.
const maxRequest = 8 << 20

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		s.complete(w, r, openAI{})
	})
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		s.complete(w, r, anthropic{})
	})
	if !s.options.NoModels {
		mux.HandleFunc("GET /v1/models/{model...}", s.model)
	}
	return mux
}

// wire is one of the two protocols, from the server's side.
type wire interface {
	// read parses a request.
	read(body []byte) (question, error)
	// reply returns the body of an answer.
	reply(q question, a outcome) any
	// failure returns the status and the body of an error.
	failure(fault Fault) (status int, body any)
	// unknown returns the body of 404 for a model, and unauthorized that of 401.
	unknown(model string) any
	unauthorized() any
}

// question is a request in the terms of both protocols.
type question struct {
	model, system string
	texts         []string
	schema        json.RawMessage
	tool          string // the name of a forced tool
	logProbs      bool
}

// outcome is what the model answers.
type outcome struct {
	id, model, text string
	refusal         bool
	cutOff          bool
	empty           bool
	used            usage
	logProbs        []logProb
}

type usage struct{ input, cached, output int64 }

type logProb struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request, protocol wire) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return // the client has gone
	}
	if !s.authorized(r) {
		respond(w, http.StatusUnauthorized, protocol.unauthorized())
		return
	}
	q, err := protocol.read(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if q.model != s.options.Model {
		respond(w, http.StatusNotFound, protocol.unknown(q.model))
		return
	}
	call := Call{Prompt: q.system + "\n" + strings.Join(q.texts, "\n"), Turns: len(q.texts)}
	p := s.admit(Request{Call: call, Path: r.URL.Path, Header: r.Header.Clone(), Body: body}, q.system)
	a := s.think(q, p)
	waited := wait(r, p.latency)
	s.finish(p, !waited, a.used) // before the answer, so that a client that has it sees the counts
	if waited {
		s.send(w, r, protocol, q, a, p)
	}
}

// wait waits for the latency. It returns false if the client ends the call.
func wait(r *http.Request, latency time.Duration) bool {
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(latency):
		return true
	}
}

// think makes up the answer to the question.
func (s *Server) think(q question, p plan) outcome {
	// The first message has the data; a repair asks the same again.
	text := string(answer(q.schema, strings.Join(q.texts[:min(1, len(q.texts))], ""), p.fault))
	a := outcome{id: "test", model: q.model + "-2026", refusal: p.fault == Refusal, empty: p.fault == EmptyChoices}
	switch p.fault {
	case Prose:
		text = "Here is the answer:\n```json\n" + text + "\n```\nTell me if you need more."
	case CutOff:
		text, a.cutOff = text[:len(text)/2], true
	case Megabyte:
		text = strings.Repeat("All work and no play makes a dull model. ", 1<<20/40)
	case Refusal:
		text = "I cannot help with that."
	default:
	}
	a.text = text
	a.used = usage{input: tokens(q.system) + tokens(strings.Join(q.texts, "")), output: tokens(text)}
	if p.cached {
		a.used.cached = tokens(q.system)
	}
	if q.logProbs {
		a.logProbs = logProbs(text)
	}
	return a
}

// tokens estimates the number of tokens of a text.
func tokens(text string) int64 { return int64(len(text)+3) / 4 }

// logProbs splits the text into tokens of four bytes, with log-probabilities that depend on the text only.
func logProbs(text string) []logProb {
	var all []logProb
	for at := 0; at < len(text) && len(all) < 500; at += 4 {
		token := text[at:min(at+4, len(text))]
		all = append(all, logProb{Token: token, LogProb: -float64(token[0]%8) / 20})
	}
	return all
}

// send writes the answer, or what the fault makes of it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, protocol wire, q question, a outcome, p plan) {
	w.Header().Set("X-Request-Id", "test-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	switch p.fault {
	case RateLimited:
		w.Header().Set("Retry-After-Ms", strconv.FormatInt(max(p.retryAfter.Milliseconds(), 1), 10))
		w.Header().Set("Retry-After", fmt.Sprintf("%.3f", p.retryAfter.Seconds()))
		fallthrough
	case RateLimitedNoHint, ServerError, Overloaded:
		status, body := protocol.failure(p.fault)
		respond(w, status, body)
		return
	case Reset:
		reset(w)
		return
	case NotJSON:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Sign in to the gateway</body></html>")
		return
	default:
	}
	text, err := json.Marshal(protocol.reply(q, a))
	if err != nil {
		panic(fmt.Sprintf("reply of the test server: %v", err)) // not possible: every field can be encoded
	}
	half := text[:len(text)/2]
	w.Header().Set("Content-Type", "application/json")
	switch p.fault {
	case TruncatedJSON:
		text = half
	case ResetInBody, SlowBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(half)
		w.(http.Flusher).Flush()
		if p.fault == ResetInBody {
			reset(w)
			return
		}
		<-r.Context().Done()
		return
	default:
	}
	_, _ = w.Write(text)
}

// reset ends the connection with a reset.
func reset(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a plain close is a fault, too
	}
	_ = connection.Close()
}

func (s *Server) authorized(r *http.Request) bool {
	key := s.options.Key
	return key == "" || r.Header.Get("Authorization") == "Bearer "+key || r.Header.Get("X-Api-Key") == key
}

// model answers the route of one model.
func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	var protocol wire = openAI{}
	if r.Header.Get("Anthropic-Version") != "" {
		protocol = anthropic{}
	}
	switch name := r.PathValue("model"); {
	case !s.authorized(r):
		respond(w, http.StatusUnauthorized, protocol.unauthorized())
	case name != s.options.Model:
		respond(w, http.StatusNotFound, protocol.unknown(name))
	default:
		respond(w, http.StatusOK, map[string]any{"id": name, "object": "model", "type": "model"})
	}
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client notices an error
}

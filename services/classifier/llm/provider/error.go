package provider

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is the reason why a call failed.
type Kind string

const (
	// KindRateLimited means that the account's limit of requests or tokens is reached.
	KindRateLimited Kind = "rate limited"
	// KindOverloaded means that the provider has no capacity for anyone.
	KindOverloaded Kind = "overloaded"
	// KindUnavailable means an error of the provider, of the network, or no answer in time.
	KindUnavailable Kind = "unavailable"
	// KindCredit means that the account has no credit left, or has reached its spending limit.
	KindCredit Kind = "no credit"
	// KindKey means that the key is missing, wrong or not allowed to use the model.
	KindKey Kind = "refused key"
	// KindModel means that the provider does not know the model.
	KindModel Kind = "unknown model"
	// KindTooLong means that the prompt does not fit the model.
	KindTooLong Kind = "prompt too long"
	// KindRequest means that the server does not accept the request for another reason, such as a wrong URL or a schema
	// that it cannot follow.
	KindRequest Kind = "request refused"
	// KindRefusal means that the model, or a filter of the provider, refused to answer.
	KindRefusal Kind = "refusal"
	// KindMalformed means that the reply is not what the protocol promises.
	KindMalformed Kind = "malformed reply"
)

// Error is a failed call.
type Error struct {
	Kind Kind
	// Status is the HTTP status, or 0 if there was no answer.
	Status int
	// RetryAfter is the wait that the provider asks for; 0 if it gives no hint. It is at most an hour.
	RetryAfter time.Duration
	// Message is the provider's explanation, at most 300 bytes and without the key.
	Message string
	// Host is the provider's host and port.
	Host string
	// RequestID is the provider's id of the call; empty if it sends none.
	RequestID string
	// code and parameter are the provider's code, and the parameter of the request that it names.
	code, parameter string
}

func (e *Error) Error() string {
	text := "model at " + e.Host + ": " + string(e.Kind)
	if e.Status != 0 && e.Status != http.StatusOK {
		text += " (" + strconv.Itoa(e.Status) + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Passes reports whether the same call may succeed later, so that the lane waits and no item fails.
func (e *Error) Passes() bool {
	switch e.Kind {
	case KindRateLimited, KindOverloaded, KindUnavailable, KindCredit:
		return true
	default:
		return false
	}
}

// refusal is the body of an error in the forms of OpenAI, Azure, vLLM, Ollama and Anthropic.
type refusal struct {
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"`
	Type    string          `json:"type"`
	Code    any             `json:"code"`
	Param   string          `json:"param"`
}

// refused returns the error of an answer that is not a success.
func refused(status int, header http.Header, body []byte) *Error {
	failure := &Error{Status: status, RetryAfter: retryAfter(header, time.Now())}
	var r refusal
	if json.Unmarshal(body, &r) == nil && len(r.Error) > 0 {
		inner := r.Error
		if json.Unmarshal(inner, &r.Message) != nil { // some gateways send a plain string
			_ = json.Unmarshal(inner, &r) // without a message then
		}
	}
	code, _ := r.Code.(string) // some servers send a number
	failure.Message, failure.parameter, failure.code = r.Message, r.Param, strings.ToLower(r.Type+" "+code)
	failure.Kind = kindOf(status, failure.code, strings.ToLower(r.Message))
	switch {
	case status == http.StatusUnauthorized:
		failure.Message = "" // it shows parts of the key
	case status >= 300 && status < 400:
		failure.Message = "the server redirects to another URL"
	case status == http.StatusNotFound && failure.Kind == KindRequest:
		failure.Message = "there is no such route below the base URL"
	}
	return failure
}

// kindOf returns the kind of a status, with what the body's type, code and message add to it.
func kindOf(status int, code, message string) Kind {
	switch {
	case status == http.StatusPaymentRequired || containsAny(code, "insufficient_quota", "billing", "credit_balance",
		"spend_limit") || containsAny(message, "credit balance is too low"):
		return KindCredit
	case status == http.StatusTooManyRequests:
		return KindRateLimited
	case status == statusOverloaded || containsAny(code, "overloaded"):
		return KindOverloaded
	case status == http.StatusServiceUnavailable && containsAny(message, "overloaded", "capacity"):
		return KindOverloaded
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return KindKey
	case status == http.StatusRequestEntityTooLarge || containsAny(code, "context_length_exceeded") ||
		containsAny(message, "prompt is too long", "maximum context length", "context window"):
		return KindTooLong
	case containsAny(code, "model_not_found", "deploymentnotfound") ||
		status == http.StatusNotFound && containsAny(message, "model", "deployment"):
		return KindModel
	case containsAny(code, "content_filter", "content_policy"):
		return KindRefusal
	case status == http.StatusRequestTimeout || status == http.StatusConflict || status >= 500:
		return KindUnavailable
	default:
		return KindRequest
	}
}

// containsAny reports whether the text contains one of the words.
func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// statusOverloaded is Anthropic's status for a lack of capacity.
const statusOverloaded = 529

// maxMessage is the number of bytes of a provider's message that are kept.
const maxMessage = 300

// shorten returns a provider's text as one short line without the key.
func shorten(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "***")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}

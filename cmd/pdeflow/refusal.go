package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/pdeflow/pdeflow/services/api"
)

// refusal is a request that the API refused, or failed to do.
type refusal struct {
	problem api.Problem
	// body is the problem as it came, for --json.
	body []byte
}

// refused reads why. What comes from something else than a pdeflow says so.
func (c *client) refused(got answer) error {
	r := &refusal{body: got.body}
	if err := json.Unmarshal(got.body, &r.problem); err != nil || !strings.HasPrefix(r.problem.Type, "urn:pdeflow:") {
		r.problem = api.Problem{
			Title:  fmt.Sprintf("%s answers %d %s, and not as a pdeflow does", c.server, got.code, http.StatusText(got.code)),
			Detail: "is --server (PDEFLOW_SERVER) right?",
		}
		r.body = nil
	}
	r.problem.Status = got.code
	return r
}

// Error is the problem in sentences: what it is, what is wrong this time, each field that is, and what to do about it.
func (r *refusal) Error() string {
	p := r.problem
	var text strings.Builder
	text.WriteString(p.Title)
	if p.Detail != "" {
		text.WriteString(": " + p.Detail)
	}
	for _, field := range p.Errors {
		line := field.Location + ": " + field.Message
		if len(p.Errors) == 1 && strings.HasPrefix(p.Detail, line) {
			continue // the detail has just said it
		}
		text.WriteString("\n  " + line)
	}
	if hint := r.hint(); hint != "" {
		text.WriteString("\n" + hint)
	}
	return text.String()
}

// hint says what to do about the problem on the command line.
func (r *refusal) hint() string {
	switch p := r.problem; {
	case p.Status == http.StatusUnauthorized:
		return "pdeflow token --user NAME --role tester prints a token on the server's machine; give it with --token or PDEFLOW_TOKEN"
	case p.Status == http.StatusForbidden:
		return "give the token of somebody with that role with --token or PDEFLOW_TOKEN"
	case p.JobID != "":
		return fmt.Sprintf("it is job %s; follow it with: pdeflow jobs watch %s", p.JobID, p.JobID)
	case p.Status >= http.StatusInternalServerError && p.RequestID != "":
		return "the request is " + p.RequestID + " in the server's log"
	default:
		return ""
	}
}

// asJSON prints a refusal as it came, where JSON is wanted, beside the sentences that follow on standard error.
func (a *app) asJSON(wanted bool, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok && wanted && len(r.body) > 0 {
		if err := a.printJSON(r.body); err != nil {
			return err
		}
	}
	return err
}

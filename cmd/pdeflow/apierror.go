package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pdeflow/pdeflow/services/api"
)

// refusal is a request that the API refused, or failed to do.
type apiError struct {
	problem api.Problem
	// body is the problem as it came, for --json.
	body []byte
	// flags are those by which an advised command finds the same server.
	flags string
}

// refused reads why. What comes from something else than a pdeflow says so.
func (c *client) refused(got answer) error {
	r := &apiError{body: got.body, flags: c.flags}
	if err := json.Unmarshal(got.body, &r.problem); err != nil || !strings.HasPrefix(r.problem.Type, "urn:pdeflow:") {
		r.problem = api.Problem{
			Title: fmt.Sprintf("%s answers %d %s, and not as a pdeflow does", c.server, got.code,
				http.StatusText(got.code)),
			Detail: "is --server (PDEFLOW_SERVER) right?",
		}
		if got.code >= http.StatusBadGateway && got.code <= http.StatusGatewayTimeout {
			r.problem.Title = fmt.Sprintf("a gateway at %s answers %d %s", c.server, got.code,
				http.StatusText(got.code))
			r.problem.Detail = "the server behind it does not answer, or not in time"
		}
		r.body = nil
	}
	r.problem.Status = got.code
	return r
}

// Error is the problem in sentences: what it is, what is wrong this time, each field that is, and what to do about it.
func (r *apiError) Error() string {
	p := r.problem
	var text strings.Builder
	text.WriteString(p.Title)
	if detail := r.detail(); detail != "" {
		text.WriteString(": " + detail)
	}
	for _, field := range p.Errors {
		line := field.Location + ": " + field.Message
		if len(p.Errors) == 1 && strings.HasPrefix(p.Detail, line) {
			continue // the detail is the same
		}
		text.WriteString("\n  " + typedName(field.Location) + ": " + field.Message)
	}
	if hint := r.hint(); hint != "" {
		text.WriteString("\n" + hint)
	}
	return text.String()
}

// detail is the problem's detail without what is only for programs.
func (r *apiError) detail() string {
	p := r.problem
	if p.Status == http.StatusUnauthorized && strings.Contains(p.Detail, "header Authorization") {
		return "" // the hint names the flag
	}
	if len(p.Errors) > 0 {
		return strings.Replace(p.Detail, p.Errors[0].Location, typedName(p.Errors[0].Location), 1)
	}
	return p.Detail
}

// typedName is the flag that a field of a request comes from, as in --mapping-id for body.mapping_ids[0]. A file's
// place stays as it is.
func typedName(location string) string {
	part, name, found := strings.Cut(location, ".")
	if !found || !slices.Contains([]string{"path", "query", "body"}, part) {
		return location
	}
	name, index, indexed := strings.Cut(name, "[")
	switch {
	case name == "cycle_id" || name == "report_id":
		name = strings.TrimSuffix(name, "_id")
	case name == "mapping_ids":
		name = "mapping-id"
	case part == "path":
		return location
	}
	name = dashed(strings.ReplaceAll(name, "_", "-"))
	if n, err := strconv.Atoi(strings.TrimSuffix(index, "]")); indexed && err == nil {
		return fmt.Sprintf("%s, number %d", name, n+1)
	}
	return name
}

// hint is what to do about the problem on the command line.
func (r *apiError) hint() string {
	switch p := r.problem; {
	case p.Status == http.StatusUnauthorized:
		return "pdeflow token --user NAME --role tester prints a token on the server's machine; give it with " +
			"--token or PDEFLOW_TOKEN"
	case p.Status == http.StatusForbidden:
		return "give the token of somebody with that role with --token or PDEFLOW_TOKEN"
	case p.JobID != "":
		return fmt.Sprintf("it is job %s; follow it with: pdeflow jobs watch%s %s", p.JobID, r.flags,
			shellQuote(p.JobID))
	case p.Status >= http.StatusInternalServerError && p.RequestID != "":
		return "the request is " + p.RequestID + " in the server's log"
	default:
		return ""
	}
}

// asJSON prints a refusal as it came, where JSON is wanted, beside the sentences that follow on standard error.
func (a *app) problemJSON(wanted bool, err error) error {
	if r, ok := errors.AsType[*apiError](err); ok && wanted && len(r.body) > 0 {
		if err := a.printJSON(r.body); err != nil {
			return err
		}
	}
	return err
}

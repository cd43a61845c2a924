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

// apiError is an error response of the API.
type apiError struct {
	problem api.Problem
	// body is the response as received, for --json.
	body []byte
	// flags selects the same server in an advised command.
	flags string
}

// refused decodes the problem. A response that is not from pdeflow gets a problem that explains this.
func (c *client) refused(got response) error {
	r := &apiError{body: got.body, flags: c.flags}
	if err := json.Unmarshal(got.body, &r.problem); err != nil || !strings.HasPrefix(r.problem.Type, "urn:pdeflow:") {
		r.problem = api.Problem{
			Title: fmt.Sprintf("%s responded %d %s and is not a pdeflow server", c.server, got.code,
				http.StatusText(got.code)),
			Detail: "check --server (PDEFLOW_SERVER)",
		}
		if got.code >= http.StatusBadGateway && got.code <= http.StatusGatewayTimeout {
			r.problem.Title = fmt.Sprintf("a gateway at %s responded %d %s", c.server, got.code,
				http.StatusText(got.code))
			r.problem.Detail = "the upstream server does not respond in time"
		}
		r.body = nil
	}
	r.problem.Status = got.code
	return r
}

// Error describes the problem, each wrong field, and what to do.
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
			continue // the detail repeats it
		}
		text.WriteString("\n  " + typedName(field.Location) + ": " + field.Message)
	}
	for _, change := range p.Changes {
		fmt.Fprintf(&text, "\n  version %d by %s: %s", change.Version, oneLine(change.ChangedBy), changedFields(change))
	}
	if hint := r.hint(); hint != "" {
		text.WriteString("\n" + hint)
	}
	return text.String()
}

// changedFields lists the fields that a change has set, without those that follow from them.
func changedFields(change api.ChangeSince) string {
	var fields []string
	for _, field := range change.Fields {
		if slices.Contains(editFields(), field.Field) || field.Field == "review_status" {
			fields = append(fields, fmt.Sprintf("%s %s -> %s", field.Field, truncate(cellText(field.Before), maxChange),
				truncate(cellText(field.After), maxChange)))
		}
	}
	return strings.Join(fields, ", ")
}

// maxChange limits a value of a change in cells.
const maxChange = 40

// detail returns the problem's detail without parts that only concern programs.
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

// typedName returns the flag for a field of a request, such as --mapping-id for body.mapping_ids[0]. Other locations
// stay.
func typedName(location string) string {
	part, name, found := strings.Cut(location, ".")
	if !found || !slices.Contains([]string{"path", "query", "body"}, part) {
		return location
	}
	if part == "body" && slices.Contains(editFields(), name) {
		return name // it is typed as FIELD=VALUE
	}
	name, index, indexed := strings.Cut(name, "[")
	switch {
	case name == "cycle_id" || name == "report_id":
		name = strings.TrimSuffix(name, "_id")
	case name == "from_cycle_id":
		name = flagFrom
	case name == "mapping_ids":
		name = "mapping-id"
	case name == "ids":
		if n, err := strconv.Atoi(strings.TrimSuffix(index, "]")); err == nil {
			return fmt.Sprintf("ID number %d", n+1)
		}
	case part == "path":
		return location
	}
	name = dashed(strings.ReplaceAll(name, "_", "-"))
	if n, err := strconv.Atoi(strings.TrimSuffix(index, "]")); indexed && err == nil {
		return fmt.Sprintf("%s, number %d", name, n+1)
	}
	return name
}

// hint returns what to do about the problem on the command line.
func (r *apiError) hint() string {
	switch p := r.problem; {
	case p.Status == http.StatusUnauthorized:
		return "pdeflow token --user NAME --role tester prints a token on the server's machine; give it with " +
			"--token or PDEFLOW_TOKEN"
	case strings.HasSuffix(p.Type, ":role-too-low"):
		return "use a token with that role (--token or PDEFLOW_TOKEN)"
	case p.JobID != "":
		return fmt.Sprintf("it is job %s; follow it with: pdeflow jobs watch%s %s", p.JobID, r.flags,
			shellQuote(p.JobID))
	case p.Status >= http.StatusInternalServerError && p.RequestID != "":
		return "the request is " + p.RequestID + " in the server's log"
	default:
		return ""
	}
}

// problemJSON prints an API error as JSON, if wanted, and returns the error.
func (a *app) problemJSON(wanted bool, err error) error {
	if r, ok := errors.AsType[*apiError](err); ok && wanted && len(r.body) > 0 {
		if err := a.printJSON(r.body); err != nil {
			return err
		}
	}
	return err
}

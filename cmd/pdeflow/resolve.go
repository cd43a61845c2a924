package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

const (
	// latest stands for the id of the newest job, or of the mapping that changed last.
	latest = "latest"
	// shortestPrefix is how many characters a prefix of an id needs. Fewer would be a slip of the finger, and cancel a
	// job.
	minPrefix = 4
	// mostCandidates is how many ids the error of an ambiguous prefix names.
	maxCandidates = 5
)

// jobArgument returns a client, and the id of the job that the command's argument names.
func (a *app) jobArgument(ctx context.Context, cmd *cli.Command) (*client, string, error) {
	word, err := argument(cmd, jobID)
	if err != nil {
		return nil, "", err
	}
	c, err := a.client(cmd)
	if err != nil {
		return nil, "", err
	}
	id, err := c.resolveJob(ctx, word)
	return c, id, a.problemJSON(cmd.Bool(flagJSON), err)
}

// mappingArgument returns a client, and the id of the mapping that the command's argument names.
func (a *app) mappingArgument(ctx context.Context, cmd *cli.Command) (*client, string, error) {
	word, err := argument(cmd, "ID")
	if err != nil {
		return nil, "", err
	}
	c, err := a.client(cmd)
	if err != nil {
		return nil, "", err
	}
	id, err := c.resolveMapping(ctx, cmd.String("cycle"), cmd.String("report"), word)
	return c, id, a.problemJSON(cmd.Bool(flagJSON), err)
}

// resolveJob returns the id of the job that a word names: an id, the beginning of one, or latest.
func (c *client) resolveJob(ctx context.Context, word string) (string, error) {
	return resolve(ctx, c, word, idKind{noun: "job", path: "/jobs", describe: describeJob})
}

func describeJob(raw json.RawMessage) (candidate, error) {
	var s events.JobStatus
	err := json.Unmarshal(raw, &s)
	return candidate{
		s.JobID,
		fmt.Sprintf("%s, %s %s, %s ago", s.Status, s.Metadata.CycleID, s.Metadata.ReportID,
			ageText(time.Since(s.CreatedAt))),
	}, err
}

// resolveMapping returns the id of the mapping of the report that a word names.
func (c *client) resolveMapping(ctx context.Context, cycle, report, word string) (string, error) {
	return resolve(ctx, c, word, idKind{
		noun: "mapping", path: mappingsPath(cycle, report, ""), newestFirst: "-updated_at", describe: describeMapping,
	})
}

func describeMapping(raw json.RawMessage) (candidate, error) {
	var m api.Mapping
	err := json.Unmarshal(raw, &m)
	return candidate{m.ID, m.AttributeName}, err
}

// idKind is a kind of thing that has an id.
type idKind struct {
	noun, path string
	// newestFirst is the sort of the list that has the newest first; empty if that is its usual order.
	newestFirst string
	describe    func(json.RawMessage) (candidate, error)
}

// find reads at most limit of the things whose id begins with the prefix.
func (k idKind) find(ctx context.Context, c *client, query url.Values, limit int) ([]candidate, error) {
	query.Set("limit", strconv.Itoa(limit))
	var list page
	if _, err := c.call(ctx, request{method: http.MethodGet, path: k.path, query: query}, &list); err != nil {
		return nil, err
	}
	found := make([]candidate, len(list.Items))
	for i, raw := range list.Items {
		var err error
		if found[i], err = k.describe(raw); err != nil {
			return nil, fmt.Errorf("%s of the list: %w", k.noun, err)
		}
	}
	return found, nil
}

// resolve returns the id that a word names. A word that begins no id is taken for an id itself: ids are opaque, and the
// server knows them.
func resolve(ctx context.Context, c *client, word string, kind idKind) (string, error) {
	if word == latest {
		query := url.Values{}
		if kind.newestFirst != "" {
			query.Set("sort", kind.newestFirst)
		}
		found, err := kind.find(ctx, c, query, 1)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("there is no %s yet", kind.noun)
		}
		if err != nil {
			return "", err
		}
		return found[0].value, nil
	}
	if _, err := uuid.Parse(word); err == nil || len(word) < minPrefix {
		return word, nil
	}
	found, err := kind.find(ctx, c, url.Values{"id_prefix": {word}}, maxCandidates+1)
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return word, nil
	case len(found) == 1 || found[0].value == word:
		return found[0].value, nil
	}
	return "", ambiguous(kind.noun, word, found)
}

// ambiguous is the error of a word that begins the ids of several things.
func ambiguous(noun, word string, found []candidate) error {
	var lines strings.Builder
	for _, c := range found[:min(len(found), maxCandidates)] {
		fmt.Fprintf(&lines, "\n  %s  %s", c.value, oneLine(c.description))
	}
	if len(found) > maxCandidates {
		lines.WriteString("\n  and more")
	}
	return usagef("the ids of several %ss begin with %s:%s", noun, quoted(word), lines.String())
}

// resolveStoredJob is [client.resolveJob] for a command that works on the database.
func resolveStoredJob(ctx context.Context, db *schema.DB, word string) (string, error) {
	filter, limit := schema.JobFilter{IDPrefix: word}, maxCandidates+1
	if _, err := uuid.Parse(word); word != latest && (err == nil || len(word) < minPrefix) {
		return word, nil
	}
	if word == latest {
		filter, limit = schema.JobFilter{}, 1
	}
	jobs, err := schema.ListJobs(ctx, db, filter, "", limit)
	switch {
	case err != nil:
		return "", err
	case len(jobs) == 0:
		return word, nil
	case len(jobs) == 1 || jobs[0].ID == word:
		return jobs[0].ID, nil
	}
	found := make([]candidate, len(jobs))
	for i, job := range jobs {
		found[i] = candidate{
			job.ID, job.CycleID + " " + job.ReportID + ", " + ageText(time.Since(job.CreatedAt)) + " ago",
		}
	}
	return "", ambiguous("job", word, found)
}

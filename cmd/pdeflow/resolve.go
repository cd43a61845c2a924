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
	// latest stands for the newest job, or for the mapping that changed last.
	latest = "latest"
	// minPrefix is the shortest prefix of an id. A shorter one could be a typing error that cancels the wrong job.
	minPrefix = 4
	// maxCandidates limits the ids in the error of an ambiguous prefix.
	maxCandidates = 5
)

// idAction is the action of a command whose one argument is an id.
type idAction func(ctx context.Context, cmd *cli.Command, c *client, id string) error

// withClient returns the action of a command that has no arguments.
func (a *app) withClient(do func(ctx context.Context, cmd *cli.Command, c *client) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if err := noArguments(cmd); err != nil {
			return err
		}
		c, err := a.client(cmd)
		if err != nil {
			return err
		}
		return do(ctx, cmd, c)
	}
}

// withJob returns the action of a command whose argument names a job.
func (a *app) withJob(do idAction) cli.ActionFunc {
	return a.withID(do, func(ctx context.Context, _ *cli.Command, c *client, word string) (string, error) {
		return c.resolveJob(ctx, word)
	})
}

// withMapping returns the action of a command whose argument names a mapping of a report.
func (a *app) withMapping(do idAction) cli.ActionFunc {
	return a.withID(do, func(ctx context.Context, cmd *cli.Command, c *client, word string) (string, error) {
		return c.resolveMapping(ctx, cmd.String("cycle"), cmd.String("report"), word)
	})
}

func (a *app) withID(
	do idAction, resolve func(ctx context.Context, cmd *cli.Command, c *client, word string) (string, error),
) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		word, err := argument(cmd, idArgument)
		if err != nil {
			return err
		}
		c, err := a.client(cmd)
		if err != nil {
			return err
		}
		id, err := resolve(ctx, cmd, c, word)
		if err != nil {
			return a.problemJSON(cmd.Bool(flagJSON), err)
		}
		return do(ctx, cmd, c, id)
	}
}

// printOne sends a request and prints the response: with --json as received, otherwise with show.
func printOne[T any](ctx context.Context, a *app, cmd *cli.Command, c *client, r request, show func(T)) error {
	var value T
	got, err := c.call(ctx, r, &value)
	switch {
	case err != nil:
		return a.problemJSON(cmd.Bool(flagJSON), err)
	case cmd.Bool(flagJSON):
		return a.printJSON(got.body)
	}
	show(value)
	return nil
}

// resolveJob returns the id of a job from an id, a prefix, or latest.
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

// resolveMapping returns the id of a mapping of the report from an id, a prefix, or latest.
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

// idKind describes a list of things that have ids.
type idKind struct {
	noun, path string
	// newestFirst is the sort parameter that lists the newest first. It is empty if that is the default.
	newestFirst string
	describe    func(json.RawMessage) (candidate, error)
}

// find returns at most limit things of the list.
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

// resolve returns the id that a word names. A word that is no prefix of an id is returned as it is, because ids are
// opaque and the server will know.
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

// ambiguous returns the error of a prefix that several ids have.
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

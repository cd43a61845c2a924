package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// ListFacts returns the facts that the rows of the query prove, by the ids of their events.
func ListFacts(ctx context.Context, db bun.IDB, q Query) (map[string]Fact, error) {
	list, err := listFacts(ctx, db, q)
	if err != nil {
		return nil, err
	}
	facts := make(map[string]Fact, len(list))
	for _, fact := range list {
		facts[fact.Event.ID()] = fact
	}
	return facts, nil
}

// listFactsInOrder returns the facts of the query in the order of these events.
func listFactsInOrder(ctx context.Context, db bun.IDB, q Query, eventIDs []string) ([]Fact, error) {
	found, err := ListFacts(ctx, db, q)
	if err != nil {
		return nil, err
	}
	facts := make([]Fact, 0, len(found))
	for _, id := range eventIDs {
		if fact, ok := found[id]; ok {
			facts = append(facts, fact)
		}
	}
	return facts, nil
}

func listFacts(ctx context.Context, db bun.IDB, q Query) ([]Fact, error) {
	jobs, err := getJobs(ctx, db, q)
	if err != nil {
		return nil, err
	}
	r := reader{db: db, query: q, jobs: jobs}
	var facts []Fact
	for _, list := range []func(context.Context) ([]Fact, error){
		r.listJobs, r.listIntents, r.listItems, r.listChanges, r.listPlanning,
	} {
		found, err := list(ctx)
		if err != nil {
			return nil, err
		}
		facts = append(facts, found...)
	}
	return facts, nil
}

// reader reads the rows of a query.
type reader struct {
	db    bun.IDB
	query Query
	// jobs are the rows of all jobs that the query names, by their ids.
	jobs map[string]schema.Job
}

func getJobs(ctx context.Context, db bun.IDB, q Query) (map[string]schema.Job, error) {
	ids := unique(append(each(q.Items, func(k ItemKey) string { return k.JobID }), q.Jobs...))
	rows, err := schema.ListJobsByID(ctx, db, ids)
	if err != nil {
		return nil, err
	}
	jobs := make(map[string]schema.Job, len(rows))
	for _, job := range rows {
		jobs[job.ID] = job
	}
	return jobs, nil
}

// jobFact returns a fact about the job that the event reports.
func jobFact(job schema.Job, event events.Event, service schema.Service, at time.Time, actor string) Fact {
	return Fact{
		Event: event, Service: service, OccurredAt: at, Actor: actor,
		CycleID: job.CycleID, ReportID: job.ReportID, JobID: job.ID, Traceparent: job.Traceparent,
	}
}

// listJobs returns what the rows of the jobs prove. The final status is counted from the items, since the row that
// the projector keeps may be deleted and rebuilt.
func (r reader) listJobs(ctx context.Context) ([]Fact, error) {
	var facts []Fact
	var ended []schema.Job
	for _, id := range unique(r.query.Jobs) {
		job, ok := r.jobs[id]
		if !ok {
			continue
		}
		requested := jobFact(job, events.RegenerateRequestedOf(job), schema.ServiceAPI, job.CreatedAt, job.RequestedBy)
		requested.details = requestDetails{Scope: job.Scope, RetryErrorCode: job.RetryErrorCode, Force: job.Force}
		facts = append(facts, requested)
		if !job.StartedAt.IsZero() {
			facts = append(
				facts,
				jobFact(
					job,
					events.JobStarted(id),
					schema.ServiceDispatcher,
					job.StartedAt,
					string(schema.ServiceDispatcher),
				),
			)
		}
		if !job.ListedAt.IsZero() {
			facts = append(
				facts,
				jobFact(
					job,
					events.JobListed(id, job.Listed),
					schema.ServiceDispatcher,
					job.ListedAt,
					string(schema.ServiceDispatcher),
				),
			)
		}
		if !job.EndedAt.IsZero() {
			ended = append(ended, job)
		}
	}
	statuses, err := schema.ListFinalStatuses(ctx, r.db, ended)
	if err != nil {
		return nil, err
	}
	for _, job := range ended {
		finished := events.JobFinished{JobStatus: events.StatusOf(job, statuses[job.ID])}
		facts = append(
			facts, jobFact(job, finished, schema.ServiceProjector, job.EndedAt, string(schema.ServiceProjector)),
		)
	}
	return facts, nil
}

// listIntents returns the pauses, resumptions and cancellations of the jobs. The first intent of a job is its request.
func (r reader) listIntents(ctx context.Context) ([]Fact, error) {
	if len(r.query.Jobs) == 0 {
		return nil, nil
	}
	var intents []schema.JobIntent
	err := r.db.NewSelect().Model(&intents).
		Where("job_id in (?) and version > 1", bun.List(unique(r.query.Jobs))).Order("job_id", "version").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("intents of jobs: %w", err)
	}
	facts := make([]Fact, 0, len(intents))
	for _, intent := range intents {
		job := r.jobs[intent.JobID]
		fact := jobFact(job, events.JobIntentOf(intent), schema.ServiceDispatcher, intent.CreatedAt, intent.RequestedBy)
		fact.Traceparent = intent.Traceparent
		facts = append(facts, fact)
	}
	return facts, nil
}

// historySHA256 is the digest of a row h of the history; see decision 3.
const historySHA256 = `encode(sha256(convert_to(concat_ws(E'\n',
	to_char(h.changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), h.changed_by,
	h.before::text, h.after::text, h.comment), 'UTF8')), 'hex')`

// listItems returns the outcomes of items. Lateral queries with a limit look up each row by its key. As a join, the
// query would read both tables as a whole for every batch, until they have tens of thousands of rows.
func (r reader) listItems(ctx context.Context) ([]Fact, error) {
	if len(r.query.Items) == 0 {
		return nil, nil
	}
	var rows []struct {
		schema.Item   `bun:"embed:"`
		HistoryID     string `bun:"history_id"`
		HistorySHA256 string `bun:"history_sha256"`
	}
	err := r.db.NewRaw(`select i.job_id, i.mapping_id, i.outcome, i.attempt, i.error_code, i.error, i.classifier,
			i.input_tokens, i.output_tokens, i.cost_usd, i.duration_ms, i.information_security_classification,
			i.ended_at, coalesce(h.id, '') as history_id,
			case when h.id is not null then `+historySHA256+` else '' end as history_sha256
		from unnest(?::text[], ?::text[]) k (job_id, mapping_id)
		cross join lateral (
			select * from job_items where job_id = k.job_id and mapping_id = k.mapping_id limit 1
		) i
		left join lateral (
			select * from classification_history where job_id = k.job_id and mapping_id = k.mapping_id limit 1
		) h on true
		where i.outcome is not null`,
		pgdialect.Array(each(r.query.Items, func(k ItemKey) string { return k.JobID })),
		pgdialect.Array(each(r.query.Items, func(k ItemKey) string { return k.MappingID }))).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("items of events: %w", err)
	}
	facts := make([]Fact, 0, len(rows))
	for _, row := range rows {
		job := r.jobs[row.JobID]
		service, actor := schema.ServiceClassifier, job.Author()
		if row.Outcome == schema.OutcomeCancelled {
			service, actor = schema.ServiceDispatcher, string(schema.ServiceDispatcher)
		}
		fact := jobFact(job, events.JobItemOf(row.Item), service, row.EndedAt, actor)
		fact.MappingID = row.MappingID
		details := itemDetails{InformationSecurityClassification: orNull(string(row.InformationSecurityClassification))}
		if row.HistoryID != "" {
			details.History = &historyDigest{ID: row.HistoryID, SHA256: row.HistorySHA256}
		}
		fact.details = details
		facts = append(facts, fact)
	}
	return facts, nil
}

// listChanges returns changes of mappings by people and imports.
func (r reader) listChanges(ctx context.Context) ([]Fact, error) {
	if len(r.query.Changes) == 0 {
		return nil, nil
	}
	var rows []struct {
		MappingID string          `bun:"mapping_id"`
		Version   int64           `bun:"version"`
		ChangedAt time.Time       `bun:"changed_at"`
		ChangedBy string          `bun:"changed_by"`
		Before    json.RawMessage `bun:"before"`
		After     json.RawMessage `bun:"after"`
		Comment   string          `bun:"comment"`
		EditedBy  string          `bun:"edited_by"`
		CycleID   string          `bun:"cycle_id"`
		ReportID  string          `bun:"report_id"`
	}
	err := r.db.NewRaw(`select h.mapping_id, (h.after->>'version')::bigint as version, h.changed_at, h.changed_by,
			h.before, h.after, coalesce(h.comment, '') as comment, coalesce(h.edited_by, '') as edited_by,
			coalesce(m.cycle_id, '') as cycle_id, coalesce(m.report_id, '') as report_id
		from classification_history h left join (
			select id, cycle_id, report_id from pde_mappings
			union all select mapping_id, cycle_id, report_id from removed_mappings
		) m on m.id = h.mapping_id
		where h.job_id is null
			and (h.mapping_id, (h.after->>'version')::bigint) in (select * from unnest(?::text[], ?::bigint[]))`,
		pgdialect.Array(each(r.query.Changes, func(k ChangeKey) string { return k.MappingID })),
		pgdialect.Array(each(r.query.Changes, func(k ChangeKey) int64 { return k.Version }))).
		Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("changes of mappings: %w", err)
	}
	facts := make([]Fact, 0, len(rows))
	for _, row := range rows {
		facts = append(facts, Fact{
			Event: events.MappingChanged{
				MappingID: row.MappingID, Version: row.Version, ChangedBy: row.ChangedBy,
				Before: row.Before, After: row.After, Comment: orNull(row.Comment), EditedBy: orNull(row.EditedBy),
			},
			Service: schema.ServiceDispatcher, OccurredAt: row.ChangedAt, Actor: row.ChangedBy,
			CycleID: row.CycleID, ReportID: row.ReportID, MappingID: row.MappingID,
		})
	}
	return facts, nil
}

// listPlanning returns changes of planning data.
func (r reader) listPlanning(ctx context.Context) ([]Fact, error) {
	if len(r.query.Planning) == 0 {
		return nil, nil
	}
	var changes []schema.PlanningChange
	if err := r.db.NewSelect().Model(&changes).Where("id in (?)", bun.List(r.query.Planning)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("changes of planning data: %w", err)
	}
	facts := make([]Fact, 0, len(changes))
	for _, change := range changes {
		facts = append(facts, Fact{
			Event: events.PlanningChangedOf(change), Service: schema.ServiceDispatcher,
			OccurredAt: change.ChangedAt, Actor: change.ChangedBy,
			CycleID: change.CycleID, ReportID: change.ReportID,
		})
	}
	return facts, nil
}

func unique(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

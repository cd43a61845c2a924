package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// Fact is something that happened, as the rows say it.
type Fact struct {
	// EventID is the ce-id of the event that says it.
	EventID string `bun:"event_id"`
	// OccurredAt is when it happened.
	OccurredAt time.Time `bun:"occurred_at,nullzero"`
	// Source, Type and Subject are those of the event: who says such a thing, what kind of event it is, and where it is said.
	Source  string `bun:"source,nullzero"`
	Type    string `bun:"type,nullzero"`
	Subject string `bun:"subject"`
	// Actor is whose doing it was: a person, a job, or a service.
	Actor       string `bun:"actor,nullzero"`
	CycleID     string `bun:"cycle_id,nullzero"`
	ReportID    string `bun:"report_id,nullzero"`
	JobID       string `bun:"job_id,nullzero"`
	MappingID   string `bun:"mapping_id,nullzero"`
	Traceparent string `bun:"traceparent,nullzero"`
	// Data is the event's body, with what else the rows know of it. It is written byte for byte, because it is hashed: told that it is
	// JSON, bun would write it anew.
	Data json.RawMessage `bun:"data"`
}

// jobFacts is what the row of a job says: that it was asked for, started, listed and finished. How it finished is counted from its
// items, because the status that the projector keeps may be thrown away.
const jobFacts = `select fact.kind || '/' || j.id as event_id, fact.at as occurred_at, '/pdeflow/' || fact.service as source,
	'io.pdeflow.' || fact.topic || '.v1' as type, fact.topic || '.' || j.id as subject, fact.actor,
	j.cycle_id, j.report_id, j.id as job_id, null::text as mapping_id, j.traceparent, fact.data
from jobs j cross join lateral (values
	('requested', j.created_at, 'api', 'regenerate.requested', j.requested_by, jsonb_build_object(
		'job_id', j.id, 'job_type', j.job_type, 'cycle_id', j.cycle_id, 'report_id', j.report_id, 'classifier', j.classifier,
		'requested_by', j.requested_by, 'mapping_count', j.mapping_count, 'retry_of', j.retry_of,
		'scope', j.scope, 'retry_error_code', j.retry_error_code, 'force', j.force)),
	('started', j.started_at, 'dispatcher', 'job.progress', 'dispatcher', jsonb_build_object('job_id', j.id, 'kind', 'started')),
	('listed', j.listed_at, 'dispatcher', 'job.progress', 'dispatcher',
		jsonb_build_object('job_id', j.id, 'kind', 'listed', 'total_steps', j.listed)),
	('finished', j.ended_at, 'projector', 'job.finished', 'projector', case when j.ended_at is not null then (
		select jsonb_build_object('job_id', j.id, 'job_type', j.job_type,
			'status', case when cancelled > 0 or j.listed = 0 and j.intent = 'cancel' then 'cancelled' when failed > 0 then 'failed' else 'completed' end,
			'progress_percentage', 100, 'total_steps', j.listed, 'completed_steps', succeeded + skipped + failed + cancelled,
			'succeeded', succeeded, 'skipped', skipped, 'failed', failed, 'cancelled', cancelled,
			'result', jsonb_build_object('succeeded', succeeded, 'skipped', skipped, 'failed', failed, 'cancelled', cancelled,
				'classifications', jsonb_build_object('HRCI', hrci, 'Confidential', confidential, 'Proprietary', proprietary, 'Public', public)),
			'metadata', jsonb_build_object('cycle_id', j.cycle_id, 'report_id', j.report_id, 'requested_by', j.requested_by,
				'classifier', j.classifier, 'retry_of', j.retry_of),
			'usage', jsonb_build_object('input_tokens', input_tokens, 'output_tokens', output_tokens, 'cost_usd', cost_usd))
		from (` + countItems + ` from (
			select outcome, information_security_classification as tier, input_tokens, output_tokens, cost_usd, ended_at
			from job_items where job_id = j.id) items) counts) end)
	) fact (kind, at, service, topic, actor, data)
where fact.at is not null`

// countItems counts items; rows to count must have the tier under that name.
const countItems = `select count(*) filter (where outcome = 'succeeded') as succeeded, count(*) filter (where outcome = 'skipped') as skipped,
	count(*) filter (where outcome = 'failed') as failed, count(*) filter (where outcome = 'cancelled') as cancelled,
	count(*) filter (where tier = 'HRCI') as hrci, count(*) filter (where tier = 'Confidential') as confidential,
	count(*) filter (where tier = 'Proprietary') as proprietary, count(*) filter (where tier = 'Public') as public,
	coalesce(sum(input_tokens), 0)::bigint as input_tokens, coalesce(sum(output_tokens), 0)::bigint as output_tokens,
	coalesce(sum(cost_usd), 0) as cost_usd, max(ended_at) as last_ended_at`

// intentFacts is what the row of an intent says: that somebody paused, resumed or cancelled the job. The first intent is the request.
const intentFacts = `select fact.kind || '/' || n.job_id || '/' || n.version as event_id, n.created_at as occurred_at,
	'/pdeflow/dispatcher' as source, 'io.pdeflow.job.progress.v1' as type, 'job.progress.' || n.job_id as subject,
	n.requested_by as actor, j.cycle_id, j.report_id, n.job_id, null::text as mapping_id, n.traceparent,
	jsonb_build_object('job_id', n.job_id, 'kind', fact.kind, 'intent_version', n.version) as data
from job_intents n join jobs j on j.id = n.job_id
	cross join lateral (select case n.intent when 'pause' then 'paused' when 'cancel' then 'cancelled' else 'resumed' end as kind) fact
where n.version > 1`

// itemFacts is what the row of an item says: that the mapping is accounted for. The history that belongs to it is in it by its digest,
// which ties that to the log without writing it twice.
const itemFacts = `select 'item/' || i.job_id || '/' || i.mapping_id as event_id, i.ended_at as occurred_at,
	'/pdeflow/' || case i.outcome when 'cancelled' then 'dispatcher' else 'classifier' end as source,
	'io.pdeflow.job.progress.v1' as type, 'job.progress.' || i.job_id as subject,
	case i.outcome when 'cancelled' then 'dispatcher' else 'job:' || i.job_id end as actor,
	j.cycle_id, j.report_id, i.job_id, i.mapping_id, j.traceparent,
	jsonb_build_object('job_id', i.job_id, 'kind', 'item', 'mapping_id', i.mapping_id, 'outcome', i.outcome, 'attempt', i.attempt,
		'error_code', i.error_code, 'error', i.error, 'classifier', i.classifier,
		'usage', jsonb_build_object('input_tokens', i.input_tokens, 'output_tokens', i.output_tokens, 'cost_usd', i.cost_usd),
		'duration_ms', i.duration_ms, 'information_security_classification', i.information_security_classification,
		'history', case when h.id is not null then jsonb_build_object('id', h.id, 'sha256', encode(sha256(convert_to(concat_ws(E'\n',
			to_char(h.changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), h.changed_by, h.before::text, h.after::text, h.comment),
			'UTF8')), 'hex')) end) as data
from job_items i join jobs j on j.id = i.job_id
	left join classification_history h on h.job_id = i.job_id and h.mapping_id = i.mapping_id
where i.outcome is not null`

// changeFacts is what the history says of those who are no job: that somebody edited, reviewed or imported the mapping.
const changeFacts = `select 'changed/' || h.mapping_id || '/' || (h.after->>'version') as event_id, h.changed_at as occurred_at,
	'/pdeflow/api' as source, 'io.pdeflow.mapping.changed.v1' as type, 'mapping.changed.' || h.mapping_id as subject,
	h.changed_by as actor, m.cycle_id, m.report_id, null::text as job_id, h.mapping_id, null::text as traceparent,
	jsonb_build_object('mapping_id', h.mapping_id, 'version', (h.after->>'version')::bigint, 'changed_by', h.changed_by,
		'before', h.before, 'after', h.after, 'comment', h.comment) as data
from classification_history h left join (
	select id, cycle_id, report_id from pde_mappings union all select mapping_id, cycle_id, report_id from removed_mappings
) m on m.id = h.mapping_id
where h.job_id is null`

// planningFacts are the changes of planning data.
const planningFacts = `select 'planning/' || p.id as event_id, p.changed_at as occurred_at, '/pdeflow/dispatcher' as source,
	'io.pdeflow.planning.changed.v1' as type, 'planning.changed.' || p.id as subject, p.changed_by as actor, p.cycle_id, p.report_id,
	null::text as job_id, null::text as mapping_id, null::text as traceparent,
	jsonb_build_object('change_id', p.id, 'cycle_id', p.cycle_id, 'report_id', p.report_id, 'action', p.action, 'object', p.object,
		'object_id', p.object_id, 'name', p.name, 'changed_by', p.changed_by, 'counts', p.counts) as data
from planning_changes p
where true`

// Query names what may have happened.
type Query struct {
	// Jobs asks for what the rows of these jobs say.
	Jobs []string
	// Items asks for the outcomes of mappings in jobs.
	Items []ItemKey
	// Intents asks for what was asked of jobs.
	Intents []VersionKey
	// Changes asks for the changes of mappings that are no job's, by the versions to which they led.
	Changes []VersionKey
	// Planning asks for changes of planning data by their ids.
	Planning []string
}

// ItemKey names an item of a job's work list.
type ItemKey struct{ JobID, MappingID string }

// VersionKey names a version of what has the id.
type VersionKey struct {
	ID      string
	Version int64
}

// ListFacts reads which of what the query names has happened, by the ids of the events.
func ListFacts(ctx context.Context, db bun.IDB, q Query) (map[string]Fact, error) {
	facts := map[string]Fact{}
	read := func(query string, args ...any) error {
		var found []Fact
		if err := db.NewRaw(query, args...).Scan(ctx, &found); err != nil {
			return fmt.Errorf("facts: %w", err)
		}
		for _, fact := range found {
			facts[fact.EventID] = fact
		}
		return nil
	}
	if len(q.Jobs) > 0 {
		if err := read(jobFacts+" and j.id in (?)", bun.List(q.Jobs)); err != nil {
			return nil, err
		}
	}
	if len(q.Items) > 0 {
		jobs, mappings := make([]string, len(q.Items)), make([]string, len(q.Items))
		for i, key := range q.Items {
			jobs[i], mappings[i] = key.JobID, key.MappingID
		}
		err := read(itemFacts+" and (i.job_id, i.mapping_id) in (select * from unnest(?::text[], ?::text[]))",
			pgdialect.Array(jobs), pgdialect.Array(mappings))
		if err != nil {
			return nil, err
		}
	}
	if len(q.Planning) > 0 {
		if err := read(planningFacts+" and p.id in (?)", bun.List(q.Planning)); err != nil {
			return nil, err
		}
	}
	for _, versioned := range []struct {
		query string
		keys  []VersionKey
	}{
		{intentFacts + " and (n.job_id, n.version) in (select * from unnest(?::text[], ?::bigint[]))", q.Intents},
		{changeFacts + " and (h.mapping_id, (h.after->>'version')::bigint) in (select * from unnest(?::text[], ?::bigint[]))", q.Changes},
	} {
		if len(versioned.keys) == 0 {
			continue
		}
		ids, versions := make([]string, len(versioned.keys)), make([]int64, len(versioned.keys))
		for i, key := range versioned.keys {
			ids[i], versions[i] = key.ID, key.Version
		}
		if err := read(versioned.query, pgdialect.Array(ids), pgdialect.Array(versions)); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

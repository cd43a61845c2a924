-- What happened and who asked for it, each once, in a chain: every row holds the hash of the one before. It names jobs and mappings
-- without referring to them, because it must be able to say that one is gone, and because an event may name what never was.
create table audit_log (
    seq         bigint primary key check (seq > 0),
    -- The ce-id of what happened; unverified/<hash> for an event that no row bears out.
    event_id    text collate "C" not null unique,
    recorded_at timestamptz not null,
    occurred_at timestamptz,
    source      text,
    type        text,
    subject     text not null,
    actor       text,
    cycle_id    text collate "C",
    report_id   text collate "C",
    job_id      text collate "C",
    mapping_id  text collate "C",
    -- json and not jsonb: it is hashed as it was written, so it has to stay as it was written.
    data        json not null,
    origin      text not null check (origin in ('event', 'rows')),
    verified    boolean not null,
    traceparent text,
    prev_hash   text collate "C" not null check (length(prev_hash) = 64),
    hash        text collate "C" not null check (length(hash) = 64),
    created_at  timestamptz not null,
    created_by  text not null,
    updated_at  timestamptz not null,
    updated_by  text not null,
    check (verified or origin = 'event')
);
create index audit_log_job on audit_log (job_id, seq) where job_id is not null;
create index audit_log_mapping on audit_log (mapping_id, seq) where mapping_id is not null;
-- Counted against the changes that are no job's, which have an index of their own for the same reason.
create index audit_log_changes on audit_log (event_id) where type = 'io.pdeflow.mapping.changed.v1' and verified;
create index classification_history_people on classification_history (id) where job_id is null;

create function audit_log_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'audit_log is append-only: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;
-- For each statement, so that one that would hit no row is refused as well.
create trigger audit_log_append_only before update or delete or truncate on audit_log
    for each statement execute function audit_log_refuse();
-- In sessions that replay a replica's changes too.
alter table audit_log enable always trigger audit_log_append_only;

-- Ids are opaque text; collation "C" compares them byte by byte, which is the order of the keyset pages and the cheapest.

-- The parts of a text that a search looks up: all runs of "shortest" to three characters, each with its report, so that a search reads no
-- entries of other reports. The caller converts the text to lower case, because that depends on the collation. The cost makes the planner
-- prefer an index to a call for each row.
create function search_parts(cycle_id text, report_id text, lowered text, shortest integer) returns text[]
language sql immutable cost 1000 as $$
    select array_agg(cycle_id || '/' || report_id || '/' || substr(lowered, first, size))
    from generate_series(shortest, 3) size, generate_series(1, length(lowered) - size + 1) first
$$;

-- A number for the combination of the filters of a list of mappings that have few values. Its digits are the tier, the criticality, and the
-- review status plus 5 if the mapping has a source field. See schema.MappingFilter.
create function mapping_facet(tier text, criticality text, review_status text, source_field text) returns integer
language sql immutable as $$
    select coalesce(array_position('{Public,Proprietary,Confidential,HRCI}', tier), 0) * 100
        + coalesce(array_position('{Low,Medium,High}', criticality), 0) * 10
        + array_position('{pending,approved,rejected,needs_revision}', review_status)
        + case when source_field is null then 0 else 5 end
$$;

create table reports (
    cycle_id      text collate "C" not null,
    report_id     text collate "C" not null,
    name          text not null,
    -- Maintained by imports and removals, so that a request for a job need not count the mappings.
    mapping_count bigint not null default 0 check (mapping_count >= 0),
    created_at    timestamptz not null,
    created_by    text not null,
    updated_at    timestamptz not null,
    updated_by    text not null,
    primary key (cycle_id, report_id)
);

-- The rule by which a report approves mappings itself. A report without a row has the rule of schema.DefaultAutoApproval.
create table auto_approvals (
    cycle_id       text collate "C" not null,
    report_id      text collate "C" not null,
    enabled        boolean not null,
    min_confidence integer not null check (min_confidence between 0 and 100),
    min_margin     integer not null check (min_margin between 0 and 100),
    tiers          text[] not null check (tiers <@ '{HRCI,Confidential,Proprietary,Public}' and cardinality(tiers) > 0),
    max_risk       text not null check (max_risk in ('High', 'Medium', 'Low')),
    personal       boolean not null,
    -- The last mapping to which the enabled rule was applied; null if it was applied to all.
    applied_to     text collate "C" check (applied_to is null or enabled),
    created_at     timestamptz not null,
    created_by     text not null,
    updated_at     timestamptz not null,
    updated_by     text not null,
    primary key (cycle_id, report_id),
    foreign key (cycle_id, report_id) references reports
);

create table attributes (
    id                       text collate "C" primary key,
    cycle_id                 text collate "C" not null,
    report_id                text collate "C" not null,
    -- The line item number, with the MDRM code if the attribute has both, or else the name; see schema.AttributeIdentity.
    identity                 text collate "C" not null,
    attribute_name           text not null check (attribute_name <> ''),
    description              text not null default '',
    data_type                text not null default '',
    line_item_number         text not null default '',
    technical_line_item_name text not null default '',
    mdrm                     text not null default '',
    is_mandatory             boolean not null default false,
    is_cde                   boolean not null default false,
    is_primary_key           boolean not null default false,
    has_issues               boolean not null default false,
    validation_rules         text not null default '',
    created_at               timestamptz not null,
    created_by               text not null,
    updated_at               timestamptz not null,
    updated_by               text not null,
    foreign key (cycle_id, report_id) references reports,
    unique (cycle_id, report_id, identity)
);
-- For a page of a report's attributes in their order, and for imports, which look up attributes by name or line item number.
create index attributes_report on attributes (cycle_id, report_id, id);
create index attributes_name on attributes (cycle_id, report_id, left(attribute_name, 200));
create index attributes_line on attributes (cycle_id, report_id, line_item_number) where line_item_number <> '';
-- For the list of mappings sorted by name. Only imports write to this index.
create index attributes_sorted on attributes (cycle_id, report_id, (left(lower(attribute_name), 200) collate "C"), id);
-- For the decisions of people on attributes of the same name in other reports.
create index attributes_any_report on attributes ((left(lower(attribute_name), 200) collate "C"));
-- For the search. It adds 0.15 to 0.3 ms to the import of an attribute. Jobs do not write to this index.
create index attributes_search on attributes using gin (search_parts(cycle_id, report_id,
    lower(attribute_name || e'\n' || line_item_number || e'\n' || technical_line_item_name || e'\n' || mdrm), 1));

create table data_sources (
    id          text collate "C" primary key,
    cycle_id    text collate "C" not null,
    report_id   text collate "C" not null,
    name        text not null check (name <> ''),
    description text not null default '',
    -- Maintained by triggers on source_columns, so that the list of data sources does not count the columns.
    column_count bigint not null default 0 check (column_count >= 0),
    -- The URL of the database that the columns are read from, without the password; null if there is none.
    connection_url text check (connection_url <> ''),
    -- PEM certificates of the authorities that the connection trusts; null for those of the system.
    connection_ca  text check (connection_ca <> ''),
    -- The password, encrypted; null if it is not stored. See package introspect.
    connection_password text check (connection_password <> ''),
    -- The product and version of the database, and the time of the last reading.
    database_version text,
    read_at     timestamptz,
    created_at  timestamptz not null,
    created_by  text not null,
    updated_at  timestamptz not null,
    updated_by  text not null,
    foreign key (cycle_id, report_id) references reports,
    unique (cycle_id, report_id, name),
    check (connection_url is not null
        or num_nonnulls(connection_ca, connection_password, database_version, read_at) = 0)
);

create table source_columns (
    id             text collate "C" primary key,
    data_source_id text collate "C" not null references data_sources,
    -- The names of schema, table and column, or their digest if they are too long for an index; see schema.ColumnIdentity.
    identity       text collate "C" not null,
    schema_name    text not null,
    table_name     text not null,
    column_name    text not null,
    data_type      text not null default '',
    description    text not null default '',
    -- What a database reports about the column; the defaults mean that it is unknown.
    relation_kind  text not null default ''
        check (relation_kind in ('', 'table', 'view', 'materialized_view', 'foreign_table')),
    position       integer not null default 0 check (position >= 0),
    is_primary_key boolean not null default false,
    -- The source field of the column that a foreign key of this one refers to; empty if there is none.
    references_field text not null default '',
    -- Since when imports of the data source have not contained the column; null if the last one did. Jobs do not use such a column.
    missing_since  timestamptz,
    created_at     timestamptz not null,
    created_by     text not null,
    updated_at     timestamptz not null,
    updated_by     text not null,
    unique (data_source_id, identity)
);

-- Transactions that add or remove columns hold the lock of the report, so these updates never wait.
create function column_counts_change() returns trigger language plpgsql as $$
begin
    update data_sources d set column_count = d.column_count + changed.columns * tg_argv[0]::bigint
    from (select data_source_id, count(*) as columns from changed_rows group by 1) changed
    where d.id = changed.data_source_id;
    return null;
end
$$;
create trigger column_counts_added after insert on source_columns referencing new table as changed_rows
    for each statement execute function column_counts_change('1');
create trigger column_counts_removed after delete on source_columns referencing old table as changed_rows
    for each statement execute function column_counts_change('-1');

create table pde_mappings (
    id                        text collate "C" primary key,
    cycle_id                  text collate "C" not null,
    report_id                 text collate "C" not null,
    attribute_id              text collate "C" not null unique references attributes,
    -- No foreign key, because all workers of a job would lock the few rows of data_sources. See decision 15 of package schema.
    data_source_id            text collate "C",
    pde_name                  text,
    pde_code                  text,
    pde_description           text,
    source_field              text,
    -- All source columns, the main one first, if there are several. See schema.SourceFields.
    source_fields             jsonb,
    mapping_type              text check (mapping_type in ('direct', 'calculated', 'lookup', 'conditional')),
    transformation_rule       text,
    business_process          text,
    business_owner            text,
    data_steward              text,
    mapping_confirmed_by_user boolean not null default false,
    confidence_score          smallint check (confidence_score between 0 and 100),
    mapping_rationale         text,
    alternative_mappings      jsonb,
    information_security_classification text
        check (information_security_classification in ('HRCI', 'Confidential', 'Proprietary', 'Public')),
    criticality               text check (criticality in ('High', 'Medium', 'Low')),
    risk_level                text check (risk_level in ('High', 'Medium', 'Low')),
    regulatory_flag           boolean,
    pii_flag                  boolean,
    classification_confidence smallint check (classification_confidence between 0 and 100),
    classification_rationale  text,
    regulatory_references     jsonb,
    classified_by             text,
    suggested_source_field    text,
    suggested_information_security_classification text
        check (suggested_information_security_classification in ('HRCI', 'Confidential', 'Proprietary', 'Public')),
    suggested_criticality     text check (suggested_criticality in ('High', 'Medium', 'Low')),
    suggested_risk_level      text check (suggested_risk_level in ('High', 'Medium', 'Low')),
    suggested_regulatory_flag boolean,
    suggested_pii_flag        boolean,
    review_status             text not null default 'pending'
        check (review_status in ('pending', 'approved', 'rejected', 'needs_revision')),
    reviewed_by               text,
    reviewed_at               timestamptz,
    -- The cycle from which the mapping was carried over; null if its decision has changed since.
    carried_from              text collate "C",
    -- The digest of everything that the last job's result depends on; null if anything else has changed the result since.
    input_hash                text,
    version                   bigint not null default 1,
    created_at                timestamptz not null,
    created_by                text not null,
    updated_at                timestamptz not null,
    updated_by                text not null,
    foreign key (cycle_id, report_id) references reports,
    check ((review_status = 'pending') = (reviewed_by is null)),
    check ((reviewed_by is null) = (reviewed_at is null)),
    check (source_fields is null
        or coalesce(jsonb_array_length(source_fields) > 1 and source_fields->>0 = source_field, false))
) with (fillfactor = 60);
-- For the list of a report's mappings, and for the pages from which the work list of a job is written.
create index pde_mappings_report on pde_mappings (cycle_id, report_id, id);
-- For the decisions of people on a column that are evidence for other reports. Jobs do not write to it before a person confirms.
create index pde_mappings_confirmed on pde_mappings (hashtextextended(source_field, 0), updated_at)
    where mapping_confirmed_by_user and source_field is not null;
-- For jobs on the mappings without a source column: counting and listing them must not read the whole report.
create index pde_mappings_unmapped on pde_mappings (cycle_id, report_id, id) where source_field is null;
-- For the other orders of the list of mappings. The expressions are those of schema.MappingSort. Every update changes updated_at, so no
-- update is heap-only: each adds an entry to each of these indexes.
create index pde_mappings_updated on pde_mappings (cycle_id, report_id, updated_at, id);
create index pde_mappings_source_field on pde_mappings (cycle_id, report_id, (left(coalesce(source_field, ''), 200) collate "C"), id);
create index pde_mappings_confidence on pde_mappings (cycle_id, report_id, (coalesce(confidence_score, -1)::integer), id);
create index pde_mappings_classification_confidence
    on pde_mappings (cycle_id, report_id, (coalesce(classification_confidence, -1)::integer), id);
-- For lists that are filtered or sorted by parts of the facet. Each facet is read in the order of the list.
create index pde_mappings_facet on pde_mappings (cycle_id, report_id,
    mapping_facet(information_security_classification, criticality, review_status, source_field), id);
create index pde_mappings_facet_updated on pde_mappings (cycle_id, report_id,
    mapping_facet(information_security_classification, criticality, review_status, source_field), updated_at, id);
create index pde_mappings_facet_confidence on pde_mappings (cycle_id, report_id,
    mapping_facet(information_security_classification, criticality, review_status, source_field),
    (coalesce(confidence_score, -1)::integer), id);

-- For the search among the mappings that have an element and no column. Jobs do not write such rows.
create index pde_mappings_search on pde_mappings using gin (search_parts(cycle_id, report_id, lower(pde_name), 1))
    where source_field is null and pde_name is not null;

-- The elements and columns that mappings name or once named, for the search. Thousands of mappings name the same column, so a job seldom
-- adds a row. Rows may be duplicates, because writers do not wait for each other.
create table mapped_elements (
    cycle_id     text collate "C" not null,
    report_id    text collate "C" not null,
    pde_name     text,
    source_field text not null,
    -- The further columns of the mapping, each in a line.
    further      text not null
);
create index mapped_elements_pair on mapped_elements
    (cycle_id, report_id, hashtextextended(coalesce(pde_name, '') || e'\n' || source_field || e'\n' || further, 0));
create index mapped_elements_search on mapped_elements using gin
    (search_parts(cycle_id, report_id, lower(coalesce(pde_name, '') || e'\n' || source_field || e'\n' || further), 1));

create function mapped_elements_add() returns trigger language plpgsql as $$
declare
    others text := '';
begin
    if new.source_fields is not null then
        select string_agg(field, e'\n' order by n) into others
        from jsonb_array_elements_text(new.source_fields) with ordinality f (field, n) where n > 1;
    end if;
    insert into mapped_elements (cycle_id, report_id, pde_name, source_field, further)
    select new.cycle_id, new.report_id, new.pde_name, new.source_field, others
    where not exists (
        select from mapped_elements e
        where e.cycle_id = new.cycle_id and e.report_id = new.report_id
            and hashtextextended(coalesce(e.pde_name, '') || e'\n' || e.source_field || e'\n' || e.further, 0)
                = hashtextextended(coalesce(new.pde_name, '') || e'\n' || new.source_field || e'\n'
                    || others, 0)
            and e.pde_name is not distinct from new.pde_name and e.source_field = new.source_field
            and e.further = others);
    return null;
end
$$;
create trigger mapped_elements_inserted after insert on pde_mappings for each row
    when (new.source_field is not null) execute function mapped_elements_add();
create trigger mapped_elements_updated after update on pde_mappings for each row
    when (new.source_field is not null
        and (old.source_field is distinct from new.source_field or old.pde_name is distinct from new.pde_name
            or old.source_fields is distinct from new.source_fields))
    execute function mapped_elements_add();

-- The number of mappings of each report and each combination of the parts of mapping_facet: the sum of the column mappings over the rows. A
-- writer of pde_mappings inserts rows for its changes and updates none, so that writers do not wait for each other. The projector replaces the rows by their sums. There is no
-- index, because that leaves a few rows for each report.
create table mapping_counts (
    cycle_id      text collate "C" not null,
    report_id     text collate "C" not null,
    information_security_classification text,
    criticality   text,
    review_status text not null,
    -- True if the mappings have a source field.
    mapped        boolean not null,
    mappings      bigint not null,
    -- True if the row is a sum of earlier rows.
    summed        boolean not null default false
);

create function mapping_counts_added() returns trigger language plpgsql as $$
begin
    insert into mapping_counts
        (cycle_id, report_id, information_security_classification, criticality, review_status, mapped, mappings)
    select cycle_id, report_id, information_security_classification, criticality, review_status, source_field is not null,
        count(*) from added group by 1, 2, 3, 4, 5, 6;
    return null;
end
$$;
create function mapping_counts_removed() returns trigger language plpgsql as $$
begin
    insert into mapping_counts
        (cycle_id, report_id, information_security_classification, criticality, review_status, mapped, mappings)
    select cycle_id, report_id, information_security_classification, criticality, review_status, source_field is not null,
        -count(*) from removed group by 1, 2, 3, 4, 5, 6;
    return null;
end
$$;
create function mapping_counts_changed() returns trigger language plpgsql as $$
begin
    insert into mapping_counts
        (cycle_id, report_id, information_security_classification, criticality, review_status, mapped, mappings)
    values (old.cycle_id, old.report_id, old.information_security_classification, old.criticality, old.review_status,
            old.source_field is not null, -1),
           (new.cycle_id, new.report_id, new.information_security_classification, new.criticality, new.review_status,
            new.source_field is not null, 1);
    return null;
end
$$;
create trigger mapping_counts_added after insert on pde_mappings referencing new table as added
    for each statement execute function mapping_counts_added();
create trigger mapping_counts_removed after delete on pde_mappings referencing old table as removed
    for each statement execute function mapping_counts_removed();
-- For each row, so that the condition can skip updates that change none of them: a later job seldom changes a tier.
create trigger mapping_counts_changed after update on pde_mappings for each row
    when (old.information_security_classification is distinct from new.information_security_classification
        or old.criticality is distinct from new.criticality
        or old.review_status is distinct from new.review_status
        or (old.source_field is null) <> (new.source_field is null))
    execute function mapping_counts_changed();

-- Jobs, items and history have no foreign keys to reports and mappings, because they are kept when those are removed. A request for a job
-- and a removal both lock the row of the report instead; see schema.LockReport.
create table jobs (
    id                  text collate "C" primary key,
    job_type            text not null check (job_type in ('pde_regeneration', 'pde_classification', 'pde_auto_mapping')),
    cycle_id            text collate "C" not null,
    report_id           text collate "C" not null,
    classifier          text not null check (classifier in ('rules', 'llm', 'hybrid')),
    scope               text not null check (scope in ('all', 'unmapped', 'selected', 'retry')),
    mapping_ids         text[] collate "C",
    retry_of            text collate "C" references jobs,
    -- A retry may be limited to the items with this error code.
    retry_error_code    text not null default ''
        check (retry_error_code in ('', 'confirmed', 'unchanged', 'panic', 'classifier_error', 'poison')),
    force               boolean not null default false,
    -- The cost at which the job pauses; null if it has no limit.
    max_cost_usd        numeric(20, 12) check (max_cost_usd > 0),
    mapping_count       bigint not null check (mapping_count >= 0),
    requested_by        text not null,
    traceparent         text not null,
    intent              text not null check (intent in ('run', 'pause', 'cancel')),
    intent_version      bigint not null,
    version             bigint not null default 1,
    started_at          timestamptz,
    list_cursor         text collate "C" not null default '',
    listed              bigint not null default 0 check (listed >= 0),
    listed_at           timestamptz,
    -- The number of cancelled items and the time of the last one. The transaction that cancels an item counts it.
    cancelled           bigint not null default 0,
    cancelled_at        timestamptz,
    -- The first cancelled mapping. The items before it are not read to find cancelled ones.
    cancelled_from      text collate "C",
    published_requested boolean not null default false,
    published_started   boolean not null default false,
    published_listed    boolean not null default false,
    published_intent    bigint not null default 1,
    -- The last published reason why the job waits; null if the last published event reported that it no longer waits.
    published_waiting   text,
    -- Why a service paused the job; null if a person did, or if the job is not paused.
    paused_for          text,
    -- What the model's provider makes the job wait for, and until when; null if it does not wait for a provider.
    provider_wait       text,
    provider_wait_until timestamptz,
    -- The calls of a model that were sent and whose reply was lost, and what they cost at most.
    lost_calls          bigint not null default 0 check (lost_calls >= 0),
    lost_usd            numeric(20, 12) not null default 0,
    -- Why and since when the dispatcher cannot advance the job; null if it can.
    blocked_by          text,
    blocked_since       timestamptz,
    published_finished  boolean not null default false,
    ended_at            timestamptz,
    audited_at          timestamptz,
    created_at          timestamptz not null,
    created_by          text not null,
    updated_at          timestamptz not null,
    updated_by          text not null,
    check ((scope = 'retry') = (retry_of is not null)),
    check ((scope = 'selected') = (mapping_ids is not null)),
    check (ended_at is null or listed_at is not null),
    check (cancelled between 0 and listed),
    check ((cancelled = 0) = (cancelled_at is null)),
    check ((cancelled = 0) = (cancelled_from is null)),
    check (paused_for is null or intent = 'pause'),
    check (provider_wait is not null or provider_wait_until is null),
    check ((blocked_by is null) = (blocked_since is null))
);
-- A report has at most one active job, of any type.
create unique index jobs_one_active_per_report on jobs (cycle_id, report_id) where ended_at is null;
-- For the loops of the dispatcher and the auditor, and for the list of jobs.
create index jobs_unfinished on jobs (id) where not published_finished;
create index jobs_unaudited on jobs (id) where audited_at is null;
create index jobs_report on jobs (cycle_id, report_id, id);
create index jobs_cycle on jobs (cycle_id, id);
create index jobs_any_cycle on jobs (report_id, id);
-- For the usage of a report: the other jobs have none.
create index jobs_model on jobs (cycle_id, report_id) where classifier <> 'rules';

create table job_intents (
    job_id       text collate "C" not null references jobs,
    version      bigint not null,
    intent       text not null check (intent in ('run', 'pause', 'cancel')),
    requested_by text not null,
    traceparent  text not null,
    created_at   timestamptz not null,
    created_by   text not null,
    updated_at   timestamptz not null,
    updated_by   text not null,
    primary key (job_id, version)
);

create table idempotency_keys (
    caller       text not null,
    key          text not null,
    request_hash text not null,
    job_id       text collate "C" not null references jobs,
    created_at   timestamptz not null,
    created_by   text not null,
    updated_at   timestamptz not null,
    updated_by   text not null,
    primary key (caller, key)
);

create table job_items (
    job_id        text collate "C" not null references jobs,
    mapping_id    text collate "C" not null,
    -- null if the item is queued
    outcome       text check (outcome in ('succeeded', 'skipped', 'failed', 'cancelled')),
    attempt       integer not null default 0 check (attempt >= 0),
    starts        integer not null default 0 check (starts >= 0),
    -- The earliest time at which the item may be published. It is 'epoch' if the item need not wait, so that such an item does not depend
    -- on a clock.
    due_at        timestamptz not null default 'epoch',
    error_code    text check (error_code in ('confirmed', 'unchanged', 'panic', 'classifier_error', 'poison')),
    error         text,
    -- The lock of another transaction that the item waits for until due_at; null if it waits for no lock.
    waiting_for   text,
    classifier    text,
    input_tokens  bigint not null default 0,
    output_tokens bigint not null default 0,
    cost_usd      numeric(20, 12) not null default 0,
    duration_ms   bigint not null default 0,
    information_security_classification text
        check (information_security_classification in ('HRCI', 'Confidential', 'Proprietary', 'Public')),
    ended_at      timestamptz,
    folded_at     timestamptz,
    created_at    timestamptz not null,
    created_by    text not null,
    updated_at    timestamptz not null,
    updated_by    text not null,
    -- Every update of an item adds an index entry. If the page has no room for it, Postgres searches full pages for duplicates repeatedly,
    -- which doubles the time of an update.
    primary key (job_id, mapping_id) with (fillfactor = 50),
    check ((outcome is null) = (ended_at is null)),
    check (folded_at is null or outcome is not null),
    check (folded_at is not null or outcome <> 'cancelled'),
    check (outcome not in ('failed', 'skipped') or error_code is not null)
) with (fillfactor = 50);
-- The queue of a job: first the items that need not wait, then the others by due time.
create index job_items_queued on job_items (job_id, due_at, mapping_id) where outcome is null;
-- The items that wait for a lock.
create index job_items_waiting on job_items (job_id, mapping_id) where outcome is null and waiting_for is not null;
-- The outcomes that the projector has not folded, by time: folded items leave dead entries at the start of the index.
create index job_items_unfolded on job_items (job_id, ended_at, mapping_id) where outcome is not null and folded_at is null;
-- The items of a job by outcome. A queued item has no entry, so listing the job does not write to this index. Neither has a cancelled one:
-- a cancellation writes many items at once, and they are found by jobs.cancelled_from.
create index job_items_outcome on job_items (job_id, outcome, mapping_id) where outcome <> 'cancelled';
-- The few items that show that their job crashes the process; see schema.Work.
create index job_items_poison on job_items (job_id) where error_code = 'poison' and outcome in ('failed', 'cancelled');

-- The items whose own rows are locked by another transaction and so cannot be written. There is no foreign key to job_items, because its
-- check would wait for that lock. A row is valid while its item is queued. It is deleted when the job ends.
create table job_item_locks (
    job_id      text collate "C" not null,
    mapping_id  text collate "C" not null,
    waiting_for text not null,
    noted_at    timestamptz not null,
    primary key (job_id, mapping_id)
);

-- The calls of a language model. A row is written before the request is sent, so that a call whose reply was lost is known. There is no
-- foreign key to job_items, because its check would wait for a lock on the item.
create table model_calls (
    id                  text collate "C" primary key,
    job_id              text collate "C" not null,
    mapping_id          text collate "C" not null,
    attempt             integer not null check (attempt > 0),
    step                text not null check (step in ('tables', 'answer', 'repair')),
    state               text not null check (state in ('sent', 'answered', 'failed', 'aborted', 'lost')),
    -- The model that was asked for, and the one that the provider names in its reply.
    model               text not null,
    replied_model       text,
    prompt_version      text not null,
    request_sha256      text not null,
    request_bytes       bigint not null,
    input_tokens        bigint not null default 0,
    cached_input_tokens bigint not null default 0,
    output_tokens       bigint not null default 0,
    cost_usd            numeric(20, 12) not null default 0,
    -- The most that the call can cost.
    reserved_usd        numeric(20, 12) not null default 0,
    -- The body of the response.
    reply               text,
    error               text,
    duration_ms         bigint not null default 0,
    created_at          timestamptz not null,
    created_by          text not null,
    updated_at          timestamptz not null,
    updated_by          text not null
);
create index model_calls_item on model_calls (job_id, mapping_id, id);
-- For estimates from the last calls of a model.
create index model_calls_model on model_calls (model, prompt_version, id) where state = 'answered';

-- What a job with a limit of cost has spent, and what its running calls may cost at most: counters, whose sources are the calls.
create table job_costs (
    job_id       text collate "C" primary key,
    spent_usd    numeric(20, 12) not null default 0,
    reserved_usd numeric(20, 12) not null default 0
);

create table job_status (
    job_id              text collate "C" primary key references jobs,
    -- Those of the job, which never change. They are here for the indexes.
    cycle_id            text collate "C" not null,
    report_id           text collate "C" not null,
    status              text not null check (status in ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    progress_percentage integer not null check (progress_percentage between 0 and 100),
    current_step        text not null,
    total_steps         bigint not null,
    completed_steps     bigint not null,
    succeeded           bigint not null default 0 check (succeeded >= 0),
    skipped             bigint not null default 0 check (skipped >= 0),
    failed              bigint not null default 0 check (failed >= 0),
    cancelled           bigint not null default 0 check (cancelled >= 0),
    hrci                bigint not null default 0 check (hrci >= 0),
    confidential        bigint not null default 0 check (confidential >= 0),
    proprietary         bigint not null default 0 check (proprietary >= 0),
    public              bigint not null default 0 check (public >= 0),
    input_tokens        bigint not null default 0,
    output_tokens       bigint not null default 0,
    cost_usd            numeric(24, 12) not null default 0,
    message             text not null,
    waiting_for         text,
    error               text,
    eta_seconds         bigint,
    last_ended_at       timestamptz,
    started_at          timestamptz,
    completed_at        timestamptz,
    -- The version of the jobs row that the status was computed from.
    job_version         bigint not null,
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    updated_by          text not null,
    check (completed_steps = succeeded + skipped + failed + cancelled),
    check (completed_steps <= total_steps),
    check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null))
) with (fillfactor = 50);
-- For the list of jobs. The status of a job changes a few times, and other updates change no index.
create index job_status_status on job_status (status, job_id);
create index job_status_cycle on job_status (cycle_id, status, job_id);
create index job_status_report on job_status (report_id, cycle_id, status, job_id);
create index job_status_any_cycle on job_status (report_id, status, job_id);

-- The jobs that have no row in job_status, because the projector has not written it yet or it was deleted. Triggers maintain the rows, so that
-- neither the projector nor a list of jobs by status has to search all jobs for them.
create table jobs_without_status (
    job_id text collate "C" primary key
);
-- The argument is a query of the jobs to add.
create function jobs_without_status_add() returns trigger language plpgsql as $$
begin
    execute 'insert into jobs_without_status ' || tg_argv[0] || ' on conflict do nothing';
    return null;
end
$$;
create function jobs_without_status_written() returns trigger language plpgsql as $$
begin
    delete from jobs_without_status where job_id = new.job_id;
    return null;
end
$$;
create trigger jobs_without_status_added after insert on jobs referencing new table as added
    for each statement execute function jobs_without_status_add('select id from added');
create trigger jobs_without_status_deleted after delete on job_status referencing old table as deleted
    for each statement execute function jobs_without_status_add('select job_id from deleted');
create trigger jobs_without_status_truncated after truncate on job_status
    for each statement execute function jobs_without_status_add('select id from jobs');
-- For each row, because the projector's statements write hundreds of times and insert once.
create trigger jobs_without_status_written after insert on job_status
    for each row execute function jobs_without_status_written();

create table classification_history (
    id         text collate "C" primary key,
    mapping_id text collate "C" not null,
    -- null if a person made the change
    job_id     text collate "C",
    changed_at timestamptz not null,
    changed_by text not null,
    -- The images of the mapping. If a job made the change, before has only the fields that differ from after. They are json, because the
    -- conversion of jsonb to text and back took a sixth of the time of a job's writes, and nothing searches in them.
    before     json not null,
    after      json not null,
    comment    text,
    created_at timestamptz not null,
    created_by text not null,
    updated_at timestamptz not null,
    updated_by text not null,
    -- The kind of the change; null if a job made it. See schema.HistoryAction.
    action     text check (
        action in ('edited', 'accepted', 'reviewed', 'undone', 'auto_approved', 'imported', 'unmapped', 'carried_over',
            'refreshed')),
    -- The last editor of a mapping in the cycle from which it was carried over; null if only jobs had changed it.
    edited_by  text,
    -- The change that this one has undone.
    undoes     text collate "C",
    -- False until mapping.changed is in the stream. Jobs, imports and removals publish other events.
    published  boolean not null default true,
    -- No foreign keys: a job writes the item and the row in one statement, and "pdeflow check" compares them.
    check ((job_id is null) = (action is not null)),
    check (undoes is null or action = 'undone'),
    check (edited_by is null or action = 'carried_over')
);
create index classification_history_unpublished on classification_history (id) where not published;
create index classification_history_mapping on classification_history (mapping_id, changed_at);
-- A job changes a mapping at most once.
create unique index classification_history_once on classification_history (job_id, mapping_id) where job_id is not null;

-- The mappings that were removed with their attributes. Their history is kept.
create table removed_mappings (
    mapping_id     text collate "C" primary key,
    cycle_id       text collate "C" not null,
    report_id      text collate "C" not null,
    attribute_id   text collate "C" not null,
    attribute_name text not null,
    created_at     timestamptz not null,
    created_by     text not null,
    updated_at     timestamptz not null,
    updated_by     text not null
);

-- Who imported, added or removed attributes, data sources and columns, and the numbers of rows. There are no foreign keys, because the rows
-- are kept when the report or the object is removed.
create table planning_changes (
    id          text collate "C" primary key,
    cycle_id    text collate "C" not null,
    report_id   text collate "C" not null,
    action      text not null check (action in ('imported', 'added', 'removed', 'changed', 'carried_over')),
    object      text not null check (object in ('report', 'attribute', 'data_source', 'column', 'auto_approval')),
    object_id   text collate "C",
    name        text not null check (name <> ''),
    -- The earlier cycle of a carry-over.
    from_cycle_id text collate "C",
    counts      jsonb not null,
    changed_at  timestamptz not null,
    changed_by  text not null,
    -- The time at which the transaction had written everything else.
    finished_at timestamptz not null,
    published   boolean not null default false,
    created_at  timestamptz not null,
    created_by  text not null,
    updated_at  timestamptz not null,
    updated_by  text not null,
    check ((object in ('report', 'auto_approval')) = (object_id is null)),
    check ((action = 'carried_over') = (from_cycle_id is not null))
);
create index planning_changes_unpublished on planning_changes (id) where not published;
-- To find the import that wrote a history row: both have the time of the transaction.
create index planning_changes_time on planning_changes (changed_at);

-- The changes that the auditor has not yet compared with the audit log. Triggers insert them in the transaction of the change, so that the
-- auditor need not search the whole history.
create table unaudited_changes (
    -- The id of a row of classification_history or planning_changes.
    id   text collate "C" primary key,
    kind text not null check (kind in ('mapping', 'planning'))
);
create function unaudited_changes_add() returns trigger language plpgsql as $$
begin
    insert into unaudited_changes (id, kind) values (new.id, tg_argv[0]);
    return null;
end
$$;
create trigger classification_history_unaudited after insert on classification_history
    for each row when (new.job_id is null) execute function unaudited_changes_add('mapping');
create trigger planning_changes_unaudited after insert on planning_changes
    for each row execute function unaudited_changes_add('planning');

-- Every event and the person who caused it, once each. Every row contains the hash of the previous one. There are no foreign keys, because
-- jobs and mappings may be removed, and because a forged event may name ones that never existed.
create table audit_log (
    seq         bigint primary key check (seq > 0),
    -- The ce-id of the event, or unverified/<hash> if no row confirms the event.
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
    -- json, not jsonb, because the hash is over the text as it was written.
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
-- Lists of these columns are in the order of -seq. In the order of seq the server might read the whole log backwards
-- until it has found a page of rows.
create index audit_log_job on audit_log (job_id, (-seq)) where job_id is not null;
create index audit_log_mapping on audit_log (mapping_id, (-seq)) where mapping_id is not null;
-- For lists of what people and services did. Items of jobs are left out, so that a job does not write to the index for
-- each mapping.
create index audit_log_actions on audit_log (seq) where (job_id is null or mapping_id is null);
create index audit_log_type on audit_log (type, (-seq)) where (job_id is null or mapping_id is null);
create index audit_log_report on audit_log (report_id, (-seq)) where (job_id is null or mapping_id is null);
-- What jobs did is found by audit_log_job.
create index audit_log_actor on audit_log (actor, (-seq)) where actor not like 'job:%';
create index audit_log_unverified on audit_log (seq) where not verified;
-- For verify: the changes that belong to no job.
create index classification_history_people on classification_history (id) where job_id is null;

create function audit_log_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'audit_log is append-only: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;
-- For each statement, so that a statement that affects no row is refused too.
create trigger audit_log_append_only before update or delete or truncate on audit_log
    for each statement execute function audit_log_refuse();
-- Also in sessions with session_replication_role = replica.
alter table audit_log enable always trigger audit_log_append_only;

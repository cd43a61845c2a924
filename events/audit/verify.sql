-- Verifies the chain of pdeflow's audit log without pdeflow: psql "$DATABASE_URL" -f verify.sql
-- It lists each row that was changed, does not follow from the row before it, or has no row before it although it should. If it lists
-- none, the chain is intact. doc.go explains what a chain cannot show.
--
-- The hash of a row is the SHA-256 of its columns as netstrings, one after the other: the length of the column's text in bytes, a colon,
-- the text in UTF-8, a comma. Null counts as the empty text, times are in UTC with six digits of the second, and data is the stored text.
with links as (
    select l.*, lag(seq, 1, 0::bigint) over w as seq_before, lag(hash, 1, repeat('0', 64)) over w as hash_before
    from audit_log l
    window w as (order by seq)
), columns as (
    select seq, hash, prev_hash, seq_before, hash_before, place, coalesce(value, '') as value
    from links, unnest(array[
        seq::text, event_id, to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), source, type, subject, actor,
        cycle_id, report_id, job_id, mapping_id, data::text, origin, verified::text, traceparent,
        to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), created_by,
        to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), updated_by, prev_hash
    ]) with ordinality as c (value, place)
), sums as (
    select seq, hash, prev_hash, seq_before, hash_before, encode(sha256(convert_to(
        string_agg(octet_length(convert_to(value, 'UTF8')) || ':' || value || ',', '' order by place), 'UTF8')), 'hex') as sum
    from columns
    group by seq, hash, prev_hash, seq_before, hash_before
)
select seq, sum = hash as as_written, prev_hash = hash_before as follows, seq = seq_before + 1 as complete
from sums
where sum <> hash or prev_hash <> hash_before or seq <> seq_before + 1
order by seq;

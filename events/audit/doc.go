// Package audit is the audit log: what happened and who did it, each once, in a chain of hashes.
//
// [Append] adds entries to the chain and [List] reads it. A [Fact] is an event that rows of the database prove,
// rebuilt from them; [ListFacts] reads the facts of the events that a [Query] names. [ListUnauditedJobs],
// [ListMissingFacts] and [ListUnauditedChanges] find what the log lacks. [Verify] verifies all of it. The service
// auditor decides when to call them.
//
//  1. The format of an event belongs to package events. SQL returns columns; Go builds the event from them with
//     the constructors of events and encodes it with [events.EncodeBody], as a publisher does. The body in the
//     log therefore has the bytes of the published one, followed in the same object by the details that only the
//     rows have: scope, retry_error_code and force of a request, tier and history of an item. Verification
//     rebuilds the body from the rows and compares bytes.
//  2. The status in job.finished is computed by schema from the job and all of its items, and never read from
//     job_status, which may be deleted and rebuilt. updated_at, which a rebuild changes, is the time at which the
//     job ended. The sentences current_step, message and error follow from the numbers. Verification takes their
//     wording from the log, because another version of pdeflow may word them differently.
//  3. An item's entry has the id and the digest of its row in the history, which ties the history to the chain
//     without a copy: the SHA-256 of changed_at (written as below), changed_by, before and after (as they
//     are stored) and the comment, if there is one, with line feeds between them. Changes by people, which are
//     few, are in the log in full.
//  4. Rows are ordered by when the auditor learned of the events, which is recorded_at. occurred_at is when they
//     happened.
//  5. Changes that belong to no job are queued in unaudited_changes, by triggers, in the transaction of the
//     change: the history only grows, and searching it for what the log lacks would take longer with every
//     import. Imports, carry-overs, and attributes, data sources and columns that are added or removed, have a
//     row each in planning_changes and in the log. An import is complete when it commits, minutes after the time
//     in its rows, so the time until it must be in the log counts from planning_changes.finished_at.
//  6. A job that has ended is late for its audit if for a minute the auditor has neither appended a row of it or
//     of an earlier job, nor audited an earlier job. The auditor takes ended jobs in their order, and one with a
//     million cancelled items keeps it busy for more than a minute. Counted from the end of each job, the later
//     ones would be reported although nothing is wrong.
//
// # The chain
//
// seq counts from 1 without a gap, prev_hash is the hash of the row before (64 zeros in the first), and hash is
// the SHA-256, in lower case hexadecimal, of all other columns as netstrings, one after the other, in this order:
//
//	seq, event_id, recorded_at, occurred_at, source, type, subject, actor, cycle_id, report_id, job_id,
//	mapping_id, data, origin,
//	verified, traceparent, created_at, created_by, updated_at, updated_by, prev_hash
//
// A netstring is the length of the text in bytes, in decimal, a colon, the text in UTF-8, and a comma: the seventh
// row begins with "1:7,". Null and the empty text are both "0:,". Numbers are in decimal, booleans are true or
// false, times are in UTC with six digits of the second (2026-11-24T09:30:15.250000Z). data has the type json,
// which PostgreSQL stores byte for byte, and its text is hashed. verify.sql, next to this file, verifies the chain
// in one query that needs nothing of pdeflow.
//
// # What the chain proves
//
// The chain shows that a row was changed, removed or inserted, unless all later hashes were computed again. A
// trigger refuses changes, but the owner of the table can drop it, and anyone who can write can compute hashes.
// [Verify] therefore also compares the log with jobs, intents, items and history. This shows a removed end, a row
// that was changed and chained again, and a job whose rows were changed or removed. It does not show three things.
// First, a change of log and rows alike with all later hashes computed again: this is only found by comparison
// with an earlier [Head], which the auditor logs with each audited job (audit_seq, audit_hash) and [Verify]
// returns, to be kept where others cannot write. Second, a claim (decision 3 of package auditor) that was removed
// from the end, because no row proves it. Third, facts of a job that is not audited yet: they may still be
// missing.
package audit

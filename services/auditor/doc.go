// Package auditor keeps the audit log: what happened and who asked for it, each once, in a chain of hashes.
//
//  1. The rows are the truth, and anyone may publish. So an event only says where to look. What is appended is what the rows say of it,
//     under the id that follows from what happened: item/<job>/<mapping>, paused/<job>/<intent version>. An event that comes twice, or
//     that is forged and true, yields the same single row. One that says what the rows do not (an outcome that is not so, another
//     person's name, a job that is not there) is appended as unverified/<hash of the message>.
//  2. The stream may forget. When a job has ended, its rows are compared with the log, counts first, and what no event brought is
//     appended with the origin "rows"; then the job is marked as audited. Items that a cancellation ended have no event of their own and
//     always come this way, and so do the changes of an import. Events get their chance before: until the consumer has nothing waiting,
//     or, where it always has, for as long as [Options.Patience], after the job's end and after the start of this process.
//  3. What is no thing of record has no verified row. A bell did not happen and is not logged. A waiting event tells of a state that the
//     row forgets, and a rejected message never had a row: both are logged under their own ids, as claims (verified is false), a waiting
//     event only of a job that exists.
//  4. Of what somebody merely claims the log holds the subject, the id, the reason, and size and digest of the body, never the body or
//     an error that quotes it: anyone may have written anything there, personal data included. Whoever has the message can show that it
//     is the one.
//  5. The log is in the order in which the auditor learned of things, which is recorded_at; occurred_at is when they happened.
//  6. An item's row holds the id and the digest of its history row, which ties the history to the chain without writing it twice: the
//     SHA-256 of changed_at (as below), changed_by, before and after (as PostgreSQL writes jsonb) and the comment if there is one, with
//     a line feed between them. People's changes, which are few, are there in full.
//  7. The chain grows behind an advisory lock, a batch a transaction, so any number of auditors may run. Facts are read before the lock
//     is taken: they are final, and what the log has already is only known behind it.
//  8. A consumer that has to be made anew begins a minute before the last thing that an event brought happened. When it happened and not
//     when it was recorded, because a backlog may lie between; a minute, because two clocks are involved.
//  9. Changes that belong to no job wait in a queue (unaudited_changes), which triggers fill in the transaction of the change: the
//     history only grows, and searching or counting it for what the log lacks would take longer with every import. Imports, and
//     attributes, data sources and columns that are added or removed, have a row each in planning_changes and an audit row under
//     planning/<change>: who, when, what, and how many rows that wrote. An import is complete when it commits, minutes after the time in
//     its rows, so the time until it must be in the log counts from planning_changes.finished_at.
//  10. A job that has ended is late for its audit when the auditor has neither appended a row of it, or of a job before it, nor audited a
//     job before it, for a minute. The auditor takes ended jobs in their order, and one of a million cancelled items keeps it busy for
//     more than a minute; counted from the end of each job, the ones after it would be reported although nothing is wrong.
//
// # The chain
//
// seq counts from 1 without a gap, prev_hash is the hash of the row before (64 zeros in the first), and hash is the SHA-256, in lower
// case hexadecimal, of all other columns as netstrings, one behind the other, in this order:
//
//	seq, event_id, recorded_at, occurred_at, source, type, subject, actor, cycle_id, report_id, job_id, mapping_id, data, origin,
//	verified, traceparent, created_at, created_by, updated_at, updated_by, prev_hash
//
// A netstring is the length of the text in bytes, in decimal, a colon, the text in UTF-8, and a comma; "1:7," is how the seventh row begins.
// Null and the empty text are both "0:,". Numbers are in decimal, truth values true or false, times in UTC with six digits of the second
// (2026-11-24T09:30:15.250000Z). data is of type json, which PostgreSQL keeps as it was written, white space included, and its text is
// what counts. verify.sql, beside this file, does it all in one query that needs nothing of pdeflow.
//
// # What it proves
//
// The chain shows that a row was changed, removed or put in, as long as not everything behind it was computed anew. A trigger refuses
// changes, but whoever owns the table can drop that, and whoever can write can compute hashes. Therefore [audit.Verify] also holds
// the log against jobs, intents, items and history: a tail that was cut off, a row that was changed and chained again, and a job whose
// rows were changed or removed show there. Three things remain. Who changes log and rows alike and computes everything behind it anew is
// only found by somebody who knows an earlier end of the log: it is logged with each audited job (audit_seq, audit_hash) and returned
// by [audit.Verify], to be kept where others cannot write. A claim (3, 4) that was at the end and cut off leaves no trace, because
// no row knew of it. And what the rows say of a job that is not audited yet is not missed in the log until it is.
package auditor

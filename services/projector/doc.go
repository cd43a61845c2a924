// Package projector folds job.progress events into the job_status table.
//
//  1. An event says where to look, the row decides. What is counted is the items that have an outcome and are not marked as counted yet,
//     marked and added in one transaction that holds the lock of the job's status; so an event that comes twice, late or forged adds
//     nothing, and any number of projectors may run.
//  2. A job is written as running in a transaction of its own before anything of it counts, so that its start can be seen.
//  3. On listed, cancelled and a bell the projector also sweeps what no event named, in pages. Events may therefore be lost: the
//     dispatcher rings the bell of a job whose status lags its rows.
//  4. The final status frees the report for its next job in the same transaction. Then job.finished is published and remembered, and only
//     then is the last event acknowledged; a projector that dies in between is followed by a bell.
package projector

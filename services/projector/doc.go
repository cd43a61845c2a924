// Package projector folds job.progress events into the job_status table.
//
//  1. An event says where to look, the row decides. What is counted is the items that have an outcome and are not marked as counted yet,
//     marked and added in one transaction that holds the lock of the job's status; so an event that comes twice, late or forged adds
//     nothing, and any number of projectors may run.
//  2. A job is written as running in a transaction of its own before anything of it counts, so that its start can be seen, and so is one
//     that was paused before it started.
//  3. On listed, cancelled and a bell the projector also sweeps what no event named. Events may therefore be lost: the dispatcher rings
//     the bell of a job whose status lags its rows. A sweep counts one page and asks for the next one with a bell of its own, which comes
//     behind what was said meanwhile, so that a job of a million does not keep the others waiting.
//  4. The final status frees the report for its next job in the same transaction. Then job.finished is published and remembered, and only
//     then is the last event acknowledged; a projector that dies in between is followed by a bell. It is the last that is said of a job:
//     where the dispatcher still owes a word, such as that the list is complete, it waits for the bell as well.
//     What the projector has seen in the stream counts as published even if the dispatcher has not marked it in the row yet.
//  5. When what a job waits for changes, that is said behind the commit, and remembered: until then the job lags, and a bell follows.
//  6. An error that belongs to one job is logged, and its events are acknowledged: they would only bring the error back, and every bell is
//     another try. Any error belongs to a job in which it has occurred five times in a row. Before that, at most a hundred events of the
//     job in a batch are delivered again, so that one job never fills the consumer's MaxAckPending; the next look sweeps what the others
//     named.
//  7. The status follows the rows without any message: every 2 s the projector itself looks for jobs whose status lags and folds them. So
//     the status is right while NATS is away, or refuses the very events that would report the outcomes. While events come, a job must
//     have lagged for two looks, since the status of every busy job lags for a moment.
//  8. A row of job_status that is missing is written again, in pages over all jobs, also for a job that has ended. Until then readers
//     compute the status from the items that are marked as folded.
package projector

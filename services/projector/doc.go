// Package projector folds job.progress events into the job_status table.
//
//  1. An event only names the rows to read. The projector counts the items that have an outcome and are not marked as
//     folded. It marks them and adds their outcomes in one transaction that holds the lock on the job's status. So an
//     event that arrives twice, late or forged adds nothing, and any number of projectors can run. Cancelled items are
//     the exception: the dispatcher counts them in the job's row, and the projector copies that number.
//  2. The projector writes that a job is running in a transaction of its own before it counts any item of it, so that
//     clients can see the start. That also holds for a job that was paused before it started.
//  3. On listed, cancelled and a bell the projector also sweeps the items that no event named. So events may be lost:
//     the dispatcher publishes a bell for each job whose status lags its rows. A sweep counts one page and requests the
//     next one with a bell of its own. That bell queues up after the events of other jobs, so that a job of a million
//     items does not keep them waiting.
//  4. The final status frees the report for its next job in the same transaction. After the commit the projector
//     publishes job.finished, records that in the job's row, and only then acknowledges the last event. If it dies in
//     between, a bell follows. job.finished is the last event of a job: if the dispatcher has not published all others,
//     such as listed, the projector waits for the next bell. An event that the projector has seen in the stream counts
//     as published even if the dispatcher has not recorded that in the row yet.
//  5. When the reason why a job waits changes, the projector publishes the new reason after the commit and records it.
//     Until then the job lags, and a bell follows.
//  6. An error that belongs to one job is logged, and its events are acknowledged, because a redelivery would only
//     repeat the error, and each bell is another attempt. Any error belongs to a job after five errors of that job in a
//     row. Before that, at most a hundred events of the job in a batch are delivered again, so that one job never fills
//     the consumer's MaxAckPending. The next fold then sweeps the items of the others.
//  7. The status follows the rows without any message: every 2 s the projector looks for jobs whose status lags, and
//     folds them. So the status is correct while NATS is down, or rejects the events that would report the outcomes.
//     While events arrive, a job must have lagged twice in a row, since the status of every busy job lags briefly.
//  8. A missing row of job_status is written again, also for a job that has ended. Triggers list the jobs without a
//     row in jobs_without_status. Until it is written, readers compute the status from the items that are marked as
//     folded.
package projector

// Package auditor is the service that keeps the audit log, which is package audit. It records the events of the
// stream, and completes the log from the rows.
//
//  1. The rows are the truth, and anyone may publish. An event therefore only names the rows to read. The log
//     records what these rows prove, under the id that follows from what happened, such as item/<job>/<mapping>.
//     An event that is delivered twice, or is forged and true, yields the same single row. An event that the rows
//     do not confirm (another outcome, another person's name, a job that does not exist) is recorded as
//     unverified/<digest of the message>.
//  2. The stream may lose events. When a job has ended, its rows are compared with the log, counts first, and
//     facts that no event has reported are appended with the origin "rows"; then the job is marked as audited.
//     Items that were cancelled have no event of their own and are always appended this way, and so are the
//     changes of an import. Before that the events get their chance: until the consumer has caught up, or, if it
//     never does, for [Options.Patience] after the end of the job and the start of this process.
//  3. Some events have no row that could verify them. A bell is not recorded, because nothing happened. A waiting
//     event reports a state that the row does not keep, and a rejected message never had a row: both are recorded
//     under their own ids as claims, which are not verified, a waiting event only if its job exists.
//  4. Of a claim the log keeps the subject, the id, the reason, and the size and the digest of the body, but
//     neither the body nor an error that quotes it: anyone may have written anything there, including personal
//     data. The digest identifies the message to those who have it.
//  5. A consumer that has to be created again starts a minute before the last recorded event happened. The time
//     at which it was recorded would be too late after a backlog, and the minute allows for two clocks.
//  6. Any number of auditors may run, because appending takes an advisory lock, for one transaction per batch.
//     Facts are read before the lock is taken, because they are final. What the log already has is only known
//     under the lock.
package auditor

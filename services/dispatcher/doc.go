// Package dispatcher is a reconciliation loop: it compares the jobs and their items in Postgres with the messages in
// the streams, and repairs the difference.
//
//  1. One turn of the loop starts jobs, publishes their unpublished events, writes work lists, cancels items,
//     publishes the due items, and publishes bells for jobs whose status lags their rows. The same code starts jobs,
//     recovers from a crash or an outage, resumes jobs after a pause and repairs a deleted stream.
//  2. The work stream rejects a message whose mapping has one outstanding. So publishing again is always safe, and
//     the loop need not know which messages are outstanding. It remembers recent publishes and rejections as hints
//     for a short while, only to publish less.
//  3. A dispatcher locks a job for one turn with an advisory lock, so any number of dispatchers can run without a
//     leader. The transaction that holds the lock does nothing else. The turn commits each step before it publishes
//     it.
//  4. Each job gets a share of its lane's window, so that a job of a million items does not starve a job of ten.
//  5. The loop publishes a bell for a job only if no event waits for the projector, and if the job's status lagged at
//     the previous check as well. Otherwise the repair would add to the backlog that it waits for. Unacknowledged
//     events do not count: while any job is busy there always are some. Checks are an interval apart, however fast
//     the turns are, and bells of the same job too. A bell also follows each page of cancelled items, which have no
//     other event.
//  6. The events of a job are published in the order in which they happened, and the projector publishes job.finished
//     after all others. So an ended job gets turns until then.
//  7. The due time of an item that waits for nothing is the Unix epoch, so that no clock decides when it is
//     published. A due time more than [schema.LongestWait] ahead of the database clock was written before that clock
//     stepped back, and counts as passed.
//  8. One statement finds the jobs that need a turn, and one their due items. A turn for each of a thousand waiting
//     jobs would use a CPU core. For each job the loop remembers, for a minute, a mapping before which no item is
//     queued: the index entries of finished items remain while an older snapshot exists, and reading them in every
//     turn halved the throughput.
//  9. The dispatcher stores the reason why a job is blocked in jobs.blocked_by: NATS rejects messages, no classifier
//     takes work, or messages are not delivered. It clears the reason in the next turn that succeeds. The status
//     shows the reason. It is written only when it changes. A dispatcher that has not run long enough to know keeps
//     the stored reason.
//  10. A full stream does not block a job that has messages in it: there will be space when those are acknowledged.
//  11. The state of a lane's consumer shows whether a classifier is alive: it has an open pull request, or messages
//     are delivered or acknowledged. A classifier acknowledges a message only after it has published its event. So if
//     no message is acknowledged for a while, the loop publishes a bell to find out whether NATS accepts events.
//  12. A message in PDE_WORK that is never delivered would block its item forever, because the stream rejects another
//     one. If the consumer has neither pending nor unacknowledged messages, and publishing the item has been rejected
//     for several AckWaits, the loop deletes the message and publishes it again. It recreates a consumer that is
//     ahead of its stream, because that consumer would skip the new message too. A lane that other jobs keep busy
//     hides a single such message, so the loop also watches the server's advisories: a message over the delivery
//     limit of its consumer is deleted and published again at once. An advisory may be lost, the check may not.
//  13. A row that a user has locked ends the turn of its job after 200 ms, and not the turns of other jobs. The lock
//     is recorded as the reason why the job is blocked. Cancelling skips locked items and cancels them after the lock
//     ends.
//  14. The loop also publishes planning.changed and mapping.changed: the api records in the row of the change that
//     the event is not published, as it records an intent, and the loop compares. So there is one publisher, whether
//     NATS was away or a review has changed thousands of mappings, and a request never waits for NATS.
package dispatcher

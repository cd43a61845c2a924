// Package dispatcher is the control loop between what is asked for and what is done: it compares the jobs and their items in Postgres
// with what the streams hold, and repairs the difference.
//
//  1. One turn of the loop starts jobs, announces what was not announced, writes work lists, cancels what is to be cancelled, sends what
//     is queued and due, and rings the bell of jobs whose status lags their rows. The same turn is the start-up path, the recovery after
//     a crash or an outage, the resumption after a pause and the repair of a deleted stream: there is no other code for any of these.
//  2. The work stream refuses a message whose mapping has one outstanding, so sending again is always safe, and the loop does not need
//     to know what is outstanding. What it has just sent or had refused it remembers for a short while as a hint, only to publish less.
//  3. A job is taken for one turn by an advisory lock, so any number of dispatchers may run without a leader. Its lock is held by a
//     transaction that does nothing else: what the turn writes is committed step by step, and published behind its commit.
//  4. The window of each job is a share of its lane's, so that a job of a million does not starve a job of ten.
//  5. The bell only rings while nothing waits for the projector and only for a job that lagged at the look before as well, since otherwise
//     the repair would feed the backlog that it is waiting for. What the projector has in hand does not count: it always has something
//     while any job is busy, and the bells of all others would be silent. Looks are an interval apart however fast turns follow each
//     other, and a bell is rung again only after a pause. A page of cancelled items, of which nobody else tells, is followed by a bell.
//  6. What is said of a job is said in the order in which it happened, and the projector says that it has finished only after all of it.
//     So a job that has ended gets its turns until that is said.
//  7. An item that waits for nothing has the Unix epoch as its due time, so no clock decides when it is published. A due time more than
//     [schema.LongestWait] ahead of the database's clock was written before that clock stepped back, and counts as passed.
//  7. One statement finds the jobs that have something to do, and one their due items, however many jobs wait: a turn per job would cost a
//     core for a thousand jobs that only wait. For each job the loop remembers the mapping before which nothing is queued, for a minute,
//     because the index entries of finished items remain while any transaction is older than they are, and reading them again at every
//     turn halved the pipeline.
//  8. Why a job cannot move is state: the dispatcher records in jobs.blocked_by that NATS refuses messages and why, that no classifier takes
//     work, or that messages are not delivered, and clears it at the next turn that works. The status shows it. It is written only when it
//     changes. A dispatcher that has not looked for long enough to tell leaves the recorded reason.
//  9. A stream that refuses more work while it holds messages of the job itself blocks nothing: there is room when they leave it.
//  10. Whether classifiers live follows from their consumer: an open request, a delivery, an acknowledgement or a sign of life. Classifiers
//     acknowledge work only after its event, so if nothing is acknowledged for a while the loop publishes a bell, to find out whether NATS
//     takes events.
//  11. A message that is in PDE_WORK and not delivered would block its item for ever, since publishing again is refused. When the consumer
//     has nothing to deliver and nothing delivered, and the item has been refused for several AckWaits, the message is deleted and
//     published again. A consumer that is ahead of its stream, which would skip that one too, is made anew.
//  12. A row that a user has locked ends the turn of its job after 200 ms, and not the turns of the others: the wait for it is recorded as
//     why the job is blocked. Locked items are left out of a page that is cancelled, and follow when their lock is gone.
package dispatcher

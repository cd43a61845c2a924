// Package classifier does the work of one mapping: it takes a message, judges the mapping that the message names, saves everything it
// found out in one transaction, says so, and only then acknowledges.
//
//  1. No transaction is open while a mapping is judged: judging may take seconds, and a connection and its locks are not held for that.
//     The rows are read before, and every write is guarded by the version that was read. Where the row has changed meanwhile, everything
//     is read and judged again; so there is no stale object that could be saved.
//  2. What is saved is whole: the mapping's fields, the item's outcome and the history row are one statement in a fresh transaction.
//  3. An error that counts is state. It is written into the item with the attempt and a due time, the message is acknowledged, and the
//     dispatcher publishes it again when it is due; after five attempts the item has failed. A panic counts wherever judging breaks, and so
//     does what the database refuses and what cannot be read. A database or a stream that is away counts nothing: the message stays, and
//     is delivered again.
//  4. Redelivery proves nothing, since restarts and outages redeliver too. From the third delivery on, the start of judging is marked in the
//     item's row and cleared before the result is saved, so a mark that stays is evidence that a process died while it judged the item.
//     Waiting for a lock or for the database is never under the mark. Only an item with such evidence is a suspect: one suspect is judged
//     at a time, so that it is not blamed on others, and five marks make it poison. Suspects wait for their turn in the stream. When three
//     items of a job are poison and none has succeeded, the cause is the job, and its other items fail without a try.
//  5. A lock that another transaction holds is waited for by the item and not by its worker: each statement waits 200 ms, then the item is due
//     again some seconds later, with the lock and its holder in its row, which the status shows when all that is left waits. It counts no
//     attempt. If the item's own row is locked, nothing can be written there; its message waits in the stream, and the lock is noted in
//     job_item_locks. Locks on whole tables are waited for: they hold up every item alike.
//  6. A message is acknowledged without work when its item is not queued any more, when its job is paused or cancelled, and when the item
//     is not due. The item's row is all that counts; the dispatcher sends what is still to be done. What the row has to tell is said again,
//     because it may not have been heard: an outcome, or until when the item waits.
//  7. A review stands while the decision stands: the column, how it feeds the attribute, and the five answers. How sure the classifier is
//     of it, and in which words it says why, may change beside it. What a person has said is never changed, and what another job has
//     suggested about the column is left alone by a job that only classifies.
package classifier

// Package classifier does the work of one mapping: it takes a message, judges the mapping that the message names, saves everything it
// found out in one transaction, says so, and only then acknowledges.
//
//  1. No transaction is open while a mapping is judged: judging may take seconds, and a connection and its locks are not held for that.
//     The rows are read before, and every write is guarded by the version that was read. Where the row has changed meanwhile, everything
//     is read and judged again; so there is no stale object that could be saved.
//  2. What is saved is whole: the mapping's fields, the item's outcome and the history row are one statement in a fresh transaction.
//  3. An error that counts is state. It is written into the item with the attempt and a due time, the message is acknowledged, and the
//     dispatcher sends it again when it is due; after five attempts the item has failed. A panic counts wherever judging breaks, and so
//     does what the database refuses. A database or a stream that is away counts nothing: the message stays, and comes again.
//  4. Redelivery proves nothing, since restarts and outages redeliver too. From the third delivery on the start is marked in the item's
//     row before the work begins, and such items are worked on one at a time: a mapping that ends its process five times is poison, and
//     the innocent ones beside it are not blamed. Whoever outlives a start takes it back, so that only the starts of dead processes count.
//  5. A message is acknowledged without work when its item is not queued any more, when its job is paused or cancelled, and when the item
//     is not due. The item's row is all that counts; the dispatcher sends what is still to be done. What the row has to tell is said again,
//     because it may not have been heard: an outcome, or until when the item waits.
//  6. A review stands while the decision stands: the column, how it feeds the attribute, and the five answers. How sure the classifier is
//     of it, and in which words it says why, may change beside it. What a person has said is never changed, and what another job has
//     suggested about the column is left alone by a job that only classifies.
package classifier

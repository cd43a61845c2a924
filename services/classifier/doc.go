// Package classifier processes one mapping per work message: it ranks the columns of the report, classifies the
// mapping, saves the result and publishes it.
//
// # The way of one mapping
//
// A reader who follows a mapping opens mapping.go and then the files of the judgement, in this order:
//
//	mapping.go            handle    one work message
//	                      take      read the rows, gate, attempt; start again if a row has changed
//	                      gate      decide whether the item is judged now
//	                      attempt   judge, then save and publish the result, or count the error
//	                      judge     get the candidates of the job and evaluate; a panic becomes an error
//	evaluate.go           evaluate  choose a column and classify; a pure function
//	transformation.go     choose    rank the columns, follow people's decisions, and describe how the value follows
//	evaluate_model.go     evaluateWithModel  the same with a language model, for jobs of the llm lane
//	tables.go             ask  the question for tables, if the ranking is unsure, and then that for the column
//	opinion.go            the model's answer and the rules' become one result
//	call.go               send      one call: it waits for its turn, and is recorded before and after
//	columns/rank.go       Rank      the best column, its confidence, and the alternatives, by four steps:
//	columns/read.go       read      the attribute into a request
//	columns/shortlist.go  shortlist the promising columns
//	columns/score.go      score     each of them against the request
//	columns/explain.go    explain   the result in a rationale
//	rules/engine.go       Classify  the attribute and the column that feeds it, each by four steps:
//	rules/judge.go        match     compare the rules with what package rules/reading has read
//	rules/answer.go       decide    take the values of the best rule and count the confidence
//	rules/rationale.go    rationale write the reasons
//	mapping.go            save      write mapping, item and history in one transaction
//	                      publish   the progress event
//
// What a call looks up is not part of the way: the candidates of a job (candidates.go reads them once, cache.go keeps
// them), words, concepts and data types (packages words, columns/concepts and datatype), and the policy (package
// rules/policy).
//
// failure.go decides whether an item is retried, has failed or waits for a lock. suspect.go handles items that may
// have crashed a process. The confidence of a classification is counted in rules/answer.go, that of a column in
// columns/rank.go with the coefficients of columns/calibration.csv.
//
// # Decisions
//
//  1. No transaction is open while a mapping is judged, because a judgement may take seconds. The rows are read
//     before, and every write is guarded by the version that was read. If a row has changed, everything is read,
//     gated and judged again.
//  2. A result is saved completely or not at all: the mapping's fields, the item's outcome and the history row are
//     one statement in a fresh transaction.
//  3. An error that counts is state. The item's row records the attempt and a due time, the message is acknowledged,
//     and the dispatcher publishes it again when it is due. After five attempts the item has failed. Panics count,
//     and so do values that the database refuses and rows that cannot be read. An unreachable database or stream does
//     not count: the message stays and is delivered again.
//  4. Redelivery proves nothing, because restarts and outages cause it too. From the third delivery on, a start is
//     marked in the item's row during the judgement and cleared before the save. A mark that remains is evidence that
//     a process died while it judged the item. Such an item is a suspect. One suspect is judged at a time; the others
//     wait in the stream. An item with five marks is poison. If three items of a job are poison and none has
//     succeeded, the cause is the job, and its other items fail without an attempt.
//  5. If another transaction holds a lock, the item waits and not the worker. Each statement waits 200 ms. Then the
//     item is due again some seconds later, and its row names the lock and the holder, which the job's status shows
//     if all remaining items wait. No attempt is counted. If the item's own row is locked, the message waits in the
//     stream and the lock is recorded in job_item_locks. A lock on a whole table is waited for, because it blocks all
//     items alike.
//     Similarly, while one worker reads the candidates of a large job, its other items wait in the stream (cache.go).
//  6. A message is acknowledged without work if its item has an outcome, if the job is paused or cancelled, or if the
//     item is not due. Only the item's row counts; the dispatcher publishes what remains to be done. An outcome or a
//     bell is published again, because the first event may have been lost.
//  7. A review remains valid as long as the decision is the same: the column, how it feeds the attribute, and the
//     five classification fields. Confidences and rationales may change. What a person has confirmed is never
//     changed. A job that only classifies keeps the column that another job has suggested.
//  8. A result depends on the attribute, the ranking of the columns, the chosen column, the name of the filing, the
//     policy and what a person has confirmed. Their digest is saved with the result. If it is the same in the next
//     job, the mapping is skipped as unchanged and not written. The ranking is part of the digest, and not the set of
//     columns, so that a new column elsewhere changes nothing. A new version of the program is no reason to classify
//     again; force is for that. [EstimateJob] plans as a job would, for dry runs.
//  9. What people have confirmed on other reports is evidence: for a column by the name of the
//     attribute, for a class by the column. It never changes a class and never replaces a column of a sure ranking. If
//     it differs, the confidence of the column is 80 and that of the class at most 60, so that a person compares them.
//  10. Jobs of the llm lane have a consumer and workers of their own, so that slow calls never delay the rules lane.
//     The rules propose first; package llm asks the model, and the agreement of both is the confidence. Package
//     throttle gives the calls their turns. A provider that is unavailable counts against no item: the lane pauses,
//     the job's status shows why and until when, and the messages wait in the stream. If a mapping's calls fail
//     again and again while others succeed, that counts. A mapping takes one call, or two if the ranking is unsure:
//     the model then names tables first (tables.go). intent.go ends waits when a job is paused, and also calls
//     when it is cancelled.
//  11. A call is recorded before it is sent, with the most that it can cost, and so shortly before its turn that only a
//     few records wait for one: a turn is never spent on the database. A record without an end shows that a
//     process died, and the next call for the item counts it as lost. If the job has a limit of cost, the record
//     reserves the cost, and a call that could exceed the limit pauses the job instead. If a result could not be saved
//     after the reply was recorded, the stored reply is used when the item is judged again.
package classifier

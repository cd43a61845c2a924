// Package schema is the stored state: the rows, the typed values in them with their transitions, and all SQL.
// There is one file per noun, and the file of a larger one is split by activity: job, intent, classifier (kinds and
// lanes), idempotency; item with item_queue, item_fold and item_lock; status with status_store, status_read and
// status_lag; mapping with mapping_save, history, work (one mapping of a job), decision (one by a person) with
// decision_edit, decision_column, decision_finder and decision_bulk (many at once); report, attribute, source with
// its refresh and summary, planning; import, remove; carry and compare, with pair; check and stuck. Get reads one row
// or returns [ErrNotFound], List reads many rows; functions that write one row begin with Insert, Update, Delete or
// Mark. Other functions that write are named for their step, such as [SaveWork], [FailItem], [CancelItems],
// [FoldItems] and [RebuildStatus]. [GetStatus] computes a status that is not stored.
//
// It is the vocabulary of the project and imports no other package of it. SQL is in plain functions over [bun.IDB]
// that are named for the question they answer; the caller owns the transaction.
//
//  1. No time in a row comes from a Go clock. A transaction reads clock_timestamp() once, after it has locked the
//     row that it writes. Read before, the time could be older than one that the previous holder of the lock has
//     written, and updated_at would go backwards.
//  2. Queries built by bun use the simple protocol, with the arguments in the text. The statements that run for
//     every mapping, [GetWork] and [SaveWork], and those that write thousands of rows go directly to the driver,
//     which prepares each once per connection. A tracer of the driver sees all of them.
//  3. A row of the work list is written by its key, with a condition that the planner cannot match with the index
//     of all queued items. In tables without statistics the planner would choose that index, and the cost of
//     every mapping would grow with the length of the job.
//  4. job_status is a function of the rows. Every write of the job's row that changes its status increments
//     jobs.version, and job_status.job_version is the version from which it was computed. Outcomes of items do
//     not increment it: one without folded_at is not counted yet. A job ends only in the version that was read,
//     so that an intent recorded in the meantime is not lost. Triggers list the jobs that have no row in
//     job_status in jobs_without_status, so that nothing searches all jobs for them. It has the cycle and report
//     of its job, so that one index has the jobs of a status in a cycle or report.
//  5. Migrations are applied and recorded in one transaction, under an advisory lock. A released migration is
//     never edited.
//  6. A session does not depend on the defaults of its server, database or role. It sets its isolation level,
//     time zone and formats by a statement after it has connected, because PgBouncer refuses most of them in the
//     startup message. The search path is the operator's. A pooler must keep one server connection per client,
//     for prepared statements and these settings; [Open] refuses any other mode.
//  7. No statement has a time limit: a slow statement may continue as long as its connection is alive. A
//     connection ends when its peer has been silent for 20 seconds (keepalive and, on Linux, TCP_USER_TIMEOUT). A
//     proxy can acknowledge packets and lose their contents, which the kernel cannot detect. After ten seconds
//     without an answer, the server is therefore asked on another connection whether it still executes the
//     statement.
//  8. [Check] and the verification of the audit log read keyset pages, each in a statement of its own, and send
//     no statement per job. A snapshot that lives as long as the whole check keeps vacuum from removing dead
//     index entries, which slows down the queries of the dispatcher more with every minute. Rows that have to
//     agree are read by one statement, which also computes their ages with now(), so that a row and its age use
//     one clock.
//  9. A database may become read-only while connections to it persist. The first refused write renews the whole
//     pool, so that the services follow a failover, and [DB.Writable] returns the reason for the status of jobs
//     and /readyz. If the URL has several hosts, only one that accepts writes is used.
//  10. Removing an attribute, a column, a data source or a report deletes its rows, so that no list, count, job or
//     suggestion has to exclude them. Jobs, items, history and the audit log refer to them without foreign keys
//     and remain. removed_mappings records the mappings that history entries refer to, and planning_changes who
//     removed what. A removal takes the report's lock and does not wait for jobs: it is refused while one is
//     active. Mappings to a removed column become unmapped, and lose the confirmation and the review of that
//     column.
//  11. An import without Prune removes nothing. It lists the attributes that its file of attributes does not
//     contain, and the columns that its file of columns does not contain of the data sources that it names:
//     another data source may be imported from another file. Mappings to such columns need revision, once, and keep
//     the column, because the next file may contain it again.
//  12. A text that identifies a row can be longer than an index allows, so identities over 1,000 bytes are stored
//     as digests.
//  13. A page of mappings costs about as much as its rows in every order without a filter, and in the orders by
//     id, tier, criticality, review status, time and confidence with one. Each order has an index that ends in
//     the id, or is a merge of facets. A facet is one combination of tier, criticality, review status and whether
//     there is a source field: 160 in all, a few dozen in a report. Three indexes begin with it, so a filtered
//     list reads the next rows of each facet that passes and merges them. The other combinations of filter and
//     order (by name, source field or classification confidence, and ranges of confidence in another order) first
//     find up to 1,000 matches by facet or confidence and sort them. If there are more, up to two windows of
//     1,000 mappings are read in the order (100 of each facet in the orders by tier, criticality and review
//     status), and the page may be short: it has the cursor of the place where reading stopped. So no page reads
//     the report. Because updated_at is indexed, no write of a mapping is a heap-only update: each adds an entry
//     to every index. That is accepted, because a job that finds the same values need not write the row at all.
//  14. The counts of a report are the sum of rows that triggers insert and no writer updates, so that workers do
//     not wait for each other. The projector adds them up every two seconds ([SumMappingCounts]).
//  15. pde_mappings.data_source_id is not a foreign key. Its check would lock the same few rows in the transaction of
//     every mapping and so fill the database with multixacts. A mapping cannot refer to a deleted data source: only a
//     job, a decision of a person, an import, a removal, a refresh and a carry-over write the field. The last four
//     take the report's lock FOR UPDATE and are refused while a job is active. A decision takes it FOR KEY SHARE. A
//     job takes it FOR KEY SHARE when it is inserted and saves only items without an outcome. A job that has ended has
//     no such items and never becomes active again. A removal clears the field of the mappings to the data source that
//     it deletes.
//  16. A search reads the list as in decision 13, 350 mappings at a time, and does not look for all matches if
//     one in 70 of the first has the text. Otherwise it finds candidates by their parts of one to three
//     characters, in GIN indexes of arrays: pg_trgm is an extension that an operator may not be allowed to
//     create. Candidates are compared with the text itself, so the indexes never decide the result. Mappings are
//     found by their columns through mapped_elements, which has each pair of element and column once, instead of
//     an index of parts over pde_mappings, to which every job would write. JIT is off in all sessions: its
//     compiler takes 100 ms for a search that runs for 10.
//  17. Cancelled items are counted in jobs.cancelled by the transaction that cancels them, and are marked as
//     folded in the same update. The job's status takes the number from there instead of counting the items
//     again, so each item is written once, and a page is counted exactly once: the projector sets the number and
//     never adds to it. After a crash between two pages, the status lags behind jobs.version. Only the dispatcher
//     cancels items, so it is the only writer of the number, except that [RebuildStatus] corrects it under the
//     job's lock.
//  18. The largest cost of an update of a job's items is the primary key, which gets an entry for each new
//     version. Its pages, and those of the table, are half full at first: in full pages Postgres looks for
//     duplicates at every few entries, which doubled the time.
//  19. The items of a job by outcome are read from job_items_outcome, and the queued ones from the queue, so that
//     a rare outcome is found without reading the job. Cancelled items have no entry there, because writing it
//     took a fifth of the time of a cancellation. They are read by the primary key from jobs.cancelled_from on:
//     the items of a job are taken in the order of their mappings, so those after the first cancelled one are
//     cancelled too, except some of those that were in work. The columns of a data source are counted by triggers
//     when they are added or removed.
//  20. A person's decision about a mapping, alone or with thousands of others, is written by one function,
//     saveChanges, which imports and removals use too: the mapping under its version, the row of the history and
//     the note that mapping.changed is not published yet are one statement. The history row of an undone change
//     stays, and the row of the undo names it.
//  21. The rule of a report approves results in two places: when a job saves one, in [SaveWork], and when the rule
//     is set, in [SaveAutoApproval]. Both only approve pending results of jobs. A job reads the rule with its
//     work, so a rule that is switched off while a result is computed may still approve that one. Setting the rule
//     is one transaction of at most [MaxReview] approvals; auto_approvals.applied_to is where the next one continues.
//  22. pde_mappings.input_hash is the digest of what the last job's result depends on. Every other
//     change clears it, except a review and an approval by the rule. So a mapping with the digest of the present
//     input is the result for it, and a job ends the item as unchanged, without a row in the history.
//  23. A carry-over writes each mapping as one change of the new cycle, with a row in its history, and only reads
//     the earlier cycle, without locks. The history row has the last editor of the earlier cycle in edited_by, so
//     that the last editor of a mapping is found in the rows of its own cycle, also after the earlier cycle was
//     removed. The reviewer of a mapping that needs revision is [CarryOverReviewer]. It keeps the confirmation, so
//     that a job only suggests, unless the column is gone. A carry-over is not undone mapping by mapping: the
//     state before it is no person's decision.
//  24. A refresh of a data source replaces its columns in one transaction; the caller has read the database
//     before. A mapping to a column that is gone needs revision by [ColumnRemoval], who is no user: the person
//     who runs the refresh may have been the last to edit the mapping. A column with a new name at the same
//     position is only suggested, because a rename looks like a column that was replaced. Unlike a
//     removal, a refresh publishes mapping.changed, since no person has asked for these changes.
//  25. A job's row in the history has After in full, and in Before only the fields that differ; [History.Images]
//     returns both in full. Both are json: the conversion of jsonb to text and back, for the digest in the audit log,
//     costs more than the rest of the row. The row has no foreign key: [SaveWork] writes it and the item in one
//     statement, and [Check] compares them. For a mapping that keeps its values, json took 5 % of the CPU time of
//     SaveWork in the server away, and the shorter Before 8 % and 13 % of the write-ahead log, in a loop over 1,500
//     mappings in one session (650 us and 5.3 KB before). The rest of its CPU time is mainly that of the CHECK
//     constraints (23 %), which Postgres parses for every statement, and of the indexes of the lists of mappings
//     (15 %). Constraints as domains would save 7 %, and a larger toast_tuple_target another 5 % for a fifth more
//     write-ahead log.
package schema

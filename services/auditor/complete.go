package auditor

import (
	"context"
	"fmt"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
)

const (
	// pageSize is the number of entries that are appended from the rows in one transaction. Events wait for it.
	pageSize = 1000
	// natsTimeout limits the question how many messages the consumer has not delivered.
	natsTimeout = time.Second
)

// complete appends, every interval until ctx ends, the facts that no event has reported.
func (a *Auditor) complete(ctx context.Context) {
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	lastError := ""
	started := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.completeOnce(ctx, time.Since(started))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != lastError:
			lastError = err.Error()
			a.log.WarnContext(ctx, "completing the audit log failed, will retry", "error", err)
		case err == nil && lastError != "":
			lastError = ""
			a.log.InfoContext(ctx, "completing the audit log works again")
		}
	}
}

// completeOnce audits the ended jobs and appends the changes whose events are not expected any more. An error of
// one job does not stop the others; the first error is returned.
func (a *Auditor) completeOnce(ctx context.Context, running time.Duration) error {
	jobs, err := audit.ListUnauditedJobs(ctx, a.db)
	if err != nil {
		return err
	}
	changes, err := audit.HasUnauditedChanges(ctx, a.db)
	if err != nil {
		return err
	}
	if len(jobs) == 0 && !changes {
		return nil
	}
	caughtUp := a.caughtUp(ctx)
	for _, job := range jobs {
		eventsExpected := a.expectsEvents(job, caughtUp, running)
		jobErr := a.auditJob(schema.WithSubject(ctx, job.ID, ""), job, eventsExpected)
		if err == nil {
			err = jobErr
		}
	}
	if changes && (caughtUp || running > a.patience) {
		changesErr := a.appendChanges(ctx)
		if err == nil {
			err = changesErr
		}
	}
	return err
}

// expectsEvents reports whether events of the job may still be delivered. They may until its last event is
// published and the consumer has caught up, but no longer than the patience after the end of the job and after the
// start of this process, which may have a backlog.
func (a *Auditor) expectsEvents(job audit.UnauditedJob, caughtUp bool, running time.Duration) bool {
	if caughtUp && job.Announced {
		return false
	}
	return job.Unchanged <= a.patience || running <= a.patience
}

// caughtUp reports whether the consumer has delivered every message and each is acknowledged. It is false if NATS
// does not answer.
func (a *Auditor) caughtUp(ctx context.Context) bool {
	if a.Ready() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	consumer, err := a.js.Consumer(ctx, a.consumer.Stream, a.consumer.Name)
	if err != nil {
		return false
	}
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

// auditJob marks the job as audited when the log has every fact of it. It appends the missing facts from the rows
// once no more events are expected.
func (a *Auditor) auditJob(ctx context.Context, job audit.UnauditedJob, eventsExpected bool) error {
	if eventsExpected && !job.Finished {
		return nil
	}
	complete, err := audit.IsJobComplete(ctx, a.db, job.ID)
	if err != nil || !complete && eventsExpected {
		return err
	}
	appended := 0
	if !complete {
		if appended, err = a.appendJob(ctx, job.ID); err != nil {
			return err
		}
	}
	if err := audit.MarkJobAudited(ctx, a.db, job.ID); err != nil {
		return err
	}
	head, err := audit.GetHead(ctx, a.db)
	if err != nil {
		return err
	}
	// The program's log can later be compared with the audit log: it has an earlier end of the chain.
	a.log.InfoContext(ctx, "job is audited", "job_id", job.ID, "from_rows", appended,
		"audit_seq", head.Seq, "audit_hash", head.Hash)
	return nil
}

// appendJob appends the facts of the job that the log lacks, its end last, and returns how many these were.
func (a *Auditor) appendJob(ctx context.Context, jobID string) (appended int, err error) {
	facts, err := audit.ListMissingFacts(ctx, a.db, jobID)
	if err != nil {
		return 0, err
	}
	var first, last []audit.Fact
	for _, fact := range facts {
		if _, ok := fact.Event.(events.JobFinished); ok {
			last = append(last, fact)
		} else {
			first = append(first, fact)
		}
	}
	if appended, err = a.appendFacts(ctx, first); err != nil {
		return appended, err
	}
	for after, more := "", true; more; more = after != "" {
		var items []audit.Fact
		if items, after, err = audit.ListMissingItems(ctx, a.db, jobID, after, pageSize); err != nil {
			return appended, err
		}
		n, err := a.appendFacts(ctx, items)
		if err != nil {
			return appended, err
		}
		appended += n
	}
	n, err := a.appendFacts(ctx, last)
	return appended + n, err
}

// appendChanges appends the changes of mappings and of planning data that no event has reported: those of an
// import, which publishes no event per mapping, and those whose event was lost.
func (a *Auditor) appendChanges(ctx context.Context) error {
	for after, more := "", true; more; more = after != "" {
		changes, err := audit.ListUnauditedChanges(ctx, a.db, a.patience, after, pageSize)
		if err != nil {
			return err
		}
		n, err := a.appendFacts(ctx, changes.Facts)
		if err != nil {
			return err
		}
		if err := audit.MarkChangesAudited(ctx, a.db, changes.Audited); err != nil {
			return err
		}
		if n > 0 {
			a.log.InfoContext(ctx, "appended changes without an event", "changes", n)
		}
		after = changes.Last
	}
	return nil
}

// appendFacts appends the facts in one transaction and returns how many the log did not have.
func (a *Auditor) appendFacts(ctx context.Context, facts []audit.Fact) (int, error) {
	entries := make([]audit.Entry, len(facts))
	for i, fact := range facts {
		entry, err := fact.Entry(audit.OriginRows)
		if err != nil {
			return 0, err
		}
		entries[i] = entry
	}
	n, err := a.append(ctx, entries)
	if err != nil {
		return 0, fmt.Errorf("append from the rows: %w", err)
	}
	return n, nil
}

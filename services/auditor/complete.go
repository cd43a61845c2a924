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
	// page is how many entries are appended from the rows in one transaction. Events wait meanwhile.
	page = 1000
	// answerWithin is how long NATS has to say what the consumer has waiting.
	answerWithin = time.Second
)

// complete looks, again and again until ctx ends, for what the rows say and no event brought.
func (a *Auditor) complete(ctx context.Context) {
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	trouble := ""
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.look(ctx, time.Since(began))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != trouble:
			trouble = err.Error()
			a.log.WarnContext(ctx, "audit of jobs cut short, trying again", "error", err)
		case err == nil && trouble != "":
			trouble = ""
			a.log.InfoContext(ctx, "audit of jobs is whole again")
		}
	}
}

// look audits the jobs whose events have had their chance. One job's trouble does not keep the others from their audit; the first error
// is returned.
func (a *Auditor) look(ctx context.Context, running time.Duration) error {
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
	idle := a.idle(ctx)
	for _, job := range jobs {
		// After a start there may be a day of events to read first.
		over := idle && job.Announced || min(job.Settled, running) > a.patience
		if jobErr := a.audit(schema.WithSubject(ctx, job.ID, ""), job, over); err == nil {
			err = jobErr
		}
	}
	if !changes || !idle && running <= a.patience {
		return err
	}
	if changesErr := a.logChanges(ctx); err == nil {
		err = changesErr
	}
	return err
}

// idle reports whether the consumer has nothing waiting and nothing in hand. One that cannot be asked is not idle.
func (a *Auditor) idle(ctx context.Context) bool {
	if a.Ready() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	consumer, err := a.js.Consumer(ctx, a.consumer.Stream, a.consumer.Name)
	if err != nil {
		return false
	}
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

// audit marks the job as audited when the log has all that its rows say. Over says that what is missing is not waited for any more.
func (a *Auditor) audit(ctx context.Context, job audit.UnauditedJob, over bool) error {
	if !over && !job.Finished {
		return nil
	}
	logged, err := audit.IsJobComplete(ctx, a.db, job.ID)
	if err != nil || !logged && !over {
		return err
	}
	appended := 0
	if !logged {
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
	// Whoever keeps the log of this program can hold it against the end of the audit log later.
	a.log.InfoContext(ctx, "job is audited", "job_id", job.ID, "from_rows", appended, "audit_seq", head.Seq, "audit_hash", head.Hash)
	return nil
}

// appendJob appends what the job's rows say and the log does not have, in about the order in which it happened, and returns how much
// that was.
func (a *Auditor) appendJob(ctx context.Context, jobID string) (appended int, err error) {
	facts, err := audit.ListMissingFacts(ctx, a.db, jobID)
	if err != nil {
		return 0, err
	}
	var before, end []audit.Fact
	for _, fact := range facts {
		if fact.Type == events.TopicJobFinished.Type() {
			end = append(end, fact)
		} else {
			before = append(before, fact)
		}
	}
	if appended, err = a.appendFacts(ctx, before); err != nil {
		return appended, err
	}
	for after, more := "", true; more; more = after != "" {
		var items []audit.Fact
		if items, after, err = audit.ListMissingItems(ctx, a.db, jobID, after, page); err != nil {
			return appended, err
		}
		n, err := a.appendFacts(ctx, items)
		if err != nil {
			return appended, err
		}
		appended += n
	}
	n, err := a.appendFacts(ctx, end)
	return appended + n, err
}

// logChanges appends changes of mappings and of planning data that no event has reported: those of an import, which publishes no event per
// mapping, and those whose event was lost.
func (a *Auditor) logChanges(ctx context.Context) error {
	for after, more := "", true; more; more = after != "" {
		changes, err := audit.ListUnauditedChanges(ctx, a.db, a.patience, after, page)
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

func (a *Auditor) appendFacts(ctx context.Context, facts []audit.Fact) (int, error) {
	entries := make([]audit.Entry, len(facts))
	for i, fact := range facts {
		entries[i] = audit.Entry{Fact: fact, Origin: audit.OriginRows, Verified: true}
	}
	n, err := a.append(ctx, entries)
	if err != nil {
		return 0, fmt.Errorf("append from the rows: %w", err)
	}
	return n, nil
}

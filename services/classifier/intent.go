package classifier

import (
	"context"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/schema"
)

// intentInterval is the time between two reads of the intents of jobs with calls.
const intentInterval = 500 * time.Millisecond

// intentWatch ends the calls of jobs that are cancelled, and the waits for calls of jobs that are paused.
type intentWatch struct {
	db *schema.DB

	mu sync.Mutex
	// byJob has the calls of this process that run or wait.
	byJob map[string]map[*watched]struct{}
}

// watched is a call that runs or waits.
type watched struct{ stopWaiting, stopCalling context.CancelCauseFunc }

func newIntentWatch(db *schema.DB) *intentWatch {
	return &intentWatch{db: db, byJob: map[string]map[*watched]struct{}{}}
}

// watch returns two contexts for a call of a job. The first ends when the job is paused or cancelled, the second when
// it is cancelled, because a pause lets running calls finish. The cause is errStopped. The caller must call done.
func (w *intentWatch) watch(ctx context.Context, jobID string) (waiting, calling context.Context, done func()) {
	calling, stopCalling := context.WithCancelCause(ctx)
	waiting, stopWaiting := context.WithCancelCause(calling)
	call := &watched{stopWaiting, stopCalling}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byJob[jobID] == nil {
		w.byJob[jobID] = map[*watched]struct{}{}
	}
	w.byJob[jobID][call] = struct{}{}
	return waiting, calling, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.byJob[jobID], call)
		if len(w.byJob[jobID]) == 0 {
			delete(w.byJob, jobID)
		}
		stopCalling(nil)
	}
}

// check reads the intents of the jobs with calls, and ends those that must not go on.
func (w *intentWatch) check(ctx context.Context) error {
	w.mu.Lock()
	ids := make([]string, 0, len(w.byJob))
	for id := range w.byJob {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	jobs, err := schema.ListJobsByID(ctx, w.db, ids)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, job := range jobs {
		if job.Intent == schema.IntentRun {
			continue
		}
		for call := range w.byJob[job.ID] {
			call.stopWaiting(errStopped)
			if job.Intent == schema.IntentCancel {
				call.stopCalling(errStopped)
			}
		}
	}
	return nil
}

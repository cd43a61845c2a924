package api

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pdeflow/pdeflow/events/audit"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api/desk"
)

const (
	// maxVerified is the length of the longest log that is verified without a request for it, and verifyEvery the
	// time after which it is verified again.
	maxVerified = 100_000
	verifyEvery = time.Hour
	// shownFindings is the number of findings that the page lists.
	shownFindings = 20
)

// auditVerifier verifies the audit log in the background, one verification at a time, and keeps the last result in
// memory.
type auditVerifier struct {
	db  *schema.DB
	log *slog.Logger
	// start runs a function in a goroutine of the server.
	start    func(func())
	stopping <-chan struct{}

	mu sync.Mutex
	// running is the phase, empty if no verification runs, and done and total count its rows.
	running     string
	done, total int64
	last        desk.Verification
}

// verifyStale starts a verification if the last one is too old and the log is short enough.
func (v *auditVerifier) verifyStale(ctx context.Context, head audit.Head) {
	v.mu.Lock()
	stale := time.Since(v.last.At) > verifyEvery
	v.mu.Unlock()
	if stale && head.Seq > 0 && head.Seq <= maxVerified {
		v.verify(ctx)
	}
}

// verify starts a verification unless one runs. It ends when the server stops, not with ctx.
func (v *auditVerifier) verify(ctx context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running != "" {
		return
	}
	v.running, v.done, v.total = "audit log", 0, 0
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v.start(func() {
		defer cancel()
		v.run(ctx)
	})
	v.start(func() {
		select {
		case <-v.stopping:
			cancel()
		case <-ctx.Done():
		}
	})
}

func (v *auditVerifier) run(ctx context.Context) {
	var found []audit.Finding
	begun := time.Now()
	verdict, err := audit.Verify(ctx, v.db, func(f audit.Finding) {
		if len(found) < shownFindings {
			found = append(found, f)
		}
	}, v.progress)
	if err != nil && ctx.Err() == nil {
		v.log.WarnContext(ctx, "audit log not verified", "error", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running = ""
	v.last = desk.Verification{
		Verdict: verdict, Found: found, At: time.Now(), Took: time.Since(begun), Failed: err != nil,
	}
}

func (v *auditVerifier) progress(phase string, done, total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running, v.done, v.total = phase, done, total
}

// state returns an id of the last result and of the progress of a verification.
func (v *auditVerifier) state() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stateLocked()
}

func (v *auditVerifier) stateLocked() string {
	return fmt.Sprintf("%d.%s.%d", v.last.At.UnixMicro(), v.running, v.done)
}

// show writes the result and the progress to the chain, and returns the id of their state.
func (v *auditVerifier) show(chain *desk.Chain) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	chain.Running, chain.Done, chain.Total, chain.Verified = v.running, v.done, v.total, v.last
	return v.stateLocked()
}

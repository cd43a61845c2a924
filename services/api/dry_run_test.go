package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
)

func TestRegenerate_JudgesOneDryRunAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	judging, finish := make(chan struct{}, 1), make(chan struct{})
	f.serve(f.JS, api.Options{
		Verify: verifier(t),
		Estimate: func(ctx context.Context, _ schema.Job) (int64, schema.Usage, error) {
			judging <- struct{}{}
			select {
			case <-finish:
				return 1, schema.Usage{InputTokens: 7}, nil
			case <-ctx.Done():
				return 0, schema.Usage{}, ctx.Err()
			}
		},
	})
	f.server.SetJudgeWait(50 * time.Millisecond)
	const body = `{"dry_run": true}`
	first := make(chan answer, 1)
	go func() { first <- f.post(reportURL("/pde-mappings/regenerate-all"), body) }()
	<-judging
	second := f.post(reportURL("/pde-mappings/regenerate-all"), body)
	refused(t, second, http.StatusServiceUnavailable, "busy")
	if second.header.Get("Retry-After") == "" {
		t.Error("Retry-After: got none")
	}
	close(finish)
	if got := must[api.DryRun](t, <-first, http.StatusOK); got.WouldSkip != 1 ||
		got.Estimate.InputTokens != 7 {
		t.Errorf("first dry run: got %+v, want 1 skipped and 7 tokens", got)
	}
	third := must[api.DryRun](t, f.post(reportURL("/pde-mappings/regenerate-all"), body), http.StatusOK)
	if third.WouldSkip != 1 {
		t.Errorf("later dry run: got %+v, want 1 skipped", third)
	}
}

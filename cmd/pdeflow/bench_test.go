package main

import "testing"

func TestBenchCommit_MeasuresPipelineAndBaseline(t *testing.T) {
	t.Parallel()
	got := from[benchCommitResult](t, pdeflow(t.Context(), nil,
		"bench", "commit", "--mappings", "40", "--workers", "2", "--json").ends(t, exitDone))
	if got.Mappings != 40 || len(got.Runs) != 1 || got.Runs[0].Workers != 2 {
		t.Errorf("got %+v, want one run with 40 mappings and 2 workers", got)
	}
	if got.MappingsPerSecond <= 0 || got.BaselineMappingsPerSecond <= 0 || got.RatioToBaseline <= 0 {
		t.Errorf("got %+v, want rates", got)
	}
}

func TestBenchLLM_MeasuresTheModelLane(t *testing.T) {
	t.Parallel()
	got := from[benchLLMResult](t, pdeflow(t.Context(), nil, "bench", "llm", "--mappings", "40", "--concurrency", "4",
		"--median", "5ms", "--p95", "15ms", "--json").ends(t, exitDone))
	if got.Baseline.Calls != 40 || got.Calls != 40 || got.Efficiency <= 0 || got.Refusals != 0 {
		t.Errorf("got %+v, want 40 calls in the loop and in the job", got)
	}
	for _, run := range []benchLLMRun{got.Limited, got.Refused} {
		if run.Calls-run.Refusals != 40 || run.Efficiency <= 0 {
			t.Errorf("got %+v, want 40 answered calls", run)
		}
	}
}

func TestBench_RefusesWrongNumbers(t *testing.T) {
	t.Parallel()
	pdeflow(t.Context(), nil, "bench", "commit", "--mappings", "0").ends(t, exitUsage, "whole numbers")
	pdeflow(t.Context(), nil, "bench", "commit", "more").ends(t, exitUsage, "more")
}

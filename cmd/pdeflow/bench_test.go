package main

import (
	"runtime"
	"testing"
	"time"
)

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
	for name, cost := range map[string]mappingCost{"pipeline": got.Runs[0].Cost, "baseline": got.Runs[0].BaselineCost} {
		t.Run(name, func(t *testing.T) {
			if cost.ProcessCPUMS <= 0 || cost.WALBytes < 1000 || cost.Transactions <= 0 ||
				runtime.GOOS == "linux" && cost.PostgresCPUMS <= 0 {
				t.Errorf("got %+v, want the cost of a mapping", cost)
			}
		})
	}
}

func TestBenchScale_MeasuresALargeJob(t *testing.T) {
	t.Parallel()
	got := from[benchScaleResult](t, pdeflow(t.Context(), nil,
		"bench", "scale", "--mappings", "800", "--json").ends(t, exitDone))
	if got.Mappings != 800 || got.ComparedMappings != 8 {
		t.Errorf("got jobs of %d and %d mappings, want 800 and 8", got.Mappings, got.ComparedMappings)
	}
	if got.CostRatio <= 0 || got.PostP99MS <= 0 || got.StatusP99MS <= 0 || got.SmallJobSeconds <= 0 ||
		runtime.GOOS == "linux" && got.PeakRSSMiB <= 0 {
		t.Errorf("got %+v, want times and memory", got)
	}
	if got.StreamBytes["PDE_EVENTS"] <= 0 || got.TableBytes["job_items"] <= 0 {
		t.Errorf("got sizes %v and %v, want those of the streams and tables", got.StreamBytes, got.TableBytes)
	}
}

func TestLatencies_P99(t *testing.T) {
	t.Parallel()
	var l latencies
	if got := l.p99(); got != 0 {
		t.Errorf("p99 of nothing: got %v, want 0", got)
	}
	for i := range 200 {
		l.all = append(l.all, time.Duration(200-i)*time.Millisecond)
	}
	if got := l.p99(); got != 198 {
		t.Errorf("p99 of 1 to 200 ms: got %v, want 198", got)
	}
}

func TestBenchLLM_MeasuresTheModelLane(t *testing.T) {
	t.Parallel()
	got := from[benchLLMResult](t, pdeflow(t.Context(), nil, "bench", "llm", "--mappings", "40", "--concurrency", "4",
		"--median", "5ms", "--p95", "15ms", "--json").ends(t, exitDone))
	if got.Baseline.Calls != 40 || got.Calls < 40 || got.Efficiency <= 0 || got.Refusals != 0 {
		t.Errorf("got %+v, want 40 calls in the loop, and at least as many in the job", got)
	}
	for _, run := range []benchLLMRun{got.Limited, got.Refused} {
		if run.Calls-run.Refusals < 40 || run.Efficiency <= 0 {
			t.Errorf("got %+v, want at least 40 answered calls", run)
		}
	}
}

func TestBench_RefusesWrongNumbers(t *testing.T) {
	t.Parallel()
	pdeflow(t.Context(), nil, "bench", "commit", "--mappings", "0").ends(t, exitUsage, "whole numbers")
	pdeflow(t.Context(), nil, "bench", "commit", "more").ends(t, exitUsage, "more")
	pdeflow(t.Context(), nil, "bench", "scale", "--mappings", "99").ends(t, exitUsage, "from 100 up")
}

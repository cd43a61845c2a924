package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/llmtest"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

const (
	// benchMedian and benchP95 are the latencies of the simulated provider.
	benchMedian, benchP95 = 800 * time.Millisecond, 2500 * time.Millisecond
	// refusedShare is the share of the calls that the provider refuses in the last two runs.
	refusedShare = 0.25
)

func (a *app) benchLLMCommand() *cli.Command {
	return &cli.Command{
		Name: "llm", Usage: "measures the model lane with a simulated provider",
		Description: "Starts a server that speaks OpenAI's protocol and answers by a fixed rule, with log-normal " +
			"latencies (median 0.8 s, 95th percentile 2.5 s), and runs a job of the model lane. The efficiency is " +
			"the shortest possible time divided by the time from the request to the end of the job. The baseline " +
			"is a loop that only calls the server. Two more runs refuse calls with 429: one by a limit that " +
			"allows three quarters of the calls that the lane could make, one at random a quarter of the calls.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "mappings", Usage: "the number of mappings, `N`", Value: 2000},
			&cli.IntFlag{Name: "concurrency", Usage: "the number of calls at once, `N`", Value: 32},
			&cli.DurationFlag{
				Name: "median", Usage: "the median of the latencies", Value: benchMedian, Validator: positive,
			},
			&cli.DurationFlag{Name: "p95", Usage: "their 95th percentile", Value: benchP95, Validator: positive},
			&cli.Uint64Flag{Name: "seed", Usage: "the `SEED` of the latencies", Value: 1},
			jsonFlag(),
		},
		Action: a.benchLLM,
	}
}

// benchLLMResult is the output of bench llm.
type benchLLMResult struct {
	Mappings    int     `json:"mappings"`
	Concurrency int     `json:"concurrency"`
	Seed        uint64  `json:"seed"`
	MedianMS    float64 `json:"latency_median_ms"`
	P95MS       float64 `json:"latency_p95_ms"`
	// Baseline is a loop that calls the server, without the pipeline.
	Baseline benchLLMRun `json:"baseline"`
	benchLLMRun
	// Limited is a run against a provider with a limit, and Refused one against a provider that refuses at random.
	Limited benchLLMRun `json:"limited"`
	Refused benchLLMRun `json:"refused"`
}

// benchLLMRun is one run.
type benchLLMRun struct {
	// Efficiency is IdealSeconds divided by Seconds.
	Efficiency   float64 `json:"efficiency"`
	Seconds      float64 `json:"seconds"`
	IdealSeconds float64 `json:"ideal_seconds"`
	Calls        int     `json:"calls"`
	// Refusals are the calls that were answered with 429.
	Refusals int `json:"refusals"`
	// LimitPerSecond is the limit of the provider; 0 if it has none.
	LimitPerSecond float64 `json:"limit_per_second,omitempty"`
}

func (a *app) benchLLM(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	result := benchLLMResult{
		Mappings: cmd.Int("mappings"), Concurrency: cmd.Int("concurrency"), Seed: cmd.Uint64("seed"),
		MedianMS: float64(cmd.Duration("median").Milliseconds()), P95MS: float64(cmd.Duration("p95").Milliseconds()),
	}
	if result.Mappings < 1 || result.Concurrency < 1 {
		return usagef("--mappings and --concurrency are whole numbers from 1 up")
	}
	log, err := a.demoLogger(cmd)
	if err != nil {
		return err
	}
	latency := llmtest.Latency{Median: cmd.Duration("median"), P95: cmd.Duration("p95")}
	options := llmtest.Options{Seed: result.Seed, Latency: latency}
	b := llmBench{
		bench: bench{app: a, mappings: result.Mappings, log: log}, concurrency: result.Concurrency,
	}
	if result.Baseline, err = b.baseline(ctx, options); err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	if result.benchLLMRun, err = b.pipeline(ctx, options); err != nil {
		return err
	}
	limited := options
	rate := (1 - refusedShare) * float64(result.Concurrency) / latency.Mean().Seconds()
	limited.Limit = llmtest.Limit{PerSecond: rate, Burst: rate}
	if result.Limited, err = b.pipeline(ctx, limited); err != nil {
		return fmt.Errorf("with a limit: %w", err)
	}
	refusing := options
	refusing.Script = llmtest.Share(result.Seed, refusedShare, llmtest.RateLimited)
	if result.Refused, err = b.pipeline(ctx, refusing); err != nil {
		return fmt.Errorf("with refusals at random: %w", err)
	}
	if cmd.Bool(flagJSON) {
		return a.printJSON(result)
	}
	return a.printBenchLLM(result)
}

func (a *app) printBenchLLM(r benchLLMResult) error {
	fmt.Fprintf(a.stdout, "%s, %d calls at once; latency: median %.1f s, 95th percentile %.1f s\n\n",
		count(int64(r.Mappings), "mapping"), r.Concurrency, r.MedianMS/1000, r.P95MS/1000)
	t := table(a.stdout)
	printRow(t, "RUN", "CALLS", "429", "SECONDS", "IDEAL", "EFFICIENCY")
	row := func(name string, run benchLLMRun) {
		printRow(t, name, run.Calls, run.Refusals, fmt.Sprintf("%.1f", run.Seconds),
			fmt.Sprintf("%.1f", run.IdealSeconds), fmt.Sprintf("%.3f", run.Efficiency))
	}
	row("loop without pipeline", r.Baseline)
	row("job", r.benchLLMRun)
	row(fmt.Sprintf("job, limit of %.1f/s", r.Limited.LimitPerSecond), r.Limited)
	row("job, a quarter refused", r.Refused)
	return t.Flush()
}

// llmBench runs the model lane against simulated providers.
type llmBench struct {
	bench
	concurrency int
}

// measured returns the figures of a run that took this long.
func (b llmBench) measured(o llmtest.Options, counts llmtest.Counts, took time.Duration) benchLLMRun {
	ideal := counts.Latency / time.Duration(b.concurrency)
	if rate := o.Limit.PerSecond; rate > 0 {
		limit := max(float64(counts.Answered)-o.Limit.Burst, 0) / rate
		ideal = max(ideal, time.Duration(limit*float64(time.Second)))
	}
	return benchLLMRun{
		Efficiency: ideal.Seconds() / took.Seconds(), Seconds: took.Seconds(), IdealSeconds: ideal.Seconds(),
		Calls: counts.Calls, Refusals: counts.Faults[llmtest.RateLimited], LimitPerSecond: o.Limit.PerSecond,
	}
}

// baseline calls the server in a loop.
func (b llmBench) baseline(ctx context.Context, o llmtest.Options) (benchLLMRun, error) {
	server, err := llmtest.New(o) //nolint:contextcheck // the server listens until Close
	if err != nil {
		return benchLLMRun{}, err
	}
	defer server.Close() //nolint:contextcheck // it waits a second at most, also after ctx has ended
	client, err := provider.New(server.Config(provider.OpenAI))
	if err != nil {
		return benchLLMRun{}, err
	}
	b.note("calling the server without the pipeline")
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.concurrency)
	for range b.mappings {
		group.Go(func() error {
			_, err := client.Complete(ctx, provider.Request{
				Messages: []provider.Message{{Role: provider.RoleUser, Text: "Which column?"}},
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return benchLLMRun{}, err
	}
	return b.measured(o, server.Counts(), time.Since(began)), nil
}

// pipeline runs a job of the model lane.
func (b llmBench) pipeline(ctx context.Context, o llmtest.Options) (run benchLLMRun, err error) {
	server, err := llmtest.New(o) //nolint:contextcheck // the server listens until Close
	if err != nil {
		return run, err
	}
	defer server.Close() //nolint:contextcheck // it waits a second at most, also after ctx has ended
	client, err := provider.New(server.Config(provider.OpenAI))
	if err != nil {
		return run, err
	}
	s := settings{
		classifier: schema.ClassifierLLM, engine: rules.New(policy.Default()), calls: b.concurrency,
		model: llm.New(client, llm.NewPrompt(policy.Default()), nil),
	}
	err = b.run(ctx, s, func(ctx context.Context, at address) error {
		status, err := b.job(ctx, at)
		if err != nil {
			return err
		}
		run = b.measured(o, server.Counts(), status.CompletedAt.Sub(status.CreatedAt))
		return nil
	})
	return run, err
}

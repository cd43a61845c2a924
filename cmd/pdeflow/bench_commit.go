package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/datadir"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/bareloop"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func (a *app) benchCommitCommand() *cli.Command {
	return &cli.Command{
		Name: "commit", Usage: "measures the pipeline with a classifier that does nothing",
		Description: "Runs jobs whose classifier writes the same realistic mapping for every attribute, so that only " +
			"the pipeline counts. The baseline is a loop over pgx without messages, with the same reads and the " +
			"same transaction, on the same server. Both run with several numbers of workers, and the best rates " +
			"are compared. The rate of a job is from the request to its final status. The costs per mapping are the " +
			"CPU time, the write-ahead log and the buffers from the request until the job is audited; unlike rates, " +
			"they can be compared between runs on a busy machine.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "mappings", Usage: "the number of mappings, `N`", Value: 20_000},
			&cli.IntSliceFlag{
				Name: "workers", Usage: "a number of workers, `N`; may be given several times", Value: []int{4, 8, 16},
			},
			jsonFlag(),
		},
		Action: a.benchCommit,
	}
}

// benchCommitResult is the output of bench commit.
type benchCommitResult struct {
	Mappings int `json:"mappings"`
	// MappingsPerSecond is the best rate of the pipeline, and RatioToBaseline that rate divided by the best of the
	// baseline.
	MappingsPerSecond         float64          `json:"mappings_per_second"`
	BaselineMappingsPerSecond float64          `json:"baseline_mappings_per_second"`
	RatioToBaseline           float64          `json:"ratio_to_baseline"`
	Runs                      []benchCommitRun `json:"runs"`
}

// benchCommitRun has the rates with a number of workers, and of connections of the baseline.
type benchCommitRun struct {
	Workers                   int     `json:"workers"`
	MappingsPerSecond         float64 `json:"mappings_per_second"`
	BaselineMappingsPerSecond float64 `json:"baseline_mappings_per_second"`
	// Cost and BaselineCost are the costs of one mapping.
	Cost         mappingCost `json:"cost"`
	BaselineCost mappingCost `json:"baseline_cost"`
}

func (a *app) benchCommit(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	size, workers := cmd.Int("mappings"), cmd.IntSlice("workers")
	if size < 1 || len(workers) == 0 || slices.Min(workers) < 1 {
		return usagef("--mappings and --workers are whole numbers from 1 up")
	}
	log, err := a.demoLogger(cmd)
	if err != nil {
		return err
	}
	lock, err := datadir.Temp()
	if err != nil {
		return err
	}
	defer lock.Remove() //nolint:errcheck // the next start removes a directory that is left
	result := benchCommitResult{Mappings: size}
	for i, n := range workers {
		b := bench{app: a, dir: lock.Dir(), mappings: size, loaded: i > 0, log: log}
		run := benchCommitRun{Workers: n}
		s := settings{
			classifier: schema.ClassifierRules, engine: rules.New(policy.Default()), workers: n, evaluate: noop,
		}
		err := b.run(ctx, s, func(ctx context.Context, at address) error {
			return b.commit(ctx, at, &run)
		})
		if err != nil {
			return err
		}
		result.add(run)
	}
	if cmd.Bool(flagJSON) {
		return a.printJSON(result)
	}
	return a.printBenchCommit(result)
}

// commit runs a job and then the baseline, and sets the rates and costs of the run.
func (b bench) commit(ctx context.Context, at address, run *benchCommitRun) error {
	if err := b.load(ctx, at); err != nil {
		return err
	}
	b.loaded = true
	before, err := readMeter(ctx, at.db)
	if err != nil {
		return err
	}
	status, err := b.job(ctx, at)
	if err != nil {
		return err
	}
	run.MappingsPerSecond = float64(b.mappings) / status.CompletedAt.Sub(status.CreatedAt).Seconds()
	if err := awaitAudit(ctx, at.db, status.JobID); err != nil {
		return err
	}
	after, err := readMeter(ctx, at.db)
	if err != nil {
		return err
	}
	run.Cost = after.since(before, b.mappings)
	return b.baseline(ctx, at, status.JobID, run)
}

// baseline writes the results of the job with the bare loop, and sets the rate and cost of the baseline.
func (b bench) baseline(ctx context.Context, at address, jobID string, run *benchCommitRun) error {
	b.note(fmt.Sprintf("writing the same without the pipeline, with %s", count(int64(run.Workers), "connection")))
	loop, err := bareloop.Prepare(ctx, at.Database, jobID, run.Workers)
	if err != nil {
		return err
	}
	defer loop.Close()
	before, err := readMeter(ctx, at.db)
	if err != nil {
		return err
	}
	written, took, err := loop.Run(ctx)
	if err != nil {
		return err
	}
	run.BaselineMappingsPerSecond = float64(written) / took.Seconds()
	after, err := readMeter(ctx, at.db)
	run.BaselineCost = after.since(before, b.mappings)
	return err
}

func (r *benchCommitResult) add(run benchCommitRun) {
	r.Runs = append(r.Runs, run)
	r.MappingsPerSecond = max(r.MappingsPerSecond, run.MappingsPerSecond)
	r.BaselineMappingsPerSecond = max(r.BaselineMappingsPerSecond, run.BaselineMappingsPerSecond)
	r.RatioToBaseline = r.MappingsPerSecond / r.BaselineMappingsPerSecond
}

func (a *app) printBenchCommit(r benchCommitResult) error {
	t := table(a.stdout)
	printRow(t, "WORKERS", "MAPPINGS/S", "BASELINE/S")
	rate := func(perSecond float64) string { return fmt.Sprintf("%.0f", perSecond) }
	for _, run := range r.Runs {
		printRow(t, run.Workers, rate(run.MappingsPerSecond), rate(run.BaselineMappingsPerSecond))
	}
	printRow(t, "best", rate(r.MappingsPerSecond), rate(r.BaselineMappingsPerSecond))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nCosts per mapping:")
	t = table(a.stdout)
	printRow(t, "WORKERS", "", "CPU PDEFLOW", "CPU POSTGRES", "WAL", "BUFFERS", "TRANSACTIONS")
	for _, run := range r.Runs {
		printCost(t, run.Workers, "pipeline", run.Cost)
		printCost(t, run.Workers, "baseline", run.BaselineCost)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\n%.2f of the baseline, with %s\n", r.RatioToBaseline, count(int64(r.Mappings), "mapping"))
	return nil
}

func printCost(t *tableWriter, workers int, name string, c mappingCost) {
	printRow(t, workers, name, fmt.Sprintf("%.2f ms", c.ProcessCPUMS), fmt.Sprintf("%.2f ms", c.PostgresCPUMS),
		fmt.Sprintf("%.0f B", c.WALBytes), fmt.Sprintf("%.0f", c.BufferHits), fmt.Sprintf("%.1f", c.Transactions))
}

// noop returns a mapping of realistic width for every attribute, without ranking or rules.
func noop(work schema.Work) (schema.Mapping, schema.ItemResult) {
	m := work.Mapping
	name := work.Attribute.AttributeName
	m.SourceField, m.PDEName, m.MappingType = "card.acct.acct_"+m.ID[:8], "acct_"+m.ID[:8], schema.MappingTypeDirect
	m.PDEDescription = "Column of the account table that holds the attribute"
	m.ConfidenceScore, m.ClassificationConfidence = new(87), new(91)
	m.MappingRationale = fmt.Sprintf("The name of the column contains the words of %q in the same order. %s", name,
		strings.Repeat("Its type holds the values of the attribute. ", 4))
	m.AlternativeMappings = nil
	for i := range 5 {
		m.AlternativeMappings = append(m.AlternativeMappings, schema.Alternative{
			SourceField: fmt.Sprintf("card.acct.other_%d", i), Score: 70 - i, Reason: "It shares a word of the name.",
		})
	}
	m.InformationSecurityClassification = schema.TierConfidential
	m.Criticality, m.RiskLevel = schema.LevelHigh, schema.LevelMedium
	m.RegulatoryFlag, m.PIIFlag = new(true), new(false)
	m.ClassificationRationale = strings.Repeat("The attribute is a figure of an account that is not published. ", 4)
	m.RegulatoryReferences = []string{"FR Y-14M", "GLBA"}
	m.ClassifiedBy = "noop"
	return m, schema.ItemResult{Outcome: schema.OutcomeSucceeded, Classifier: m.ClassifiedBy}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/api"
	"github.com/pdeflow/pdeflow/services/classifier/rules"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

const (
	// scaleShare is the size of the large job divided by that of the one that it is compared with.
	scaleShare = 100
	// tinySize is the number of mappings of the jobs that are started next to the large one.
	tinySize = 10
	// tinyJobs is the number of these jobs, if the large job does not end before.
	tinyJobs = 20
	// pollers is the number of clients that read the status of the large job.
	pollers = 50
	// settled is the time after a pause in which a mapping that starts nevertheless would end.
	settled = 2 * time.Second
	// tinyReport and comparedReport are the reports of the other jobs.
	tinyReport, comparedReport = "bench-tiny", "bench-compared"
)

func (a *app) benchScaleCommand() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "measures what grows with the size of a job",
		Description: "Runs a job of many mappings and one of a hundredth of that, and compares their times per " +
			"mapping. Then it runs the large job again: pauses and resumes it, runs small jobs of another report " +
			"next to it while clients read its status, and cancels it. The classifier does nothing, as in " +
			"bench commit.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "mappings", Usage: "the number of mappings of the large job, `N`", Value: 1_000_000},
			jsonFlag(),
		},
		Action: a.benchScale,
	}
}

// benchScaleResult is the output of bench scale.
type benchScaleResult struct {
	Mappings         int `json:"mappings"`
	ComparedMappings int `json:"compared_mappings"`
	// CostRatio is the time per mapping of the large job, divided by that of the other one.
	CostRatio float64 `json:"cost_ratio"`
	// PeakRSSMiB is the largest resident memory of this process, with all services and the NATS server, after the
	// import: an upper bound for each service. It is zero on systems without /proc.
	PeakRSSMiB float64 `json:"peak_rss_mib"`
	// PostP99MS and StatusP99MS are the 99th percentiles of the requests for small jobs and of the reads of the large
	// job's status, while the large job runs.
	PostP99MS   float64 `json:"post_p99_ms"`
	StatusP99MS float64 `json:"status_p99_ms"`
	// SmallJobSeconds is the longest time of a small job next to the large one, from the request to its final status.
	SmallJobSeconds float64 `json:"small_job_seconds"`
	// PauseSeconds is the time from the pause until the last mapping ended, and CancelSeconds that from the cancel to
	// the final status.
	PauseSeconds  float64 `json:"pause_seconds"`
	CancelSeconds float64 `json:"cancel_seconds"`
	// StreamBytes and TableBytes are the sizes at the end, by name, and DeadRows the rows that no transaction sees.
	StreamBytes map[string]int64 `json:"stream_bytes"`
	TableBytes  map[string]int64 `json:"table_bytes"`
	DeadRows    int64            `json:"dead_rows"`
}

func (a *app) benchScale(ctx context.Context, cmd *cli.Command) error {
	if err := noArguments(cmd); err != nil {
		return err
	}
	size := cmd.Int("mappings")
	if size < scaleShare {
		return usagef("--mappings is a whole number from %d up", scaleShare)
	}
	log, err := a.demoLogger(cmd)
	if err != nil {
		return err
	}
	s := scale{
		bench:  bench{app: a, mappings: size, log: log},
		result: benchScaleResult{Mappings: size, ComparedMappings: size / scaleShare},
	}
	err = s.bench.run(ctx, settings{
		classifier: schema.ClassifierRules, engine: rules.New(policy.Default()), evaluate: noop,
	}, s.measure)
	if err != nil {
		return err
	}
	if cmd.Bool(flagJSON) {
		return a.printJSON(s.result)
	}
	return a.printBenchScale(s.result)
}

// scale measures a large job.
type scale struct {
	bench  bench
	client *client
	at     address
	result benchScaleResult
}

func (s *scale) measure(ctx context.Context, at address) (err error) {
	s.at, s.client = at, newClient(at.HTTP, at.token)
	if err := s.load(ctx); err != nil {
		return err
	}
	small, err := s.timePerMapping(ctx, comparedReport, s.result.ComparedMappings)
	if err != nil {
		return err
	}
	large, err := s.timePerMapping(ctx, sample.ReportID, s.result.Mappings)
	if err != nil {
		return err
	}
	s.result.CostRatio = large.Seconds() / small.Seconds()
	if err := s.control(ctx); err != nil {
		return err
	}
	s.result.PeakRSSMiB = float64(peakRSS()) / (1 << 20)
	return s.sizes(ctx)
}

// load imports the three reports, and then begins a new peak of the memory.
func (s *scale) load(ctx context.Context) error {
	for report, size := range map[string]int{
		sample.ReportID: s.result.Mappings, comparedReport: s.result.ComparedMappings, tinyReport: tinySize,
	} {
		d := demo{app: s.bench.app, size: size, reportID: report}
		if err := d.load(ctx, s.at.db); err != nil {
			return err
		}
	}
	debug.FreeOSMemory()
	// On systems without it, the peak is not known either.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	return nil
}

// timePerMapping runs a job of the report and returns its time for each of n mappings.
func (s *scale) timePerMapping(ctx context.Context, report string, n int) (time.Duration, error) {
	jobID, err := s.client.regenerate(ctx, sample.CycleID, report)
	if err != nil {
		return 0, err
	}
	status, err := s.bench.follow(ctx, s.client, jobID, n, false)
	if err != nil {
		return 0, err
	}
	return status.CompletedAt.Sub(status.CreatedAt) / time.Duration(n), nil
}

// control runs the large job again, with clients and small jobs next to it, and pauses, resumes and cancels it.
func (s *scale) control(ctx context.Context) error {
	jobID, err := s.start(ctx)
	if err != nil {
		return err
	}
	if jobID, s.result.PauseSeconds, err = s.pause(ctx, jobID); err != nil {
		return err
	}
	if err := s.change(ctx, jobID, "resume"); err != nil && !isConflict(err) {
		return err
	}
	if err := s.crowd(ctx, jobID); err != nil {
		return err
	}
	s.bench.note("cancelling the large job")
	if jobID, err = s.changeRunning(ctx, jobID, "cancel"); err != nil {
		return err
	}
	if _, err := s.bench.app.watch(ctx, s.client, jobID, true); err != nil {
		return err
	}
	s.result.CancelSeconds, err = s.since(ctx, jobID, schema.IntentCancel, "select ended_at from jobs where id = ?")
	return err
}

// start starts the large job and returns its id when one of its mappings has ended.
func (s *scale) start(ctx context.Context) (jobID string, err error) {
	if jobID, err = s.client.regenerate(ctx, sample.CycleID, sample.ReportID); err != nil {
		return "", err
	}
	w := watcher{client: s.client, jobID: jobID, progress: newProgress(s.bench.app.stderr, false), wait: statusWait}
	for {
		status, err := w.next(ctx)
		if err != nil || status.CompletedSteps > 0 {
			return jobID, err
		}
	}
}

// change sends the job a pause, a resumption or a cancellation.
func (s *scale) change(ctx context.Context, jobID, intent string) error {
	var accepted api.IntentAccepted
	_, err := s.client.call(ctx, request{method: http.MethodPost, path: jobPath(jobID, "/"+intent)}, &accepted)
	if err != nil {
		return fmt.Errorf("%s the job of %s: %w", intent, count(int64(s.result.Mappings), "mapping"), err)
	}
	return nil
}

// mostStarts is how often the large job is started to be paused or cancelled. A small one may end before.
const mostStarts = 5

// changeRunning sends the job an intent. If the job has ended, it starts the job again. It returns the id of the job.
func (s *scale) changeRunning(ctx context.Context, jobID, intent string) (string, error) {
	for starts := 1; ; starts++ {
		err := s.change(ctx, jobID, intent)
		if !isConflict(err) || starts == mostStarts {
			return jobID, err
		}
		if jobID, err = s.start(ctx); err != nil {
			return jobID, err
		}
	}
}

// isConflict reports whether the api has refused an intent because the job has ended.
func isConflict(err error) bool {
	refused, ok := errors.AsType[*apiError](err)
	return ok && refused.problem.Status == http.StatusConflict
}

// pause pauses the job and returns its id and the seconds until its last mapping ended.
func (s *scale) pause(ctx context.Context, jobID string) (string, float64, error) {
	s.bench.note("pausing the large job")
	jobID, err := s.changeRunning(ctx, jobID, "pause")
	if err == nil {
		err = sleep(ctx, settled)
	}
	if err != nil {
		return jobID, 0, err
	}
	seconds, err := s.since(ctx, jobID, schema.IntentPause, "select max(ended_at) from job_items where job_id = ?")
	return jobID, seconds, err
}

// since returns the seconds from the intent to the time that the query returns for the job, at least zero.
func (s *scale) since(ctx context.Context, jobID string, intent schema.Intent, query string) (float64, error) {
	var seconds float64
	err := s.at.db.NewRaw(`select coalesce(greatest(extract(epoch from (?) - max(created_at)), 0), 0)::float8
		from job_intents where job_id = ? and intent = ?`, s.at.db.NewRaw(query, jobID), jobID, intent).
		Scan(ctx, &seconds)
	if err != nil {
		return 0, fmt.Errorf("time of the intent %s: %w", intent, err)
	}
	return seconds, nil
}

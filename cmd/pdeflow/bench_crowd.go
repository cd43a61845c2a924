package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pdeflow/pdeflow/cmd/pdeflow/sample"
	"github.com/pdeflow/pdeflow/events"
)

// latencies collects the times of requests. It is safe for concurrent use.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

// time calls f and adds the time that it took, unless f fails.
func (l *latencies) time(f func() error) error {
	began := time.Now()
	if err := f(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, time.Since(began))
	return nil
}

// p99 returns the 99th percentile in milliseconds, or zero without any times.
func (l *latencies) p99() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	slices.Sort(l.all)
	return l.all[int(math.Ceil(float64(len(l.all))*0.99))-1].Seconds() * 1000
}

// crowd lets clients read the status of the job while small jobs run one after the other, and measures both.
func (s *scale) crowd(ctx context.Context, jobID string) error {
	s.bench.note(fmt.Sprintf("running jobs of %s next to the large one", count(tinySize, "mapping")))
	var posts, reads latencies
	polling, stop := context.WithCancel(ctx)
	defer stop()
	group, polling := errgroup.WithContext(polling)
	for range pollers {
		group.Go(func() error { return s.poll(polling, jobID, &reads) })
	}
	err := s.tinyJobs(polling, jobID, &posts)
	stop()
	if pollErr := group.Wait(); pollErr != nil {
		err = pollErr // it has ended the small jobs
	}
	s.result.PostP99MS, s.result.StatusP99MS = posts.p99(), reads.p99()
	return err
}

// poll reads the status of the job periodically until ctx ends.
func (s *scale) poll(ctx context.Context, jobID string, reads *latencies) error {
	client := *s.client // one client is not for several goroutines
	for {
		err := reads.time(func() error {
			_, err := client.do(ctx, request{method: http.MethodGet, path: jobPath(jobID, "/status")})
			return err
		})
		if err == nil {
			err = sleep(ctx, pollEvery)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tinyJobs runs small jobs one after the other, until there are enough of them or most of the large job is done.
func (s *scale) tinyJobs(ctx context.Context, largeID string, posts *latencies) error {
	for range tinyJobs {
		var jobID string
		err := posts.time(func() (err error) {
			jobID, err = s.client.regenerate(ctx, sample.CycleID, tinyReport)
			return err
		})
		if err != nil {
			return err
		}
		status, err := s.bench.follow(ctx, s.client, jobID, tinySize, true)
		if err != nil {
			return err
		}
		s.result.SmallJobSeconds = max(s.result.SmallJobSeconds, status.CompletedAt.Sub(status.CreatedAt).Seconds())
		var large events.JobStatus
		_, err = s.client.call(ctx, request{method: http.MethodGet, path: jobPath(largeID, "/status")}, &large)
		if err != nil || large.ProgressPercentage >= 50 {
			return err
		}
	}
	return nil
}

// sizes reads the sizes of the streams and tables.
func (s *scale) sizes(ctx context.Context) error {
	nc, err := natsServer{url: s.at.NATS}.connect("pdeflow-bench-sizes", s.bench.log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := events.JetStream(nc)
	if err != nil {
		return err
	}
	s.result.StreamBytes = map[string]int64{}
	for _, name := range []string{events.StreamWork, events.StreamEvents} {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		s.result.StreamBytes[name] = int64(stream.CachedInfo().State.Bytes) //nolint:gosec // far below
	}
	var (
		tables      []string
		sizes, dead []int64
	)
	err = s.at.db.NewRaw(`select relname, pg_total_relation_size(relid), n_dead_tup from pg_stat_user_tables`).
		Scan(ctx, &tables, &sizes, &dead)
	if err != nil {
		return fmt.Errorf("sizes of tables: %w", err)
	}
	s.result.TableBytes = make(map[string]int64, len(tables))
	for i, table := range tables {
		s.result.TableBytes[table] = sizes[i]
		s.result.DeadRows += dead[i]
	}
	return nil
}

// peakRSS returns the largest resident memory of this process so far, in bytes; zero on systems without /proc.
func peakRSS() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	size, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kib, err := strconv.ParseInt(string(size), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// largestTables is the number of tables that bench scale prints.
const largestTables = 6

func (a *app) printBenchScale(r benchScaleResult) error {
	t := table(a.stdout)
	printRow(t, "MEASURE", "VALUE", "AT MOST")
	printRow(t, "time per mapping, of "+count(int64(r.ComparedMappings), "mapping"),
		fmt.Sprintf("%.2f times", r.CostRatio), "1.25 times")
	printRow(t, "memory of the process", fmt.Sprintf("%.0f MiB", r.PeakRSSMiB), "256 MiB")
	printRow(t, "request for a job, 99th percentile", fmt.Sprintf("%.0f ms", r.PostP99MS), "50 ms")
	printRow(t, fmt.Sprintf("status with %d clients, 99th percentile", pollers),
		fmt.Sprintf("%.0f ms", r.StatusP99MS), "20 ms")
	printRow(t, "job of "+count(tinySize, "mapping"), fmt.Sprintf("%.1f s", r.SmallJobSeconds), "3 s")
	printRow(t, "last mapping after a pause", fmt.Sprintf("%.1f s", r.PauseSeconds), "2 s")
	printRow(t, "end after a cancel", fmt.Sprintf("%.1f s", r.CancelSeconds),
		fmt.Sprintf("%.1f s", 2+2*float64(r.Mappings)/100_000))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	t = table(a.stdout)
	printRow(t, "STREAM OR TABLE", "BYTES")
	for _, sizes := range []map[string]int64{r.StreamBytes, r.TableBytes} {
		names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return int(sizes[b] - sizes[a]) })
		for _, name := range names[:min(len(names), largestTables)] {
			printRow(t, name, sizes[name])
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\n%s, %s\n", count(int64(r.Mappings), "mapping"), count(r.DeadRows, "dead row"))
	return nil
}

package api

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// movingJob is a job whose progress changes with every read.
type movingJob struct {
	reads  atomic.Int64
	status atomic.Value
}

func (j *movingJob) read(_ context.Context, ids []string) (map[string]jobReading, error) {
	reading, err := newReading(events.JobStatus{
		JobID: ids[0], Status: j.status.Load().(schema.Status), CompletedSteps: j.reads.Add(1), TotalSteps: 1 << 20,
	})
	return map[string]jobReading{ids[0]: reading}, err
}

func readerOf(
	read func(context.Context, []string) (map[string]jobReading, error),
	stopping chan struct{},
) *statusReader {
	return &statusReader{
		read: read, log: slog.New(slog.DiscardHandler), start: func(f func()) { go f() }, stopping: stopping,
		pollEvery: pollEvery, wake: make(chan struct{}, 1), waiters: map[string]map[*waiter]bool{},
	}
}

func TestAThousandWaitingRequestsShareOneReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			job     movingJob
			answers atomic.Int64
			ended   sync.WaitGroup
		)
		job.status.Store(schema.StatusRunning)
		stopping := make(chan struct{})
		r := readerOf(job.read, stopping)
		for range 1000 { // each asks again as soon as it has an answer
			ended.Go(func() {
				known := ""
				for {
					got, err := r.await(t.Context(), "job", known, 30*time.Second)
					if err != nil {
						t.Error(err)
						return
					}
					if got.status.Status.IsFinal() {
						return
					}
					answers.Add(1)
					known = got.etag
				}
			})
		}
		const seconds = 20
		time.Sleep(seconds * time.Second) //nolint:forbidigo // the clock of the bubble, in which nothing takes time
		if reads := job.reads.Load(); reads > seconds*10+1 {
			t.Errorf("reads of the status: got %d in %d s, want at most ten a second", reads, seconds)
		}
		if n := answers.Load(); n > (seconds+2)*progressRate || n < seconds*progressRate/2 {
			t.Errorf("answers: got %d in %d s, want about %d a second", n, seconds, progressRate)
		}

		began := time.Now()
		job.status.Store(schema.StatusCompleted)
		ended.Wait()
		if late := time.Since(began); late > pollEvery {
			t.Errorf("time until everyone has the end of the job: got %s, want at most %s", late, pollEvery)
		}
		close(stopping)
	})
}

func TestAChangeOfStateIsNotDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var job movingJob
		job.status.Store(schema.StatusRunning)
		stopping := make(chan struct{})
		r := readerOf(job.read, stopping)
		first, err := r.await(t.Context(), "job", `"unknown"`, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		r.waiting += 2500 // as many as let progress wait for ten seconds
		r.mu.Unlock()
		job.status.Store(schema.StatusPaused)
		began := time.Now()
		second, err := r.await(t.Context(), "job", first.etag, 30*time.Second)
		if err != nil || second.status.Status != schema.StatusPaused || time.Since(began) > pollEvery {
			t.Errorf("after %s the status: got %s (%v), want paused within "+
				"%s", time.Since(began), second.status.Status, err, pollEvery)
		}
		began = time.Now()
		if _, err := r.await(t.Context(), "job", second.etag, 30*time.Second); err != nil ||
			time.Since(began) < 10*time.Second {
			t.Errorf("time until progress is returned: got %s (%v), want 10s", time.Since(began), err)
		}
		close(stopping)
	})
}

func TestAStatusIsNeverOlderThanTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var job movingJob
		job.status.Store(schema.StatusRunning)
		stopping, reading, begun := make(chan struct{}), make(chan struct{}), make(chan struct{})
		slow := func(ctx context.Context, ids []string) (map[string]jobReading, error) {
			readings, err := job.read(ctx, ids)
			if job.reads.Load() == 1 {
				close(begun)
				<-reading
			}
			return readings, err
		}
		r := readerOf(slow, stopping)
		results := make(chan jobReading, 2)
		ask := func() {
			got, err := r.await(t.Context(), "job", `"unknown"`, 30*time.Second)
			if err != nil {
				t.Error(err)
			}
			results <- got
		}
		go ask()
		<-begun
		go ask() // while the first read, which may have seen an older row, is under way
		synctest.Wait()
		close(reading)
		one, two := <-results, <-results
		if one.status.CompletedSteps != 1 || two.status.CompletedSteps < 2 {
			t.Errorf("the requests got reads %d and %d, want the second one to get a read that began after "+
				"it", one.status.CompletedSteps, two.status.CompletedSteps)
		}
		close(stopping)
	})
}

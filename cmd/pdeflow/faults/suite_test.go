package faults

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/schema/schematest"
	"github.com/pdeflow/pdeflow/services/api"
)

var (
	runs     = flag.Int("runs", 1, "the number of runs, each with the next seed")
	seed     = flag.Uint64("seed", 1, "the seed of the first run")
	count    = flag.Int("faults", 8, "the number of faults of a run")
	mappings = flag.Int("mappings", 1500, "the number of mappings of a job")
)

const (
	secret = "a secret of the fault suite, and of nothing else"
	// patience is how long a job may make no progress after a fault is over.
	patience = 2 * time.Minute
)

func TestMain(m *testing.M) { schematest.Main(m) }

func TestAJobSurvivesRandomFaults(t *testing.T) {
	path := program(t)
	for n := range *runs {
		t.Run(fmt.Sprintf("seed %d", *seed+uint64(n)), func(t *testing.T) {
			r := newRun(t, path, *seed+uint64(n))
			for injected := 0; injected < *count && !t.Failed(); {
				r.job, r.progress, r.cancelled = r.regenerate(), schema.JobStatus{}, false
				for injected < *count && r.injectOne(injected) {
					injected++
				}
				r.finish()
				r.verify()
			}
		})
	}
}

// run is one run of the suite: jobs that follow each other, with their servers and processes.
type run struct {
	t           *testing.T
	seed        uint64
	random      *rand.Rand // of the present fault
	program     string
	listen      string
	databaseURL string
	db          *schema.DB
	nats        *eventstest.Server
	processes   []*process
	log         *eventstest.Log
	job         string
	cancelled   bool // on request
	progress    schema.JobStatus
}

func newRun(t *testing.T, program string, seed uint64) *run {
	t.Helper()
	r := &run{
		t: t, seed: seed, program: program, listen: schematest.FreeAddress(t),
		db: schematest.New(t), databaseURL: schematest.URL(t), nats: eventstest.Start(t), log: eventstest.NewLog(t),
	}
	// The tests' server may lose the last commits in a crash, which would move progress back.
	r.admin(`do $$ begin
		execute format('alter database %I set synchronous_commit = on', current_database());
		end $$`)
	schematest.Report(t, r.db, *mappings)
	for _, service := range []schema.Service{
		schema.ServiceAPI, schema.ServiceDispatcher, schema.ServiceClassifier, schema.ServiceClassifier,
		schema.ServiceProjector, schema.ServiceAuditor,
	} {
		p := &process{service: service}
		r.processes = append(r.processes, p)
		r.start(p)
	}
	t.Cleanup(func() {
		for _, p := range r.processes {
			p.kill()
		}
	})
	return r
}

// injectOne waits until the job has advanced by a random number of mappings, breaks something, and waits until the job
// advances again. It returns false if the job ends before. The n-th fault depends on the seed alone.
func (r *run) injectOne(n int) bool {
	r.t.Helper()
	r.random = rand.New(rand.NewPCG(r.seed, uint64(n)))
	f := faults[r.random.IntN(len(faults))]
	at := r.progress.CompletedSteps + int64(r.random.IntN(*mappings / *count))
	r.until(func(s schema.JobStatus) bool { return s.CompletedSteps >= at || s.Status.IsFinal() })
	if r.progress.Status.IsFinal() {
		return false
	}
	began := time.Now()
	f.inject(r)
	over := time.Now()
	r.until(func(schema.JobStatus) bool { return true })
	completed := r.progress.CompletedSteps
	r.until(func(s schema.JobStatus) bool { return s.CompletedSteps > completed || s.Status.IsFinal() })
	r.t.Logf("at %4d of %d: %-42s lasted %5d ms, then progress after %5d ms", at, *mappings, f.name,
		over.Sub(began).Milliseconds(), time.Since(over).Milliseconds())
	return true
}

// finish waits for the end of the job.
func (r *run) finish() {
	r.t.Helper()
	r.until(func(s schema.JobStatus) bool { return s.Status.IsFinal() })
}

// until reads the status until the condition holds, and checks that progress never goes back. The database may be away.
func (r *run) until(condition func(schema.JobStatus) bool) {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		var now schema.JobStatus
		if err := r.db.NewSelect().Model(&now).Where("job_id = ?", r.job).Scan(r.t.Context()); err != nil {
			continue
		}
		before := r.progress
		if now.CompletedSteps < before.CompletedSteps || now.CompletedSteps > now.TotalSteps ||
			before.Status.IsFinal() && now.Status != before.Status {
			r.t.Errorf("progress: got %s %d of %d after %s %d", now.Status, now.CompletedSteps, now.TotalSteps,
				before.Status, before.CompletedSteps)
		}
		if r.progress = now; condition(now) {
			return
		}
	}
	r.t.Fatalf("job: got %s with %d of %d and waiting_for %q for %v, want it to get on", r.progress.Status,
		r.progress.CompletedSteps, r.progress.TotalSteps, r.progress.WaitingFor, patience)
}

// lasts waits for the length of a fault.
func (r *run) lasts(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.t.Context().Done():
	}
}

// regenerate starts the job and returns its id.
func (r *run) regenerate() string {
	r.t.Helper()
	var accepted struct {
		JobID string `json:"job_id"`
	}
	body := r.request("/planning/cycles/"+schematest.CycleID+"/reports/"+schematest.ReportID+
		"/pde-mappings/regenerate-all", `{"force": true}`)
	if err := json.Unmarshal(body, &accepted); err != nil || accepted.JobID == "" {
		r.t.Fatalf("regenerate-all: got %s, want a job id", body)
	}
	return accepted.JobID
}

// request posts to the api until it answers, because the api may be down.
func (r *run) request(path, body string) []byte {
	r.t.Helper()
	token, err := api.SignToken([]byte(secret), "tina", api.Manager, time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if code, body := r.post(path, body, token); code != 0 && code < http.StatusInternalServerError {
			return body
		}
	}
	r.t.Fatalf("POST %s: got no answer within %v", path, patience)
	return nil
}

// post returns the code and body of an answer, or 0 if there is none.
func (r *run) post(path, sent, token string) (int, []byte) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.listen+"/api/v1"+path,
		strings.NewReader(sent))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if sent != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	var body json.RawMessage
	_ = json.NewDecoder(response.Body).Decode(&body) // an answer that was cut is empty
	return response.StatusCode, body
}
